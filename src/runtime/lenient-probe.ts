/** Probes a server whose response the runtime's HTTP client refuses for its form: only the status matters to a probe. */

import { createConnection, isIP, type Socket } from "node:net";
import { connect as connectSecure, type ConnectionOptions } from "node:tls";
import { patientSchedule } from "../lib/clock.ts";
import { tlsClientOptions } from "../net/address.ts";
import { timedOut } from "./node.ts";
import type { HttpProbe } from "./runtime.ts";
import { hostOf } from "./web.ts";

/** Whether an error of the runtime's HTTP client means that bytes arrived which it does not accept. */
export function isFormError(error: unknown): boolean {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  return /^(HPE_\w+|Malformed_HTTP_Response|InvalidContentLength|UnsupportedTransferEncoding)$/.test(code);
}

/** The TLS options of a probe for node's clients. */
export function probeTlsOf({ url, tls }: HttpProbe): ConnectionOptions {
  const serverName = tls?.serverName ?? hostOf(url);
  // Set explicitly, because the default is the name in the Host header. SNI must be empty for an IP address.
  const servername = isIP(serverName) ? "" : serverName;
  return { servername, ...tlsClientOptions(tls) };
}

/** As the runtime's `probeHttp`, with a client that reads nothing but status lines. @param secure for an https URL */
export function probeLeniently(
  { url, timeoutMs, headers, greeting }: HttpProbe,
  secure: ConnectionOptions,
): Promise<number> {
  const { protocol, port, host, pathname, search } = new URL(url);
  const isSecure = protocol === "https:";
  const address = { host: hostOf(url), port: Number(port || (isSecure ? 443 : 80)) };
  const lines = Object.entries({ host, ...headers, connection: "close" }).map(
    ([name, value]) => `${name}: ${value}\r\n`,
  );
  const sockets: Socket[] = [];
  return new Promise<number>((resolve, reject) => {
    const cancel = patientSchedule(timeoutMs, () => reject(timedOut(`read ${url}`, timeoutMs)));
    const received: Buffer[] = [];
    const follow = (socket: Socket, event: "connect" | "secureConnect") => {
      sockets.push(socket);
      socket.on(event, () => {
        socket.write(`GET ${pathname}${search} HTTP/1.1\r\n${lines.join("")}\r\n`);
      });
      socket.on("data", (chunk: Buffer) => {
        received.push(chunk);
        const status = statusIn(Buffer.concat(received).toString("latin1"));
        if (status === 0) reject(codedError("the response is not HTTP", "head_invalid"));
        else if (status !== undefined) resolve(status);
      });
      socket.on("error", reject);
      socket.on("close", () => reject(codedError("the connection closed without a response", "ECONNRESET")));
      socket.on("close", cancel);
    };
    if (isSecure && !greeting) return follow(connectSecure({ ...secure, ...address }), "secureConnect");
    const plain = createConnection(address);
    if (greeting) plain.once("connect", () => plain.write(greeting));
    if (!isSecure) return follow(plain, "connect");
    sockets.push(plain);
    plain.on("error", reject);
    plain.once("connect", () => follow(connectSecure({ ...secure, socket: plain }), "secureConnect"));
  }).finally(() => sockets.forEach((socket) => socket.destroy()));
}

/** More bytes before the end of a status line are no response; of interim heads before it, twice as many. */
const maxLineBytes = 8_192;

/** The first status from 200 on; 0 if the text is no HTTP response; undefined while it may become one. */
function statusIn(text: string): number | undefined {
  const line = /^[\r\n]*HTTP\/1\.\d +(\d{3})(?:[ \t][^\r\n]*)?\r?\n/.exec(text);
  if (!line) return text.trimStart().includes("\n") || text.length > maxLineBytes ? 0 : undefined;
  const status = Number(line[1]);
  if (status >= 200 || status === 101) return status;
  const end = /\n\r?\n/.exec(text);
  if (end) return statusIn(text.slice(end.index + end[0].length));
  return text.length > 2 * maxLineBytes ? 0 : undefined;
}

function codedError(message: string, code: string): Error {
  return Object.assign(new Error(message), { code });
}

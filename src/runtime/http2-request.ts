/** Sends a request over HTTP/2 with the wire engine's client, on the sockets of the runtime. */

import { sendSingleRequest } from "../engine/wire/http2/single-request.ts";
import { noHttp2Code } from "../engine/wire/http2/protocol.ts";
import type { Sockets } from "../engine/wire/sockets.ts";
import { timedOut } from "./node.ts";
import type { Runtime } from "./runtime.ts";
import { hostOf } from "./web.ts";

/** Codes of failures that probes have words for, instead of those of the engine. */
const codes: Readonly<Record<string, string | undefined>> = { [noHttp2Code]: "no_http2" };

export function http2RequesterOn(sockets: Pick<Sockets, "connect">): Runtime["requestHttp2"] {
  return async ({ url, timeoutMs, headers, tls, body = Buffer.alloc(0) }) => {
    const { protocol, port, pathname, search } = new URL(url);
    const isSecure = protocol === "https:";
    const { host: authority = new URL(url).host, ...others } = headers;
    const fields: ReadonlyArray<readonly [string, string]> = [
      [":method", body.length > 0 ? "POST" : "GET"],
      [":scheme", isSecure ? "https" : "http"],
      [":authority", authority],
      [":path", pathname + search],
      ...Object.entries(others).map(([name, value]) => [name.toLowerCase(), value] as const),
    ];
    const address = {
      protocol: isSecure ? ("https" as const) : ("http" as const),
      hostname: hostOf(url),
      port: Number(port || (isSecure ? 443 : 80)),
      ...(tls && { tls }),
    };
    const result = await sendSingleRequest(
      sockets,
      { address, host: hostOf(url) },
      { fields, body },
      timeoutMs,
    );
    if (typeof result !== "string") return result;
    if (result === "ETIMEDOUT") throw timedOut(`read ${url}`, timeoutMs);
    throw Object.assign(new Error(`Cannot read ${url}: ${result}`), { code: codes[result] ?? result });
  };
}

/** An origin that keeps the raw bytes of each connection, and two readers of them: one strict, one as lenient as servers get. */

import { createServer, type AddressInfo } from "node:net";

export interface RawRequest {
  readonly start: string;
  readonly headers: readonly string[];
  readonly body: string;
}

export interface RawOrigin {
  readonly port: number;
  /** What each connection has received, without those that received nothing. */
  received(): readonly Buffer[];
  clear(): void;
  close(): Promise<void>;
}

/** Answers each connection's first request, and closes it: what follows is another request that should not be there. */
export async function startRawOrigin(): Promise<RawOrigin> {
  const connections = new Set<Buffer[]>();
  const server = createServer({ noDelay: true }, (socket) => {
    const pieces: Buffer[] = [];
    connections.add(pieces);
    socket.on("close", () => pieces.length === 0 && connections.delete(pieces));
    socket.on("error", () => {});
    socket.on("data", (piece: Buffer) => {
      pieces.push(piece);
      if (strictRequests(Buffer.concat(pieces)).length > 0)
        socket.end("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 4\r\n\r\nfine");
    });
  });
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  return {
    port: (server.address() as AddressInfo).port,
    received: () =>
      Array.from(connections, (pieces) => Buffer.concat(pieces)).filter(({ length }) => length > 0),
    clear() {
      // An open one may have been opened for a request that was reset, and serve the next one.
      for (const pieces of connections) pieces.length = 0;
    },
    close: () => new Promise((resolve) => void server.close(() => resolve())),
  };
}

/** The whole requests in the bytes. Throws for what RFC 9112 does not allow. */
export function strictRequests(bytes: Buffer): readonly RawRequest[] {
  const requests: RawRequest[] = [];
  let rest = bytes.toString("latin1");
  for (let end = rest.indexOf("\r\n\r\n"); end >= 0; end = rest.indexOf("\r\n\r\n")) {
    const head = rest.slice(0, end);
    const [start = "", ...headers] = head.split("\r\n");
    if (/[\r\n\0]/.test(head.replaceAll("\r\n", ""))) throw new Error(`bare control character in ${head}`);
    if (!/^[A-Z]+ [^ ]+ HTTP\/1\.1$/.test(start)) throw new Error(`malformed request line ${start}`);
    for (const line of headers)
      if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]+: ?[^\s].*[^ \t]?$|^[^\s:]+: ?$/.test(line))
        throw new Error(`malformed header ${line}`);
    if (named(headers, "host").length !== 1) throw new Error(`not one Host in ${head}`);
    const lengths = named(headers, "content-length");
    const codings = named(headers, "transfer-encoding");
    if (lengths.length + codings.length > 1) throw new Error(`more than one framing in ${head}`);
    const after = rest.slice(end + 4);
    const body = codings.length > 0 ? chunks(after) : plain(after, Number(lengths[0] ?? 0));
    if (!body) break;
    requests.push({ start, headers, body: body.text });
    rest = after.slice(body.taken);
  }
  return requests;
}

/** Takes a line feed for the end of a line, any case and white space, the last Content-Length, and chunks above it. */
export function lenientRequests(bytes: Buffer): readonly RawRequest[] {
  const requests: RawRequest[] = [];
  let rest = bytes.toString("latin1").replaceAll("\0", "");
  for (;;) {
    const end = /\r?\n\r?\n/.exec(rest);
    if (!end) return requests;
    const [start = "", ...headers] = rest.slice(0, end.index).split(/\r?\n|\r/);
    const after = rest.slice(end.index + end[0].length);
    const loose = headers.map((line) =>
      line.toLowerCase().replaceAll(/[\s_]/g, (c) => (c === "_" ? "-" : "")),
    );
    const isChunked = named(loose, "transfer-encoding").some((value) => value.includes("chunked"));
    const body = isChunked
      ? chunks(after)
      : plain(after, Number.parseInt(named(loose, "content-length").at(-1) ?? "0", 10) || 0);
    if (!body) return requests;
    requests.push({ start, headers, body: body.text });
    rest = after.slice(body.taken);
  }
}

function named(headers: readonly string[], name: string): string[] {
  return headers.flatMap((line) => {
    const colon = line.indexOf(":");
    return line.slice(0, colon).toLowerCase() === name ? [line.slice(colon + 1).trim()] : [];
  });
}

interface RawBody {
  readonly text: string;
  readonly taken: number;
}

function plain(after: string, length: number): RawBody | undefined {
  return after.length < length ? undefined : { text: after.slice(0, length), taken: length };
}

function chunks(after: string): RawBody | undefined {
  let text = "";
  let at = 0;
  for (;;) {
    const lineEnd = after.indexOf("\n", at);
    if (lineEnd < 0) return undefined;
    const size = Number.parseInt(after.slice(at, lineEnd), 16);
    at = lineEnd + 1;
    if (size === 0) {
      const end = /^(?:[^\r\n]+\r?\n)*\r?\n/.exec(after.slice(at));
      return end ? { text, taken: at + end[0].length } : undefined;
    }
    if (Number.isNaN(size)) throw new Error(`malformed chunk in ${after}`);
    if (after.length < at + size + 2) return undefined;
    text += after.slice(at, at + size);
    at += size + 2;
  }
}

/** A scriptable upstream on raw sockets: it exposes the received bytes and responds with any bytes. */

import { createServer, type Socket, type AddressInfo } from "node:net";

export interface ReceivedRequest {
  /** The head as received, without the empty line. */
  readonly head: string;
  readonly method: string;
  readonly target: string;
  /** Headers in the order and spelling received. */
  readonly headers: ReadonlyArray<readonly [name: string, value: string]>;
  /** The first value of a header; the name is case-insensitive. */
  header(name: string): string | undefined;
  /** The body with its framing removed. */
  readonly body: Buffer;
  /** The number of its connection, counted from 1. */
  readonly connection: number;
}

export type Responder = (request: ReceivedRequest, socket: Socket) => void | Promise<void>;

export interface Origin {
  readonly port: number;
  readonly url: string;
  /** Every received request, with or without a response. */
  readonly requests: readonly ReceivedRequest[];
  /** Number of connections accepted so far. */
  connections(): number;
  /** Number of open connections. */
  open(): number;
  close(): Promise<void>;
}

export interface OriginOptions {
  /** Called when a complete request has arrived. */
  readonly respond: Responder;
  /** Called when a head has arrived. True takes over the socket: no more bytes of it are parsed. */
  readonly onHead?: (request: ReceivedRequest, socket: Socket) => boolean;
  /** Called when a connection is accepted. */
  readonly onConnect?: (socket: Socket) => void;
  readonly port?: number;
  /** By default 127.0.0.1. */
  readonly hostname?: string;
}

/** Origins that never respond on their own. */
export interface SilentOrigins {
  readonly origins: readonly Origin[];
  /** Connections whose requests wait for a response, in order of arrival. */
  readonly pending: Socket[];
}

export async function startSilentOrigins(count: number): Promise<SilentOrigins> {
  const pending: Socket[] = [];
  const start = () => startOrigin((_, socket) => void pending.push(socket));
  return { origins: await Promise.all(Array.from({ length: count }, start)), pending };
}

export async function startOrigin(options: Responder | OriginOptions): Promise<Origin> {
  const script: OriginOptions = typeof options === "function" ? { respond: options } : options;
  const requests: ReceivedRequest[] = [];
  const sockets = new Set<Socket>();
  let connections = 0;
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    connections += 1;
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    socket.on("error", () => {});
    socket.on("end", () => socket.end());
    script.onConnect?.(socket);
    readRequests(socket, connections, script, requests);
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(script.port ?? 0, script.hostname ?? "127.0.0.1", resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    port,
    url: `http://127.0.0.1:${port}`,
    requests,
    connections: () => connections,
    open: () => sockets.size,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}

function readRequests(
  socket: Socket,
  connection: number,
  script: OriginOptions,
  requests: ReceivedRequest[],
): void {
  let pending: Buffer = Buffer.alloc(0);
  let arrived: Buffer[] = [];
  let arrivedBytes = 0;
  let neededBytes = 0;
  let head: ReceivedRequest | undefined;
  let takenOver = false;
  socket.on("data", (chunk: Buffer) => {
    if (takenOver) return;
    arrived.push(chunk);
    arrivedBytes += chunk.length;
    if (pending.length + arrivedBytes < neededBytes) return;
    pending = Buffer.concat([pending, ...arrived]);
    [arrived, arrivedBytes, neededBytes] = [[], 0, 0];
    for (;;) {
      if (!head) {
        const end = pending.indexOf("\r\n\r\n");
        if (end < 0) return;
        head = requestOf(pending.toString("latin1", 0, end), Buffer.alloc(0), connection);
        pending = pending.subarray(end + 4);
        if (script.onHead?.(head, socket)) {
          takenOver = true;
          requests.push(head);
          return;
        }
      }
      const body = bodyOf(head, pending);
      if (!body) {
        neededBytes = Number(head.header("content-length") ?? 0);
        return;
      }
      pending = pending.subarray(body.taken);
      const request = requestOf(head.head, body.bytes, connection);
      head = undefined;
      requests.push(request);
      void script.respond(request, socket);
    }
  });
}

function requestOf(head: string, body: Buffer, connection: number): ReceivedRequest {
  const [start = "", ...lines] = head.split("\r\n");
  const [method = "", target = ""] = start.split(" ");
  const headers = lines.map((line): [string, string] => {
    const colon = line.indexOf(":");
    return [line.slice(0, colon), line.slice(colon + 1).trim()];
  });
  const header = (name: string) => headers.find(([key]) => key.toLowerCase() === name.toLowerCase())?.[1];
  return { head, method, target, headers, header, body, connection };
}

/** The complete body and its length with framing; undefined while it is incomplete. */
function bodyOf(request: ReceivedRequest, bytes: Buffer): { bytes: Buffer; taken: number } | undefined {
  if (request.header("transfer-encoding")?.toLowerCase() === "chunked") return chunksOf(bytes);
  const length = Number(request.header("content-length") ?? 0);
  return bytes.length >= length
    ? { bytes: Buffer.from(bytes.subarray(0, length)), taken: length }
    : undefined;
}

function chunksOf(bytes: Buffer): { bytes: Buffer; taken: number } | undefined {
  const parts: Buffer[] = [];
  let at = 0;
  for (;;) {
    const lineEnd = bytes.indexOf("\r\n", at);
    if (lineEnd < 0) return undefined;
    const size = Number.parseInt(bytes.toString("latin1", at, lineEnd), 16);
    at = lineEnd + 2;
    if (size === 0) {
      if (bytes.indexOf("\r\n", at) === at) return { bytes: Buffer.concat(parts), taken: at + 2 };
      const trailerEnd = bytes.indexOf("\r\n\r\n", at);
      return trailerEnd < 0 ? undefined : { bytes: Buffer.concat(parts), taken: trailerEnd + 4 };
    }
    if (bytes.length < at + size + 2) return undefined;
    parts.push(bytes.subarray(at, at + size));
    at += size + 2;
  }
}

/**
 * Delays a response as a busy server does: a load then keeps its requests in flight and sends at the pace of its
 * clients instead of using all processors.
 */
export function delayed(response: Responder, ms = 15): Responder {
  return (request, socket) => void setTimeout(() => void response(request, socket), ms);
}

/** The bytes of a complete response with Content-Length. */
export function respondWith(
  body: string | Buffer,
  headers: readonly string[] = [],
  status = "200 OK",
): Buffer {
  const bytes = typeof body === "string" ? Buffer.from(body) : body;
  const head = [`HTTP/1.1 ${status}`, ...headers, `Content-Length: ${bytes.length}`, "", ""].join("\r\n");
  return Buffer.concat([Buffer.from(head, "latin1"), bytes]);
}

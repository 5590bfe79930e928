/** A web listener with limits of its own, for admin API and dashboard, on `node:http`: Bun.serve and Deno.serve limit no connections. */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { type Cancel, systemSchedule } from "../lib/clock.ts";
import { plainAddress } from "../net/address.ts";
import type { WebLimits, WebListener, WebOptions } from "./runtime.ts";
import { bugResponse, standardForm, unreadable } from "./web.ts";

/** Connections beyond the maximum that get a 503. More are closed without a word. */
const maxRejected = 8;

/** How long a rejected client has for its request, milliseconds. */
const rejectedMs = 1_000;

/**
 * ```
 *  waiting ──complete head──▶ busy ──response sent──▶ waiting …
 *     └── headMs, idleMs, or room needed ──▶ closed
 * ```
 */
interface Connection {
  readonly socket: Socket;
  /** It only gets a 503: all others are busy. */
  readonly isRejected: boolean;
  cancel: Cancel;
  isBusy: boolean;
}

/** Admits connections. When there is no room, the one that has waited longest for a request gives way. */
class Connections {
  readonly #limits: WebLimits;
  readonly #all = new Map<Socket, Connection>();
  /** In the order in which their wait began. */
  readonly #waiting = new Set<Connection>();

  constructor(limits: WebLimits) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#all.size;
  }

  of(socket: Socket): Connection | undefined {
    return this.#all.get(socket);
  }

  add(socket: Socket): void {
    const { maxConnections, headMs } = this.#limits;
    const [oldest] = this.#waiting;
    if (this.#all.size >= maxConnections && oldest) this.#drop(oldest);
    const isRejected = this.#all.size >= maxConnections;
    socket.on("error", () => {});
    if (this.#all.size >= maxConnections + maxRejected) return void socket.destroy();
    const connection: Connection = { socket, isRejected, cancel: () => {}, isBusy: false };
    this.#all.set(socket, connection);
    socket.on("close", () => this.#forget(connection));
    this.await(connection, isRejected ? rejectedMs : headMs);
  }

  /** Closes the connection if its next request does not arrive in time. */
  await(connection: Connection, delayMs = this.#limits.idleMs): void {
    connection.isBusy = false;
    this.#waiting.add(connection);
    this.limit(connection, delayMs);
  }

  /** A complete head has arrived. */
  began(connection: Connection): void {
    connection.isBusy = true;
    connection.cancel();
    this.#waiting.delete(connection);
  }

  /** Closes the connection after this time, whatever it does. */
  limit(connection: Connection, delayMs: number): void {
    connection.cancel();
    connection.cancel = systemSchedule(delayMs, () => this.#drop(connection));
  }

  /** Closes the connections that serve no request, or all. */
  close(only: "idle" | "all"): void {
    for (const connection of [...this.#all.values()]) {
      if (only === "all" || !connection.isBusy) this.#drop(connection);
    }
  }

  #drop(connection: Connection): void {
    // Some runtimes report the close later: the place is free now.
    this.#forget(connection);
    connection.socket.destroy();
  }

  #forget(connection: Connection): void {
    connection.cancel();
    this.#all.delete(connection.socket);
    this.#waiting.delete(connection);
  }
}

/** Rejects with the system's error code if the port cannot be bound. */
export function serveLimited(options: WebOptions, limits: WebLimits): Promise<WebListener> {
  const connections = new Connections(limits);
  const closed = Promise.withResolvers<void>();
  let isDraining = false;
  let active = 0;
  const ended = (socket: Socket) => {
    active -= 1;
    const connection = connections.of(socket);
    if (connection && !isDraining) connections.await(connection);
    if (isDraining && active === 0) closed.resolve();
    if (isDraining) socket.destroySoon();
  };
  // The limits are ours: those of node:http do not work on both runtimes.
  const server = createServer({ requestTimeout: 0, headersTimeout: 0, keepAliveTimeout: 0 });
  server.on("connection", (socket: Socket) => connections.add(socket));
  server.on("request", (message, reply) => {
    const { socket } = message;
    const connection = connections.of(socket);
    active += 1;
    reply.on("close", () => ended(socket));
    if (connection) connections.began(connection);
    if (connection && hasBody(message)) {
      connections.limit(connection, limits.stallMs);
      message.on("end", () => connection.isBusy && connection.cancel());
    }
    reply.on("prefinish", () => connection?.isBusy && connections.limit(connection, limits.stallMs));
    const response =
      connection?.isRejected || !connection
        ? Promise.resolve(tooManyConnections(limits))
        : respond(message, reply, options);
    void response.then((answer) =>
      send(answer, reply, {
        isHead: message.method === "HEAD",
        isLast: isDraining || !connection || connection.isRejected,
        stallMs: limits.stallMs,
      }),
    );
  });
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ port: options.port, host: options.hostname }, () => {
      const address = server.address();
      resolve({
        port: typeof address === "object" && address ? address.port : options.port,
        drain() {
          isDraining = true;
          stopListening(server);
          connections.close("idle");
          if (active === 0) closed.resolve();
          return closed.promise;
        },
        close() {
          isDraining = true;
          stopListening(server);
          connections.close("all");
          closed.resolve();
        },
      });
    });
  });
}

function stopListening(server: Server): void {
  if (server.listening) server.close();
}

function hasBody({ headers }: IncomingMessage): boolean {
  return headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) > 0;
}

async function respond(
  message: IncomingMessage,
  reply: ServerResponse,
  options: WebOptions,
): Promise<Response> {
  const request = requestOf(message, reply);
  if (!request) return unreadable();
  try {
    return await options.handle(request, plainAddress(message.socket.remoteAddress ?? ""));
  } catch (error) {
    return bugResponse(error, options);
  }
}

/** Undefined without an unambiguous URL, see `readable`. */
function requestOf(message: IncomingMessage, reply: ServerResponse): Request | undefined {
  const { method = "GET", url: target = "/", rawHeaders } = message;
  const headers = new Headers();
  for (let i = 0; i + 1 < rawHeaders.length; i += 2)
    headers.append(rawHeaders[i] ?? "", rawHeaders[i + 1] ?? "");
  const host = headers.get("host");
  // A character that ends the authority would move the rest of the host into the path.
  if (host !== null && !/^[^\s/?#\\@,]+$/.test(host)) return undefined;
  if (host === null && message.httpVersion !== "1.0") return undefined;
  const url = standardForm(target.startsWith("/") ? `http://${host ?? "localhost"}${target}` : target);
  if (url === undefined) return undefined;
  // The standard's Request has no body here.
  const isRead = hasBody(message) && method !== "GET" && method !== "HEAD";
  if (!isRead) message.resume();
  try {
    const body = isRead && { body: bodyOf(message, reply), duplex: "half" };
    return new Request(url, { method, headers, ...body } as RequestInit);
  } catch {
    return undefined;
  }
}

/** The body, read on demand. What is not wanted any more is read and dropped, so that the response and the next request get through. */
function bodyOf(message: IncomingMessage, reply: ServerResponse): ReadableStream<Uint8Array> {
  let isOver = false;
  const drop = () => {
    isOver = true;
    message.resume();
  };
  return new ReadableStream<Uint8Array>({
    start(controller) {
      message.on("data", (chunk: Buffer) => {
        if (isOver) return;
        controller.enqueue(new Uint8Array(chunk));
        if ((controller.desiredSize ?? 0) <= 0) message.pause();
      });
      message.on("end", () => {
        if (!isOver) controller.close();
        isOver = true;
      });
      message.on("close", () => {
        if (!isOver)
          controller.error(new Error("Cannot read the body: the client has closed the connection."));
        isOver = true;
      });
      reply.on("close", drop);
      message.pause();
    },
    pull: () => void message.resume(),
    cancel: drop,
  });
}

function tooManyConnections({ maxConnections }: WebLimits): Response {
  return new Response(`503 Service Unavailable: all ${maxConnections} connections are in use\n`, {
    status: 503,
    headers: { "content-type": "text/plain; charset=utf-8", "retry-after": "10" },
  });
}

interface SendOptions {
  readonly isHead: boolean;
  /** Whether the connection closes after the response. */
  readonly isLast: boolean;
  readonly stallMs: number;
}

async function send(
  { status, headers, body }: Response,
  reply: ServerResponse,
  { isHead, isLast, stallMs }: SendOptions,
): Promise<void> {
  const fields: [string, string][] = [...headers].filter(([name]) => name !== "set-cookie");
  for (const cookie of headers.getSetCookie()) fields.push(["set-cookie", cookie]);
  if (isLast) fields.push(["connection", "close"]);
  const reader = body?.getReader();
  try {
    const { bytes, rest } = reader ? await beginningOf(reader) : { bytes: new Uint8Array() };
    const isEmpty = status === 204 || status === 304;
    if (!rest && !isEmpty) fields.push(["content-length", String(bytes.length)]);
    reply.writeHead(status, fields.flat());
    if (rest && reader && !isHead) return await stream(reply, { bytes, rest, reader }, stallMs);
    void reader?.cancel().catch(() => {});
    reply.end(isHead || isEmpty ? undefined : bytes);
  } catch {
    reply.destroy();
  }
}

type Chunk = Awaited<ReturnType<ReadableStreamDefaultReader<Uint8Array>["read"]>>;
type Reader = Pick<ReadableStreamDefaultReader<Uint8Array>, "read" | "cancel">;

/** The first chunk of a body. `rest` is the next one, if the body has more or takes its time: then it is a stream. */
async function beginningOf(
  reader: Reader,
): Promise<{ readonly bytes: Uint8Array; readonly rest?: Promise<Chunk> }> {
  const first = await reader.read();
  if (first.done) return { bytes: new Uint8Array() };
  const rest = reader.read();
  // Awaited in `stream`, or not at all.
  rest.catch(() => {});
  const soon = new Promise<undefined>((resolve) => systemSchedule(0, () => resolve(undefined)));
  const next = await Promise.race([rest, soon]);
  return next?.done ? { bytes: first.value } : { bytes: first.value, rest };
}

interface StreamedBody {
  readonly bytes: Uint8Array;
  readonly rest: Promise<Chunk>;
  readonly reader: Reader;
}

/** Reads only as fast as the client does. */
async function stream(
  reply: ServerResponse,
  { bytes, rest, reader }: StreamedBody,
  stallMs: number,
): Promise<void> {
  let resume = () => {};
  let isClosed = false;
  reply.on("drain", () => resume());
  reply.on("close", () => {
    isClosed = true;
    void reader.cancel().catch(() => {});
    resume();
  });
  let hasRoom = reply.write(bytes);
  for (let next: Chunk = await rest; !next.done; next = await reader.read()) {
    if (!hasRoom && !isClosed) {
      // The source cannot end it: it learns nothing while it is not read.
      const cancel = systemSchedule(stallMs, () => reply.destroy());
      await new Promise<void>((resolve) => (resume = resolve));
      cancel();
    }
    if (isClosed) return;
    hasRoom = reply.write(next.value);
  }
  reply.end();
}

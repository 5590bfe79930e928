/** A server that speaks HTTP/2 in single frames: it collects requests, and sends what no library would. */

import { createServer, type Server, type Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";

import { frameFlag, frameType, preface } from "../../src/engine/wire/http2/protocol.ts";
import {
  dataFrame,
  headersFrame,
  http2Frame,
  type Http2Fields,
  resetFrame,
  settingsFrame,
  windowUpdateFrame,
} from "./http2-client.ts";
import { FieldBlockReader, FrameReader, type Http2Frame } from "./http2-reader.ts";

/** A request, as far as it has arrived. */
export interface Http2ReceivedRequest {
  readonly connection: Http2ServerConnection;
  readonly streamId: number;
  readonly fields: ReadonlyArray<readonly [name: string, value: string]>;
  field(name: string): string | undefined;
  body: Buffer;
  trailers: ReadonlyArray<readonly [name: string, value: string]>;
  hasEnded: boolean;
  /** The code of RST_STREAM; -1 without one. */
  resetCode: number;
  respond(fields: Http2Fields, body?: string | Buffer, trailers?: Http2Fields): void;
}

export interface Http2ServerOptions {
  /** Called for each head. */
  readonly onHead?: (request: Http2ReceivedRequest) => void;
  /** Called when a request has arrived whole. */
  readonly onRequest?: (request: Http2ReceivedRequest) => void;
  /** Called for each connection, before SETTINGS are sent. True: nothing is sent or read. */
  readonly onConnect?: (connection: Http2ServerConnection) => boolean;
  /** By default 127.0.0.1, and any free port. */
  readonly hostname?: string;
  readonly port?: number;
  readonly settings?: ReadonlyArray<readonly [name: number, value: number]>;
  /** Takes request bodies without giving the windows back. */
  readonly keepsWindow?: boolean;
  readonly tls?: { readonly cert: string; readonly key: string; readonly protocols?: readonly string[] };
}

export class Http2ServerConnection {
  readonly socket: Socket;
  readonly frames: Http2Frame[] = [];
  readonly requests = new Map<number, Http2ReceivedRequest>();
  readonly #options: Http2ServerOptions;
  readonly #reader = new FrameReader();
  readonly #blocks = new FieldBlockReader();
  /** What arrived before the end of the preface; undefined after it. */
  #preface: Buffer | undefined = Buffer.alloc(0);
  isClosed = false;

  constructor(socket: Socket, options: Http2ServerOptions) {
    this.socket = socket;
    this.#options = options;
    socket.on("error", () => {});
    socket.on("close", () => (this.isClosed = true));
    socket.on("end", () => socket.end());
    if (options.onConnect?.(this)) return;
    socket.on("data", (chunk: Buffer) => this.#read(chunk));
    this.send(settingsFrame(options.settings ?? []));
  }

  #read(chunk: Buffer): void {
    if (!this.#preface) return this.#readFrames(chunk);
    const bytes = Buffer.concat([this.#preface, chunk]);
    this.#preface = bytes;
    if (bytes.length < preface.length) return;
    if (!bytes.subarray(0, preface.length).equals(preface)) throw new Error("Cannot read: no preface");
    this.#preface = undefined;
    this.#readFrames(bytes.subarray(preface.length));
  }

  #readFrames(chunk: Buffer): void {
    this.#reader.read(chunk, (frame) => this.#frame(frame));
  }

  #frame(frame: Http2Frame): void {
    this.frames.push(frame);
    const { type, flags, streamId, payload } = frame;
    const endsStream = (flags & frameFlag.endStream) !== 0;
    const request = this.requests.get(streamId);
    if (type === frameType.settings && (flags & frameFlag.ack) === 0)
      this.frame(frameType.settings, frameFlag.ack, 0);
    if (type === frameType.rstStream && request) request.resetCode = payload.readUInt32BE(0);
    if (type === frameType.data && request) {
      request.body = Buffer.concat([request.body, payload]);
      if (!this.#options.keepsWindow && payload.length > 0)
        this.send(Buffer.concat([0, streamId].map((id) => windowUpdateFrame(id, payload.length))));
      if (endsStream) this.#ended(request);
    }
    if (type !== frameType.headers && type !== frameType.continuation) return;
    const fields = this.#blocks.read(frame);
    if (!fields) return;
    if (!request) return this.#begin(streamId, fields, endsStream);
    request.trailers = fields;
    this.#ended(request);
  }

  #begin(streamId: number, fields: Array<[string, string]>, endsStream: boolean): void {
    const request: Http2ReceivedRequest = {
      connection: this,
      streamId,
      fields,
      field: (name) => fields.find(([key]) => key === name)?.[1],
      body: Buffer.alloc(0),
      trailers: [],
      hasEnded: false,
      resetCode: -1,
      respond: (head, body, trailers) => this.respond(streamId, head, body, trailers),
    };
    this.requests.set(streamId, request);
    this.#options.onHead?.(request);
    if (endsStream) this.#ended(request);
  }

  #ended(request: Http2ReceivedRequest): void {
    request.hasEnded = true;
    this.#options.onRequest?.(request);
  }

  respond(streamId: number, fields: Http2Fields, body: string | Buffer = "", trailers?: Http2Fields): void {
    const isEmpty = body.length === 0 && !trailers;
    this.send(
      Buffer.concat([
        headersFrame(streamId, fields, isEmpty),
        ...(body.length > 0 ? [dataFrames(streamId, body, !trailers)] : []),
        ...(trailers ? [headersFrame(streamId, trailers, true)] : []),
      ]),
    );
  }

  send(bytes: Buffer): void {
    if (!this.socket.destroyed) this.socket.write(bytes);
  }

  frame(type: number, flags: number, streamId: number, payload?: Buffer): void {
    this.send(http2Frame(type, flags, streamId, payload));
  }

  reset(streamId: number, code: number): void {
    this.send(resetFrame(streamId, code));
  }

  goAway(lastStreamId: number, code = 0): void {
    const payload = Buffer.alloc(8);
    payload.writeUInt32BE(lastStreamId, 0);
    payload.writeUInt32BE(code, 4);
    this.frame(frameType.goAway, 0, 0, payload);
  }

  /** Frames of this type that have arrived. */
  received(type: number): readonly Http2Frame[] {
    return this.frames.filter((frame) => frame.type === type);
  }
}

/** DATA in as many frames as are needed, without a look at the windows. */
export function dataFrames(streamId: number, body: string | Buffer, endsStream: boolean): Buffer {
  const bytes = Buffer.from(body as string, "latin1");
  const count = Math.max(1, Math.ceil(bytes.length / 16_000));
  return Buffer.concat(
    Array.from({ length: count }, (_, i) =>
      dataFrame(streamId, bytes.subarray(i * 16_000, (i + 1) * 16_000), endsStream && i === count - 1),
    ),
  );
}

export interface Http2Server {
  readonly port: number;
  /** Every connection, in order. */
  readonly connections: readonly Http2ServerConnection[];
  /** Every request, in order. */
  requests(): readonly Http2ReceivedRequest[];
  open(): number;
  close(): Promise<void>;
}

export async function startHttp2Server(options: Http2ServerOptions = {}): Promise<Http2Server> {
  const connections: Http2ServerConnection[] = [];
  const requests: Http2ReceivedRequest[] = [];
  const collecting: Http2ServerOptions = {
    ...options,
    onHead(request) {
      requests.push(request);
      options.onHead?.(request);
    },
  };
  const accept = (socket: Socket) => void connections.push(new Http2ServerConnection(socket, collecting));
  const { tls } = options;
  const server: Server = tls
    ? createTlsServer(
        { cert: tls.cert, key: tls.key, ALPNProtocols: [...(tls.protocols ?? ["h2", "http/1.1"])] },
        accept,
      )
    : createServer(accept);
  server.on("tlsClientError", () => {});
  await new Promise<void>((resolve) =>
    server.listen(options.port ?? 0, options.hostname ?? "127.0.0.1", resolve),
  );
  const address = server.address();
  return {
    port: typeof address === "object" && address ? address.port : 0,
    connections,
    requests: () => requests,
    open: () => connections.filter(({ isClosed }) => !isClosed).length,
    async close() {
      for (const { socket } of connections) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

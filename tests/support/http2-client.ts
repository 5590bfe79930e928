/** A client that speaks HTTP/2 in single frames on a raw socket: it sends what no library would, and collects what comes back. */

import { connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";

import { frameFlag, frameType, preface } from "../../src/engine/wire/http2/protocol.ts";
import { FieldBlockReader, FrameReader, type Http2Frame } from "./http2-reader.ts";
import { until } from "./wait.ts";

/** Names and values, where each character is one byte. */
export type Http2Fields = ReadonlyArray<readonly [name: string, value: string]>;

/** What arrived on one stream. */
export class ReceivedStream {
  /** Each block of fields: interim heads, the head, trailers. */
  readonly blocks: Array<Array<[name: string, value: string]>> = [];
  #pieces: Buffer[] = [];
  bodyBytes = 0;
  hasEnded = false;
  /** The code of RST_STREAM; -1 without one. */
  resetCode = -1;

  add(piece: Buffer): void {
    this.#pieces.push(piece);
    this.bodyBytes += piece.length;
  }

  get body(): Buffer {
    if (this.#pieces.length !== 1) this.#pieces = [Buffer.concat(this.#pieces)];
    return this.#pieces[0] as Buffer;
  }
}

export interface Http2ClientOptions {
  /** Names and values of the SETTINGS frame that follows the preface. */
  readonly settings?: ReadonlyArray<readonly [name: number, value: number]>;
  /** Sends neither preface nor SETTINGS. */
  readonly isBare?: boolean;
  /** Takes DATA without giving the window back. */
  readonly keepsWindow?: boolean;
  /** Does not acknowledge SETTINGS. */
  readonly neverAcknowledges?: boolean;
  /** Over TLS, whatever the certificate. */
  readonly isSecure?: boolean;
}

export class Http2Client {
  readonly socket: Socket;
  readonly frames: Http2Frame[] = [];
  readonly #streams = new Map<number, ReceivedStream>();
  readonly #reader = new FrameReader();
  readonly #blocks = new FieldBlockReader();
  readonly #options: Http2ClientOptions;
  isEnded = false;
  isReset = false;
  isClosed = false;

  private constructor(port: number, options: Http2ClientOptions) {
    this.#options = options;
    const address = { port, host: "127.0.0.1", noDelay: true };
    this.socket = options.isSecure
      ? connectTls({ ...address, ALPNProtocols: ["h2"], rejectUnauthorized: false })
      : connect(address);
    this.socket.on("data", (chunk: Buffer) => this.#reader.read(chunk, (frame) => this.#frame(frame)));
    this.socket.on("end", () => (this.isEnded = true));
    this.socket.on("error", () => (this.isReset = true));
    this.socket.on("close", () => (this.isClosed = true));
  }

  static async connect(port: number, options: Http2ClientOptions = {}): Promise<Http2Client> {
    const client = new Http2Client(port, options);
    await new Promise<void>((resolve, reject) => {
      client.socket.once(options.isSecure ? "secureConnect" : "connect", resolve);
      client.socket.once("error", reject);
    });
    if (!options.isBare) client.send(Buffer.concat([preface, settingsFrame(options.settings ?? [])]));
    return client;
  }

  #frame(frame: Http2Frame): void {
    this.frames.push(frame);
    const { type, flags, streamId, payload } = frame;
    const stream = this.stream(streamId);
    if (type === frameType.headers || type === frameType.continuation) {
      const fields = this.#blocks.read(frame);
      if (type === frameType.headers && flags & frameFlag.endStream) stream.hasEnded = true;
      if (fields) stream.blocks.push(fields);
    } else if (type === frameType.data) {
      stream.add(payload);
      if (flags & frameFlag.endStream) stream.hasEnded = true;
      if (!this.#options.keepsWindow && payload.length > 0)
        this.send(Buffer.concat([0, streamId].map((id) => windowUpdateFrame(id, payload.length))));
    } else if (type === frameType.rstStream) stream.resetCode = payload.readUInt32BE(0);
    else if (type === frameType.settings && !(flags & frameFlag.ack) && !this.#options.neverAcknowledges)
      this.frame(frameType.settings, frameFlag.ack, 0);
  }

  stream(id: number): ReceivedStream {
    const known = this.#streams.get(id);
    if (known) return known;
    const stream = new ReceivedStream();
    this.#streams.set(id, stream);
    return stream;
  }

  /** The status of the stream's response: the last head's; 0 without one. */
  status(id: number): number {
    const heads = this.stream(id).blocks.flatMap((block) => block.filter(([name]) => name === ":status"));
    return Number(heads.at(-1)?.[1] ?? 0);
  }

  header(id: number, name: string): string | undefined {
    return this.stream(id)
      .blocks.flat()
      .find(([key]) => key === name)?.[1];
  }

  send(bytes: Buffer): this {
    if (!this.socket.destroyed) this.socket.write(bytes);
    return this;
  }

  frame(type: number, flags: number, streamId: number, payload?: Buffer): this {
    return this.send(http2Frame(type, flags, streamId, payload));
  }

  /** Sends HEADERS that end the block. */
  headers(streamId: number, fields: Http2Fields, endsStream = true): this {
    return this.send(headersFrame(streamId, fields, endsStream));
  }

  get(streamId: number, path = "/", more: Http2Fields = []): this {
    return this.headers(streamId, [...requestFields("GET", path), ...more]);
  }

  data(streamId: number, bytes: string | Buffer, endsStream = false): this {
    return this.send(dataFrame(streamId, bytes, endsStream));
  }

  reset(streamId: number, code = 8): this {
    return this.send(resetFrame(streamId, code));
  }

  windowUpdate(streamId: number, increment: number): this {
    return this.send(windowUpdateFrame(streamId, increment));
  }

  /** Waits until the stream has ended, by its end or a reset, or with the connection. */
  async whole(streamId: number, limitMs = 15_000): Promise<ReceivedStream> {
    const stream = this.stream(streamId);
    await until(
      () => stream.hasEnded || stream.resetCode >= 0 || this.isClosed || this.isEnded,
      "the stream to end",
      limitMs,
    );
    return stream;
  }

  /** Waits for a frame of this type. */
  async received(type: number, count = 1, limitMs = 15_000): Promise<Http2Frame> {
    const matching = () => this.frames.filter((frame) => frame.type === type);
    await until(
      () => matching().length >= count || this.isClosed,
      `${count} frames of type ${type}`,
      limitMs,
    );
    const frame = matching()[count - 1];
    if (!frame) throw new Error(`Cannot read a frame of type ${type}: the connection is closed`);
    return frame;
  }

  /** The code of the last GOAWAY; -1 without one. */
  get goAwayCode(): number {
    return this.frames.findLast(({ type }) => type === frameType.goAway)?.payload.readUInt32BE(4) ?? -1;
  }

  destroy(): void {
    this.socket.destroy();
  }
}

export function http2Frame(
  type: number,
  flags: number,
  streamId: number,
  payload: Buffer = Buffer.alloc(0),
): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(streamId, 5);
  return Buffer.concat([head, payload]);
}

export function settingsFrame(settings: ReadonlyArray<readonly [name: number, value: number]>): Buffer {
  const payload = Buffer.alloc(settings.length * 6);
  for (const [i, [name, value]] of settings.entries()) {
    payload.writeUInt16BE(name, i * 6);
    payload.writeUInt32BE(value, i * 6 + 2);
  }
  return http2Frame(frameType.settings, 0, 0, payload);
}

export function windowUpdateFrame(streamId: number, increment: number): Buffer {
  return http2Frame(frameType.windowUpdate, 0, streamId, uint32(increment));
}

export function resetFrame(streamId: number, code: number): Buffer {
  return http2Frame(frameType.rstStream, 0, streamId, uint32(code));
}

export function dataFrame(streamId: number, bytes: string | Buffer, endsStream: boolean): Buffer {
  const payload = typeof bytes === "string" ? Buffer.from(bytes, "latin1") : bytes;
  return http2Frame(frameType.data, endsStream ? frameFlag.endStream : 0, streamId, payload);
}

export function headersFrame(streamId: number, fields: Http2Fields, endsStream: boolean): Buffer {
  const flags = frameFlag.endHeaders | (endsStream ? frameFlag.endStream : 0);
  return http2Frame(frameType.headers, flags, streamId, encodeFields(fields));
}

export function requestFields(method: string, path: string): Http2Fields {
  return [
    [":method", method],
    [":scheme", "http"],
    [":authority", "shop.example"],
    [":path", path],
  ];
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value >>> 0);
  return bytes;
}

/** Literals without indexing and without Huffman code, so that names and values arrive as they are. */
export function encodeFields(fields: Http2Fields): Buffer {
  return Buffer.concat(
    fields.flatMap(([name, value]) => [Buffer.from([0]), encodeString(name), encodeString(value)]),
  );
}

function encodeString(text: string): Buffer {
  const head = [];
  let rest = text.length;
  if (rest < 127) head.push(rest);
  else {
    head.push(127);
    for (rest -= 127; rest >= 128; rest >>>= 7) head.push((rest & 127) | 128);
    head.push(rest);
  }
  return Buffer.concat([Buffer.from(head), Buffer.from(text, "latin1")]);
}

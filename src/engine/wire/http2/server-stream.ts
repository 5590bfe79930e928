/** A stream of a client\'s HTTP/2 connection. To the engine it is a client\'s socket that speaks HTTP/1.1. */

import type { ClientConnection } from "../client-connection.ts";
import { latin1 } from "../http1/bytes.ts";
import type { WireSocket } from "../sockets.ts";
import { defaultWindowBytes, errorCode } from "./protocol.ts";
import type { HeadTools, MessageParts } from "./body-translator.ts";
import { ResponseTranslator } from "./response-translator.ts";
import type { OutgoingData, SessionStream } from "./flow-control.ts";

/** The connection of a stream. */
export interface StreamSession {
  readonly shared: HeadTools;
  sendHeaders(stream: ServerStream, block: Buffer, endsStream: boolean): void;
  /** @returns how many bytes were taken */
  sendData(stream: ServerStream, data: OutgoingData): number;
  resetStream(stream: ServerStream, code: number): void;
  /** The stream took bytes of the request, or dropped them: the peer may send as many again. */
  consumed(stream: ServerStream, bytes: number): void;
  /** Both sides of the stream have ended. */
  streamEnded(stream: ServerStream): void;
}

/** Frames of a request body in the chunked coding, for one call. */
const scratch = Buffer.allocUnsafeSlow(17_000);
const lastChunk = latin1("0\r\n\r\n");

/**
 * The object serves one stream after another, as a kept connection serves requests.
 * ```
 *  free ──open──▶ open ──request ended──▶ half closed (remote) ──response ended──▶ free
 *                   └──response ended──▶ half closed (local): reset, as the engine wants no more of the request
 * ```
 */
export class ServerStream implements WireSocket, MessageParts, SessionStream {
  readonly #session: StreamSession;
  readonly #translator: ResponseTranslator;
  /** The engine's side. Set once, when the place is made. */
  connection!: ClientConnection;
  /** 0 while no stream uses the place. */
  id = 0;
  sendWindow = defaultWindowBytes;
  /** How much more the peer may send. */
  receiveWindow = 0;
  /** Bytes of the request that were consumed since the last WINDOW_UPDATE. */
  creditBytes = 0;
  peerEnded = false;
  responseEnded = false;
  /** Bytes of the body that the request announced and that have not arrived; -1 if it announced none. */
  #missingBytes = -1;
  #isTunnel = false;
  #isPaused = false;
  #isDead = false;
  /** What arrived while the engine did not read. */
  #held: Buffer[] = [];
  #heldEnd: Buffer | undefined;

  constructor(session: StreamSession) {
    this.#session = session;
    this.#translator = new ResponseTranslator(this, session.shared);
  }

  /** Whether another stream may use the place. */
  get isFree(): boolean {
    return this.id === 0 && !this.#isDead && this.connection.isIdle;
  }

  get isDead(): boolean {
    return this.#isDead;
  }

  begin(
    id: number,
    windows: { readonly send: number; readonly receive: number },
    request: {
      readonly isHead: boolean;
      readonly isTunnel: boolean;
      readonly contentLength: number;
      readonly endsStream: boolean;
    },
  ): void {
    this.id = id;
    this.sendWindow = windows.send;
    this.receiveWindow = windows.receive;
    this.creditBytes = 0;
    this.peerEnded = request.endsStream;
    this.responseEnded = false;
    this.#missingBytes = request.contentLength;
    this.#isTunnel = request.isTunnel;
    this.#isPaused = false;
    this.#translator.begin(request.isHead, request.isTunnel);
  }

  /**
   * Receives the payload of a DATA frame, without padding.
   * @returns false if the body is longer or shorter than announced
   */
  receiveData(data: Buffer, endsStream: boolean): boolean {
    if (this.#missingBytes >= 0) {
      this.#missingBytes -= data.length;
      if (this.#missingBytes < 0 || (endsStream && this.#missingBytes > 0)) return false;
    }
    if (endsStream) this.peerEnded = true;
    this.#deliver(data);
    if (endsStream && this.id !== 0) this.#deliverEnd(this.#isChunked ? lastChunk : undefined);
    return true;
  }

  get #isChunked(): boolean {
    return this.#missingBytes < 0 && !this.#isTunnel;
  }

  /** @param trailers of a chunked body, with its last chunk  @returns false if the body is shorter than announced */
  receiveTrailers(trailers: Buffer): boolean {
    this.peerEnded = true;
    if (this.#missingBytes > 0) return false;
    this.#deliverEnd(this.#isChunked ? trailers : undefined);
    return true;
  }

  #deliver(data: Buffer): void {
    if (data.length === 0) return;
    if (this.#isPaused) return void this.#held.push(Buffer.from(data));
    const { id } = this;
    this.connection.received(this.#isChunked ? chunkOf(data) : data);
    if (this.id === id) this.#session.consumed(this, data.length);
  }

  #deliverEnd(end: Buffer | undefined): void {
    if (this.#isPaused) this.#heldEnd = end ?? noBytes;
    else if (end) this.connection.received(end);
    else if (this.#isTunnel) this.connection.ended();
  }

  /** The peer reset the stream, or the connection ended. */
  abandon(): void {
    this.#clear();
    this.#isDead = true;
    this.connection.closed(undefined);
  }

  /** The stream is closed: another one may use the place. */
  #release(): void {
    this.#session.streamEnded(this);
    this.#clear();
  }

  #clear(): void {
    this.id = 0;
    this.#held = [];
    this.#heldEnd = undefined;
  }

  resumeSending(): void {
    this.connection.drained();
  }

  // What the engine calls.

  write(bytes: Uint8Array, offset: number, length: number): number {
    if (this.id === 0 || this.responseEnded) return -1;
    return this.#translator.write(bytes as Buffer, offset, offset + length);
  }

  passHeaders(block: Buffer, endsStream: boolean): void {
    this.#session.sendHeaders(this, block, endsStream);
    if (endsStream) this.#endResponse();
  }

  passData(bytes: Uint8Array, from: number, to: number, endsStream: boolean): number {
    const taken = this.#session.sendData(this, { bytes, from, to, endsStream });
    if (endsStream && taken === to - from) this.#endResponse();
    return taken;
  }

  #endResponse(): void {
    this.responseEnded = true;
    if (this.peerEnded) this.#release();
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    while (this.#held.length > 0 && !this.#isPaused && this.id !== 0) {
      this.#deliver(this.#held.shift() as Buffer);
    }
    if (this.#isPaused || this.id === 0 || !this.#heldEnd) return;
    const end = this.#heldEnd;
    this.#heldEnd = undefined;
    this.#deliverEnd(end.length > 0 ? end : undefined);
  }

  /** The engine has sent all. What the client still sends is not wanted (RFC 9113 section 8.1). */
  shutdown(): void {
    if (this.id === 0) return;
    const isWhole = this.responseEnded || this.#translator.finish();
    if (this.id !== 0) this.#reset(isWhole ? errorCode.none : errorCode.internal);
  }

  end(): void {
    this.shutdown();
    this.#die();
  }

  terminate(): void {
    if (this.id !== 0) this.#reset(errorCode.internal);
    this.#die();
  }

  #reset(code: number): void {
    if (!this.responseEnded || !this.peerEnded) this.#session.resetStream(this, code);
    this.#release();
    // As if the client had closed its side: nothing more comes. Not within the engine's own call.
    queueMicrotask(() => this.#die());
  }

  #die(): void {
    if (this.#isDead) return;
    this.#isDead = true;
    this.connection.closed(undefined);
  }
}

const noBytes = Buffer.alloc(0);

/** The chunk with this data. Valid until the next call. */
function chunkOf(data: Buffer): Buffer {
  let length = scratch.write(`${data.length.toString(16)}\r\n`, 0, "latin1");
  length += data.copy(scratch, length);
  length += scratch.write("\r\n", length, "latin1");
  return scratch.subarray(0, length);
}

/** A stream of a client's HTTP/2 connection. To the engine it is a client's socket that speaks HTTP/1.1. */

import { toError } from "../../../lib/bugs.ts";
import { TimerEntry, type TimerWheel } from "../../../lib/timer-wheel.ts";
import type { ClientConnection } from "../client-connection.ts";
import { latin1 } from "../http1/bytes.ts";
import type { WireSocket } from "../sockets.ts";
import { defaultWindowBytes, errorCode } from "./protocol.ts";
import type { HeadTools } from "./message-translator.ts";
import { type ResponseParts, ResponseTranslator } from "./response-translator.ts";
import { type OutgoingData, type SessionStream, streamWindowBytes } from "./flow-control.ts";

/** The connection of a stream. */
export interface StreamSession {
  readonly shared: HeadTools;
  readonly wheel: TimerWheel;
  /** Whether the socket takes fields. Else `resumeSending` follows. */
  mayPassHead(stream: ServerStream): boolean;
  sendHeaders(stream: ServerStream, block: Buffer, endsStream: boolean): void;
  /** @returns how many bytes were taken */
  sendData(stream: ServerStream, data: OutgoingData): number;
  resetStream(stream: ServerStream, code: number): void;
  /** The stream took bytes of the request, or dropped them: the peer may send as many again. */
  consumed(stream: ServerStream, bytes: number): void;
  /** The same for bytes of a stream that has ended. */
  consumedOfEnded(bytes: number): void;
  /** Both sides of the stream have ended. */
  streamEnded(stream: ServerStream): void;
}

/** The request of a stream, as its fields describe it. */
export interface StreamRequest {
  readonly isHead: boolean;
  /** An extended CONNECT (RFC 8441). */
  readonly isTunnel: boolean;
  /** -1 if the request announced none. */
  readonly contentLength: number;
}

/**
 * How long a refusal waits for the end of its request, and how much of it is dropped meanwhile. Most requests are short, and
 * arrive in one flight. Some clients (curl 7.88) lose a response that ends while they have not sent their body yet.
 */
const refusalHoldMs = 100;
const maxHeldBytes = 65_536;

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
export class ServerStream extends TimerEntry implements WireSocket, ResponseParts, SessionStream {
  readonly #session: StreamSession;
  readonly #translator: ResponseTranslator;
  /** The engine's side. Set once, right after the creation. */
  connection!: ClientConnection;
  /** The stream's id; 0 while it serves none. */
  id = 0;
  /** Time of the wheel's clock. */
  beganAt = 0;
  sendWindow = defaultWindowBytes;
  receiveWindow = 0;
  creditBytes = 0;
  peerEnded = false;
  responseEnded = false;
  /** Bytes of the body that the request announced and that have not arrived; -1 if it announced none. */
  #missingBytes = -1;
  /** An extended CONNECT: `#isSwitched` after the upstream has accepted it. What arrives before is held. */
  #isTunnel = false;
  #isSwitched = false;
  #isPaused = false;
  #isDead = false;
  /** The response waits in the engine's queue. */
  #holdsResponse = false;
  #bytesInHold = 0;
  /** What arrived while the engine did not read. */
  #held: Buffer[] | undefined;
  #heldEnd: Buffer | undefined;

  constructor(session: StreamSession) {
    super();
    this.#session = session;
    this.#translator = new ResponseTranslator(this, session.shared);
  }

  /** Whether it can serve another stream. */
  get isFree(): boolean {
    return this.id === 0 && !this.#isDead && this.connection.isIdle;
  }

  get isDead(): boolean {
    return this.#isDead;
  }

  begin(id: number, sendWindow: number, request: StreamRequest, endsStream: boolean): void {
    this.id = id;
    this.sendWindow = sendWindow;
    this.receiveWindow = streamWindowBytes;
    this.creditBytes = 0;
    this.peerEnded = endsStream;
    this.responseEnded = false;
    this.#missingBytes = request.contentLength;
    this.#isTunnel = request.isTunnel;
    this.#isSwitched = false;
    this.#isPaused = false;
    this.#bytesInHold = 0;
    this.#translator.begin(request.isHead, request.isTunnel);
  }

  /** Passes bytes to the engine. A bug ends this stream only. */
  pass(bytes: Buffer): void {
    try {
      this.connection.received(bytes);
    } catch (error) {
      this.connection.handlerThrew(toError(error));
    }
  }

  holdResponse(): void {
    if (this.id === 0 || this.peerEnded || this.#isTunnel) return;
    this.#holdsResponse = true;
    this.#session.wheel.arm(this, refusalHoldMs);
  }

  #releaseResponse(): void {
    if (!this.#holdsResponse) return;
    this.#holdsResponse = false;
    this.resumeSending();
  }

  override expired(): void {
    this.#releaseResponse();
  }

  override handlerThrew(error: Error): void {
    this.connection.handlerThrew(error);
  }

  /**
   * Receives the payload of a DATA frame, without padding.
   * @returns false if the body is longer or shorter than announced
   */
  receiveData(data: Buffer, endsStream: boolean): boolean {
    if (this.#missingBytes >= 0) {
      this.#missingBytes -= data.length;
      if (this.#missingBytes < 0 || (endsStream && this.#missingBytes > 0)) {
        this.#session.consumedOfEnded(data.length);
        return false;
      }
    }
    if (endsStream) this.peerEnded = true;
    const { id } = this;
    if (data.length > 0) this.#deliver(data);
    if (endsStream && this.id === id) this.#endRequest(this.#isChunked ? lastChunk : undefined);
    if (this.#holdsResponse) {
      this.#bytesInHold += data.length;
      if (endsStream || this.#bytesInHold > maxHeldBytes) this.#releaseResponse();
    }
    return true;
  }

  get #isChunked(): boolean {
    return this.#missingBytes < 0 && !this.#isTunnel;
  }

  /** @param trailers of a chunked body, with its last chunk  @returns false if the body is shorter than announced */
  receiveTrailers(trailers: Buffer): boolean {
    this.peerEnded = true;
    if (this.#missingBytes > 0) return false;
    this.#endRequest(this.#isChunked ? trailers : undefined);
    this.#releaseResponse();
    return true;
  }

  get #isHolding(): boolean {
    return this.#isPaused || (this.#isTunnel && !this.#isSwitched);
  }

  #deliver(data: Buffer): void {
    if (this.#isHolding) return void (this.#held ??= []).push(Buffer.from(data));
    const { id } = this;
    this.pass(this.#isChunked ? chunkOf(data) : data);
    if (this.id === id) this.#session.consumed(this, data.length);
    else this.#session.consumedOfEnded(data.length);
  }

  /** @param end bytes of a chunked body */
  #endRequest(end: Buffer | undefined): void {
    if (this.responseEnded) this.#release();
    else if (this.#isHolding) this.#heldEnd = end ?? noBytes;
    else this.#passEnd(end);
  }

  #passEnd(end: Buffer | undefined): void {
    if (end) this.pass(end);
    else if (this.#isTunnel) this.connection.ended();
  }

  /** The peer reset the stream, or the connection ended. */
  abandon(): void {
    this.#clear();
    this.#isDead = true;
    this.connection.closed(undefined);
  }

  /** The stream is closed: another one can follow. */
  #release(): void {
    this.#session.streamEnded(this);
    this.#clear();
  }

  #clear(): void {
    this.id = 0;
    this.#heldEnd = undefined;
    this.#holdsResponse = false;
    if (this.deadline !== Infinity) this.#session.wheel.forget(this);
    if (!this.#held) return;
    this.#session.consumedOfEnded(this.#held.reduce((sum, { length }) => sum + length, 0));
    this.#held = undefined;
  }

  resumeSending(): void {
    try {
      this.connection.drained();
    } catch (error) {
      this.connection.handlerThrew(toError(error));
    }
  }

  // What the engine calls.

  write(bytes: Uint8Array, offset: number, length: number): number {
    if (this.id === 0 || this.responseEnded) return -1;
    if (this.#holdsResponse) return 0;
    return this.#translator.write(bytes as Buffer, offset, offset + length);
  }

  get mayPassHead(): boolean {
    return this.#session.mayPassHead(this);
  }

  passHeaders(block: Buffer, endsStream: boolean): void {
    this.#session.sendHeaders(this, block, endsStream);
    if (endsStream) this.#endResponse();
  }

  passData(bytes: Buffer, from: number, to: number, endsStream: boolean): number {
    const taken = this.#session.sendData(this, { bytes, from, to, endsStream });
    if (endsStream && taken === to - from) this.#endResponse();
    return taken;
  }

  /** What the client sent for the tunnel follows, after the engine has switched too. */
  switched(): void {
    this.#isSwitched = true;
    const { id } = this;
    queueMicrotask(() => this.id === id && this.resume());
  }

  #endResponse(): void {
    this.responseEnded = true;
    if (this.peerEnded) return this.#release();
    // A refused tunnel: nothing more of it is wanted.
    if (!this.#isTunnel || this.#isSwitched) return;
    this.#session.resetStream(this, errorCode.none);
    this.#release();
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    while (this.#held && !this.#isHolding && this.id !== 0) {
      const data = this.#held.shift();
      if (data) this.#deliver(data);
      else this.#held = undefined;
    }
    if (this.#isHolding || this.id === 0 || !this.#heldEnd) return;
    const end = this.#heldEnd;
    this.#heldEnd = undefined;
    this.#passEnd(end.length > 0 ? end : undefined);
  }

  /** The engine has sent all. What the client still sends is not wanted (RFC 9113 section 8.1). */
  shutdown(): void {
    if (this.id === 0) return this.#dieSoon();
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
    this.#dieSoon();
  }

  /** As if the client had closed its side: nothing more comes. Not within the engine's own call. */
  #dieSoon(): void {
    queueMicrotask(() => this.#die());
  }

  #die(): void {
    if (this.#isDead) return;
    this.#isDead = true;
    try {
      this.connection.closed(undefined);
    } catch (error) {
      this.connection.handlerThrew(toError(error));
    }
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

/** A stream of an upstream's HTTP/2 connection. To the engine it is an upstream's socket that speaks HTTP/1.1. */

import { latin1 } from "../http1/bytes.ts";
import { violations } from "../http1/violations.ts";
import type { ConnectHandler, WireSocket } from "../sockets.ts";
import { StreamFailure } from "../stream-failure.ts";
import type { HeadTools, MessageParts } from "./message-translator.ts";
import { type OutgoingData, type SessionStream, streamWindowBytes } from "./flow-control.ts";
import type { FieldList } from "./field-list.ts";
import { HeldBytes } from "./held-bytes.ts";
import { errorCode } from "./protocol.ts";
import { RequestTranslator } from "./request-translator.ts";
import type { ResponseHeadWriter } from "./response-head-writer.ts";
import { guarded } from "./waiting-requests.ts";

/** The connection of a stream. */
export interface UpstreamStreamSession {
  readonly tools: HeadTools;
  readonly scheme: "http" | "https";
  /** Whether the peer takes WebSockets (RFC 8441). */
  readonly takesTunnels: boolean;
  /** Whether the connection's socket takes fields. Else the stream waits for it. */
  mayPassHead(stream: UpstreamStream): boolean;
  /** Opens a stream. @returns its id; 0 if the connection takes no new streams */
  openStream(stream: UpstreamStream): number;
  /** How much may be sent on a new stream. */
  readonly initialWindow: number;
  /** Whether the engine's socket stays open without a stream. */
  readonly keepsSockets: boolean;
  sendHeaders(stream: UpstreamStream, block: Buffer, endsStream: boolean): void;
  /** @returns how many bytes were taken */
  sendData(stream: UpstreamStream, data: OutgoingData): number;
  resetStream(stream: UpstreamStream, code: number): void;
  /** The engine took bytes: the peer may send as many again, on the stream too unless it has ended. */
  consumed(stream: UpstreamStream, bytes: number): void;
  consumedOfEnded(bytes: number): void;
  /** Both sides of the stream have ended, or it was reset. */
  streamEnded(stream: UpstreamStream): void;
  /** The engine uses its socket no more. */
  socketClosed(stream: UpstreamStream): void;
}

function movedFailure(): StreamFailure {
  return new StreamFailure("moved", "the connection takes no new streams");
}

const lastChunk = latin1("0\r\n\r\n");
const lineEnd = latin1("\r\n");

/**
 * The object serves one stream after another, as a kept connection serves requests.
 * ```
 *  free ──write──▶ open ──END_STREAM, both ways──▶ free
 *    │               ├──RST_STREAM, the connection ends──▶ dead, `closed` with an error
 *    └──the connection takes no new streams──▶ dead
 * ```
 * What arrives in one event of the connection is given to the engine at its end, in one piece. The end of a body with a
 * Content-Length waits for END_STREAM: only then the engine may send another request.
 */
export class UpstreamStream implements WireSocket, MessageParts, SessionStream {
  readonly #session: UpstreamStreamSession;
  readonly #handler: ConnectHandler;
  readonly #request: RequestTranslator;
  readonly #held = new HeldBytes();
  /** 0 while there is no stream. */
  id = 0;
  sendWindow = 0;
  receiveWindow = 0;
  creditBytes = 0;
  peerEnded = false;
  requestEnded = false;
  /** When the request was sent, on the wheel's clock. Only the session uses it. */
  beganAt = 0;
  /** Whether the connection was open before this socket was made: it may have ended unnoticed. */
  readonly isReused: boolean;
  /** Whether the final head has arrived, so that fields that follow are trailers. */
  hasHead = false;
  #isChunked = false;
  #isTunnel = false;
  /** Bytes of the body that were announced and have not arrived; -1 if none were. */
  #missingBytes = -1;
  /** Bytes of DATA among the held ones. */
  #heldData = 0;
  #isPaused = false;
  #isDead = false;
  /** Why the stream ended before its time, while held bytes still wait for the engine. */
  #failure: Error | undefined;

  constructor(session: UpstreamStreamSession, handler: ConnectHandler, isReused: boolean) {
    this.isReused = isReused;
    this.#session = session;
    this.#handler = handler;
    this.#request = new RequestTranslator(this, session.tools, session.scheme);
  }

  /** Without TLS nothing could select another protocol. */
  get refusesWebSockets(): boolean {
    return this.#session.scheme === "https" && !this.#session.takesTunnels;
  }

  /** Whether it serves no request. */
  get isFree(): boolean {
    return this.id === 0;
  }

  // What the session calls.

  /**
   * The fields of a head have arrived.
   * @returns false if the stream must be reset: the engine knows already
   */
  receiveHead(fields: FieldList, writer: ResponseHeadWriter, endsStream: boolean): boolean {
    if (!writer.write(fields, endsStream, this.#request)) return this.reject(writer.violation);
    this.#held.add(writer.bytes, 0, writer.length);
    if (writer.isInterim) return true;
    this.hasHead = true;
    this.#isChunked = writer.isChunked;
    this.#isTunnel = writer.isTunnel;
    this.#missingBytes = writer.bodyLength;
    // The other side of a tunnel that was not opened.
    if (this.#request.accept !== "" && !writer.isTunnel) this.#request.finish();
    if (endsStream) this.#peerHasEnded(lastChunk);
    return true;
  }

  /** @param trailers as those of a chunked body, with its last chunk */
  receiveTrailers(trailers: Buffer | undefined): boolean {
    if (!trailers || this.#isTunnel) return this.reject(violations.trailer.text);
    if (this.#missingBytes > 0) return this.reject("a body that is shorter than its Content-Length");
    this.#peerHasEnded(trailers);
    return true;
  }

  receiveData(data: Buffer, endsStream: boolean): boolean {
    if (!this.hasHead) return this.reject("a body without a head");
    if (this.#missingBytes >= 0) {
      this.#missingBytes -= data.length;
      if (this.#missingBytes < 0) return this.reject("a body that is longer than announced");
      if (endsStream && this.#missingBytes > 0)
        return this.reject("a body that is shorter than its Content-Length");
    }
    this.#heldData += data.length;
    if (data.length > 0) {
      if (this.#isChunked) this.#held.addText(`${data.length.toString(16)}\r\n`);
      this.#held.add(data, 0, data.length);
      if (this.#isChunked) this.#held.add(lineEnd, 0, lineEnd.length);
    }
    if (endsStream) this.#peerHasEnded(lastChunk);
    return true;
  }

  #peerHasEnded(end: Buffer): void {
    this.peerEnded = true;
    if (this.#isChunked) this.#held.add(end, 0, end.length);
  }

  /** The response breaks a rule. What was held is dropped, so that the response does not look whole. */
  reject(violation: string): false {
    this.#dropHeld();
    this.fail(new StreamFailure("invalid", violation));
    return false;
  }

  /** Whether the whole body of a response with a Content-Length, or without a body, has arrived, but not its end. */
  get #awaitsEnd(): boolean {
    return this.hasHead && !this.peerEnded && this.#missingBytes === 0;
  }

  /** Gives the engine what has arrived. */
  deliver(): void {
    if (this.#isPaused || this.#isDead) return;
    if (this.#awaitsEnd) {
      if (!this.#failure) return;
      this.#dropHeld();
    }
    if (this.#held.length > 0) this.#deliverHeld();
    if (this.peerEnded && this.#isTunnel && this.#held.length === 0) this.#deliverEnd();
    if (this.#failure && this.#held.length === 0) this.#die(this.#failure);
  }

  #deliverHeld(): void {
    const data = this.#heldData;
    this.#heldData = 0;
    const isLast = this.peerEnded && this.requestEnded && this.id !== 0;
    const { id } = this;
    // Before the last bytes: the engine may send the next request when it gets them.
    if (isLast) this.#release();
    guarded(this.#handler, () => this.#held.take((bytes) => this.#handler.received(bytes)));
    if (id !== 0 && id === this.id) this.#session.consumed(this, data);
    else this.#session.consumedOfEnded(data);
    if (isLast && this.id === 0 && !this.#session.keepsSockets) this.fail(movedFailure());
  }

  /** The peer's side of a tunnel has ended. */
  #deliverEnd(): void {
    this.#isTunnel = false;
    guarded(this.#handler, () => this.#handler.ended());
  }

  /** The stream has ended before its time, or the connection with all of its streams. Held bytes still reach the engine. */
  fail(error: Error): void {
    if (this.#isDead || this.#failure) return;
    this.#failure = error;
    if (this.id !== 0) this.#release();
    this.deliver();
  }

  #die(error: Error | undefined): void {
    if (this.#isDead) return;
    this.#isDead = true;
    this.#session.socketClosed(this);
    guarded(this.#handler, () => this.#handler.closed(error));
  }

  /** The stream is closed: another one can follow. */
  #release(): void {
    this.#session.streamEnded(this);
    this.id = 0;
  }

  resumeSending(): void {
    guarded(this.#handler, () => this.#handler.drained());
  }

  // What the engine calls.

  write(bytes: Uint8Array, offset: number, length: number): number {
    if (this.#isDead || this.#failure) return -1;
    if (this.id === 0) {
      if (!this.#session.mayPassHead(this)) return 0;
      if (!this.#begin()) return -1;
    }
    if (this.requestEnded) return -1;
    return this.#request.write(bytes as Buffer, offset, offset + length);
  }

  #begin(): boolean {
    this.id = this.#session.openStream(this);
    if (this.id === 0) {
      // Not within the engine's own call.
      queueMicrotask(() => this.fail(movedFailure()));
      return false;
    }
    this.sendWindow = this.#session.initialWindow;
    this.receiveWindow = streamWindowBytes;
    this.creditBytes = 0;
    this.peerEnded = false;
    this.requestEnded = false;
    this.hasHead = false;
    this.#isTunnel = false;
    this.#isChunked = false;
    this.#missingBytes = -1;
    this.#request.begin(this.#session.takesTunnels);
    return true;
  }

  passHeaders(block: Buffer, endsStream: boolean): void {
    this.#session.sendHeaders(this, block, endsStream);
    if (endsStream) this.requestEnded = true;
  }

  passData(bytes: Buffer, from: number, to: number, endsStream: boolean): number {
    const taken = this.#session.sendData(this, { bytes, from, to, endsStream });
    if (endsStream && taken === to - from) this.requestEnded = true;
    return taken;
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    // Not within the engine's own call.
    if (this.#held.length > 0 || this.#failure || this.peerEnded) queueMicrotask(() => this.deliver());
  }

  /** The engine has sent all that it will: the end of one direction of a WebSocket. */
  shutdown(): void {
    if (this.id !== 0 && !this.requestEnded) this.#request.finish();
  }

  end(): void {
    this.shutdown();
    this.terminate();
  }

  terminate(): void {
    if (this.#isDead) return;
    this.#dropHeld();
    if (this.id !== 0) {
      if (!this.peerEnded || !this.requestEnded) this.#session.resetStream(this, errorCode.cancel);
      this.#release();
    }
    this.#die(undefined);
  }

  #dropHeld(): void {
    this.#held.clear();
    if (this.#heldData > 0) this.#session.consumedOfEnded(this.#heldData);
    this.#heldData = 0;
  }
}

/** Flow control of one HTTP/2 connection: how much may be sent, and how much the peer may send (RFC 9113 section 5.2). */

import type { FrameOutput } from "./frame-output.ts";
import {
  ConnectionError,
  defaultWindowBytes,
  errorCode,
  frameType,
  maxFrameBytes,
  maxWindowBytes,
} from "./protocol.ts";

/** What one stream may send before its reader has taken it, and all streams of a client: the memory that a peer can fill. */
export const streamWindowBytes = 131_072;
export const clientWindowBytes = 1_048_576;

/** A stream as its connection sees it. */
export interface SessionStream {
  readonly id: number;
  /** How much may be sent. */
  sendWindow: number;
  /** How much more the peer may send. */
  receiveWindow: number;
  /** Bytes that were taken since the last WINDOW_UPDATE. */
  creditBytes: number;
  /** The peer has ended its side. */
  readonly peerEnded: boolean;
  /** Data that did not fit can be sent now. Never throws. */
  resumeSending(): void;
}

/** A piece of a body to be sent. */
export interface OutgoingData {
  readonly bytes: Buffer;
  readonly from: number;
  readonly to: number;
  readonly endsStream: boolean;
}

/**
 * A stream whose data did not fit waits for one thing: its own window, the connection's, or the socket. Only what it waits for
 * wakes it up, so that streams without a reader cost nothing. It is resumed after the event, so that several updates of a window
 * lead to one frame.
 */
export class FlowControl<Stream extends SessionStream> {
  readonly #output: FrameOutput;
  /** Streams that may be sent to as soon as the socket takes bytes. */
  readonly #ready = new Set<Stream>();
  readonly #awaitingWindow = new Set<Stream>();
  readonly #awaitingOwnWindow = new Set<Stream>();
  #sendWindow = defaultWindowBytes;
  readonly #windowBytes: number;
  #receiveWindow: number;
  #creditBytes = 0;

  /** @param windowBytes what the peer may send on all streams together */
  constructor(output: FrameOutput, windowBytes: number) {
    this.#output = output;
    this.#windowBytes = windowBytes;
    this.#receiveWindow = windowBytes;
  }

  /** Opens the connection's window. Behind our SETTINGS. */
  begin(): void {
    this.#output.frameOf(frameType.windowUpdate, 0, this.#windowBytes - defaultWindowBytes);
  }

  /** Sends as much as the windows and the socket take. @returns how many bytes that are */
  send(stream: Stream, { bytes, from, to, endsStream }: OutgoingData): number {
    const output = this.#output;
    if (from === to) {
      if (endsStream) output.data(stream.id, true, bytes, from, to);
      return 0;
    }
    let at = from;
    while (at < to) {
      const window = Math.min(stream.sendWindow, this.#sendWindow);
      if (window <= 0) break;
      const end = Math.min(to, at + Math.min(window, output.room, maxFrameBytes));
      if (end === at) break;
      output.data(stream.id, endsStream && end === to, bytes, at, end);
      stream.sendWindow -= end - at;
      this.#sendWindow -= end - at;
      at = end;
    }
    if (at < to) this.#wait(stream);
    return at - from;
  }

  #wait(stream: Stream): void {
    if (stream.sendWindow <= 0) this.#awaitingOwnWindow.add(stream);
    else if (this.#sendWindow <= 0) this.#awaitingWindow.add(stream);
    else this.#ready.add(stream);
  }

  /** Whether the socket takes fields. Else the stream waits for it. */
  mayPassHead(stream: Stream): boolean {
    if (this.#output.room > 0) return true;
    this.#ready.add(stream);
    return false;
  }

  /** Whether `resumeWaiting` has something to do. */
  get canResume(): boolean {
    return this.#ready.size > 0 && !this.#output.isBlocked;
  }

  /** Each waiting stream gets its turn: the first of this round is the last of the next one. */
  resumeWaiting(): void {
    for (const stream of this.#ready) {
      if (this.#output.room <= 0) return;
      this.#ready.delete(stream);
      stream.resumeSending();
    }
  }

  forget(stream: Stream): void {
    if (this.#ready.size > 0) this.#ready.delete(stream);
    if (this.#awaitingWindow.size > 0) this.#awaitingWindow.delete(stream);
    if (this.#awaitingOwnWindow.size > 0) this.#awaitingOwnWindow.delete(stream);
  }

  clear(): void {
    this.#ready.clear();
    this.#awaitingWindow.clear();
    this.#awaitingOwnWindow.clear();
  }

  /** DATA of this size arrived. @returns false if the stream's window does not allow it; the connection's is an error */
  received(stream: Stream | undefined, bytes: number): boolean {
    this.#receiveWindow -= bytes;
    if (this.#receiveWindow < 0)
      throw new ConnectionError(errorCode.flowControl, "more DATA than the window allows");
    if (!stream) return true;
    stream.receiveWindow -= bytes;
    return stream.receiveWindow >= 0;
  }

  /** The stream's reader took bytes, or dropped them: the peer may send as many again. */
  consumed(stream: Stream, bytes: number): void {
    this.dropped(bytes);
    if (stream.peerEnded) return;
    stream.creditBytes += bytes;
    if (stream.creditBytes < streamWindowBytes / 2) return;
    stream.receiveWindow += stream.creditBytes;
    this.#output.frameOf(frameType.windowUpdate, stream.id, stream.creditBytes);
    stream.creditBytes = 0;
  }

  /** Bytes of a stream that is closed. */
  dropped(bytes: number): void {
    this.#creditBytes += bytes;
    if (this.#creditBytes < this.#windowBytes / 4) return;
    this.#receiveWindow += this.#creditBytes;
    this.#output.frameOf(frameType.windowUpdate, 0, this.#creditBytes);
    this.#creditBytes = 0;
  }

  /** The peer takes more data of the connection. */
  grow(increment: number): void {
    if (increment === 0) throw new ConnectionError(errorCode.protocol, "WINDOW_UPDATE of 0");
    this.#sendWindow += increment;
    if (this.#sendWindow > maxWindowBytes)
      throw new ConnectionError(errorCode.flowControl, "a window is too large");
    if (this.#awaitingWindow.size === 0 || this.#sendWindow <= 0) return;
    for (const stream of this.#awaitingWindow) this.#ready.add(stream);
    this.#awaitingWindow.clear();
  }

  /** The peer takes more data of the stream. @returns the code of an error of the stream */
  growStream(stream: Stream, increment: number): number {
    if (increment === 0) return errorCode.protocol;
    if (stream.sendWindow + increment > maxWindowBytes) return errorCode.flowControl;
    this.#change(stream, increment);
    return errorCode.none;
  }

  #change(stream: Stream, growth: number): void {
    stream.sendWindow += growth;
    if (stream.sendWindow > 0 && this.#awaitingOwnWindow.delete(stream)) this.#ready.add(stream);
  }

  /** The initial window has changed, and with it that of each open stream (RFC 9113 section 6.9.2). */
  adjust(streams: Iterable<Stream>, growth: number): void {
    for (const stream of streams) {
      if (stream.sendWindow + growth > maxWindowBytes)
        throw new ConnectionError(errorCode.flowControl, "a window is too large");
      this.#change(stream, growth);
    }
  }
}

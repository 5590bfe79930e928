/** Flow control of one HTTP/2 connection: how much may be sent, and how much the peer may send (RFC 9113 section 5.2). */

import type { FrameOutput } from "./frame-output.ts";
import {
  ConnectionError,
  defaultWindowBytes,
  errorCode,
  frameFlag,
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
  /** Data that did not fit can be sent now. */
  resumeSending(): void;
}

/** A piece of a body to be sent. */
export interface OutgoingData {
  readonly bytes: Uint8Array;
  readonly from: number;
  readonly to: number;
  readonly endsStream: boolean;
}

export class FlowControl<Stream extends SessionStream> {
  readonly #output: FrameOutput;
  /** Streams with data that waits for a window or for the socket, in turn. */
  readonly #waiting = new Set<Stream>();
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

  /** Whether a stream waits that could be sent to now. */
  get canResume(): boolean {
    return this.#waiting.size > 0 && this.#sendWindow > 0 && this.#output.room > 0;
  }

  /** Opens the connection's window. Behind our SETTINGS. */
  begin(): void {
    this.#windowUpdate(0, this.#windowBytes - defaultWindowBytes);
  }

  /** @returns how many bytes were taken */
  send(stream: Stream, { bytes, from, to, endsStream }: OutgoingData): number {
    let sent = 0;
    const length = to - from;
    do {
      const room = Math.min(stream.sendWindow, this.#sendWindow, this.#output.room, maxFrameBytes);
      const allowed = Math.min(length - sent, room);
      const isLast = endsStream && sent + allowed === length;
      if (allowed <= 0 && !(isLast && length === sent)) break;
      const start = from + sent;
      const flags = isLast ? frameFlag.endStream : 0;
      this.#output.frame({ type: frameType.data, flags, streamId: stream.id }, bytes, start, start + allowed);
      stream.sendWindow -= allowed;
      this.#sendWindow -= allowed;
      sent += allowed;
    } while (sent < length);
    if (sent < length) this.#waiting.add(stream);
    return sent;
  }

  /** Each waiting stream gets its turn: the first of this round is the last of the next one. */
  resumeWaiting(): void {
    for (const stream of [...this.#waiting]) {
      if (!this.canResume) return;
      this.#resume(stream);
    }
  }

  #resume(stream: Stream): void {
    if (this.#waiting.delete(stream)) stream.resumeSending();
  }

  forget(stream: Stream): void {
    this.#waiting.delete(stream);
  }

  clear(): void {
    this.#waiting.clear();
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
    this.#windowUpdate(stream.id, stream.creditBytes);
    stream.creditBytes = 0;
  }

  /** Bytes of a stream that is closed. */
  dropped(bytes: number): void {
    this.#creditBytes += bytes;
    if (this.#creditBytes < this.#windowBytes / 4) return;
    this.#receiveWindow += this.#creditBytes;
    this.#windowUpdate(0, this.#creditBytes);
    this.#creditBytes = 0;
  }

  #windowUpdate(streamId: number, increment: number): void {
    const payload = Buffer.allocUnsafe(4);
    payload.writeUInt32BE(increment);
    this.#output.frame({ type: frameType.windowUpdate, streamId }, payload);
  }

  /** The peer takes more data of the connection. */
  grow(increment: number): void {
    if (increment === 0) throw new ConnectionError(errorCode.protocol, "WINDOW_UPDATE of 0");
    this.#sendWindow += increment;
    if (this.#sendWindow > maxWindowBytes)
      throw new ConnectionError(errorCode.flowControl, "a window is too large");
    this.resumeWaiting();
  }

  /** The peer takes more data of the stream. @returns the code of an error of the stream */
  growStream(stream: Stream, increment: number): number {
    if (increment === 0) return errorCode.protocol;
    stream.sendWindow += increment;
    if (stream.sendWindow > maxWindowBytes) return errorCode.flowControl;
    this.#resume(stream);
    return errorCode.none;
  }

  /** The initial window has changed, and with it that of each open stream (RFC 9113 section 6.9.2). */
  adjust(streams: Iterable<Stream>, growth: number): void {
    for (const stream of streams) {
      stream.sendWindow += growth;
      if (stream.sendWindow > maxWindowBytes)
        throw new ConnectionError(errorCode.flowControl, "a window is too large");
    }
    if (growth > 0) this.resumeWaiting();
  }
}

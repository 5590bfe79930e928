/** Splits the bytes of a connection into frames of HTTP/2 (RFC 9113 section 4.1). */

import { ConnectionError, errorCode, frameHeaderBytes, maxFrameBytes } from "./protocol.ts";

/** The bytes are only valid during the call. */
export interface FrameSink {
  /** @param from offset of the payload  @param to offset after it */
  frame(type: number, flags: number, streamId: number, bytes: Buffer, from: number, to: number): void;
  /** No further frame is read: the connection has ended. */
  readonly isClosed: boolean;
}

export class FrameReader {
  /** A frame that has arrived in part. */
  #partial: Buffer | undefined;
  #length = 0;

  /** Whether a frame has arrived in part. */
  get hasPartialFrame(): boolean {
    return this.#length > 0;
  }

  /** Throws a {@link ConnectionError} for a frame that is larger than we allow. */
  read(chunk: Buffer, sink: FrameSink): void {
    let from = this.#length > 0 ? this.#completePartial(chunk, sink) : 0;
    while (chunk.length - from >= frameHeaderBytes && !sink.isClosed) {
      const end = from + frameHeaderBytes + payloadBytes(chunk, from);
      if (end > chunk.length) break;
      pass(chunk, from, end, sink);
      from = end;
    }
    if (from < chunk.length && !sink.isClosed) this.#append(chunk, from, chunk.length);
  }

  /** @returns the offset after the bytes that completed the partial frame */
  #completePartial(chunk: Buffer, sink: FrameSink): number {
    let from = 0;
    if (this.#length < frameHeaderBytes) {
      from = Math.min(chunk.length, frameHeaderBytes - this.#length);
      this.#append(chunk, 0, from);
      if (this.#length < frameHeaderBytes) return from;
    }
    const partial = this.#partial as Buffer;
    const end = frameHeaderBytes + payloadBytes(partial, 0);
    const to = Math.min(chunk.length, from + end - this.#length);
    this.#append(chunk, from, to);
    if (this.#length < end) return to;
    this.#length = 0;
    pass(this.#partial as Buffer, 0, end, sink);
    if (this.#length === 0) this.#partial = undefined;
    return to;
  }

  #append(chunk: Buffer, from: number, to: number): void {
    const needed = this.#length + to - from;
    if (!this.#partial || needed > this.#partial.length) {
      const larger = Buffer.allocUnsafeSlow(needed <= 256 ? 256 : frameHeaderBytes + maxFrameBytes);
      this.#partial?.copy(larger, 0, 0, this.#length);
      this.#partial = larger;
    }
    chunk.copy(this.#partial, this.#length, from, to);
    this.#length = needed;
  }
}

function payloadBytes(bytes: Buffer, at: number): number {
  const length = ((bytes[at] as number) << 16) | ((bytes[at + 1] as number) << 8) | (bytes[at + 2] as number);
  if (length > maxFrameBytes) throw new ConnectionError(errorCode.frameSize, `a frame of ${length} bytes`);
  return length;
}

function pass(bytes: Buffer, at: number, end: number, sink: FrameSink): void {
  const streamId =
    (((bytes[at + 5] as number) & 0x7f) << 24) |
    ((bytes[at + 6] as number) << 16) |
    ((bytes[at + 7] as number) << 8) |
    (bytes[at + 8] as number);
  sink.frame(bytes[at + 3] as number, bytes[at + 4] as number, streamId, bytes, at + frameHeaderBytes, end);
}

/** Where a message's body ends: by length, by chunks, or with the connection. Passes bytes as they are. */

import type { ProtocolViolation } from "../../../proxy/complaint.ts";
import { ChunkedDecoder } from "../chunks.ts";
import { violations } from "./violations.ts";

/** How a body is framed. */
export const framing = { none: 0, length: 1, chunked: 2, untilClose: 3 } as const;

/**
 * ```
 *  none ───────────────────────────────────────────────▶ complete
 *  length(n) ──────take: n bytes───────────────────────▶ complete
 *  chunked ────────take: last chunk and trailers───────▶ complete
 *                     └──────malformed──────▶ take answers -1
 *  untilClose ─────ended()─────────────────────────────▶ complete
 * ```
 */
export class BodyFraming {
  #kind: number = framing.none;
  #left = 0;
  #chunks: ChunkedDecoder | undefined;
  isComplete = true;

  /** @param length in bytes, where `kind` is by length */
  begin(kind: number, length: number): void {
    this.#kind = kind;
    this.#left = length;
    this.isComplete = kind === framing.none || (kind === framing.length && length === 0);
    if (kind !== framing.chunked) return;
    this.#chunks ??= new ChunkedDecoder();
    this.#chunks.begin();
  }

  /** Bytes of data so far, where nobody announced how many will come; else 0. */
  get unannouncedBytes(): number {
    return this.#kind === framing.chunked ? (this.#chunks?.dataBytes ?? 0) : 0;
  }

  /** What is wrong, once `take` has answered -1. */
  get violation(): ProtocolViolation {
    return this.#chunks?.violation ?? violations.chunkSize;
  }

  /**
   * Takes what belongs to this body out of bytes[from..to).
   * @returns the offset behind it, at most `to`; -1 if the framing is malformed
   */
  decode(bytes: Uint8Array, from: number, to: number): number {
    if (this.isComplete) return from;
    if (this.#kind === framing.untilClose) return to;
    if (this.#kind === framing.length) {
      const stop = Math.min(to, from + this.#left);
      this.#left -= stop - from;
      this.isComplete = this.#left === 0;
      return stop;
    }
    const chunks = this.#chunks as ChunkedDecoder;
    const stop = chunks.decode(bytes, from, to);
    this.isComplete = chunks.isDone;
    return stop;
  }

  /** The connection ended cleanly; true if that is the body's proper end. */
  ended(): boolean {
    if (this.#kind === framing.untilClose) this.isComplete = true;
    return this.isComplete;
  }
}

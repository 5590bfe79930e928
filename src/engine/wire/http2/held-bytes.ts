/** Bytes that are collected for one delivery. Without any, there is no buffer. */

import { copyBytes } from "../http1/bytes.ts";

const usualBytes = 32_768;

/** Buffers that are not used at the moment. */
const free: Buffer[] = [];
const maxFree = 64;

export class HeldBytes {
  #bytes: Buffer | undefined;
  length = 0;

  add(bytes: Buffer, from: number, to: number): void {
    const target = this.#reserve(to - from);
    copyBytes(bytes, from, to, target, this.length);
    this.length += to - from;
  }

  /** @param text where each character is one byte */
  addText(text: string): void {
    this.length += this.#reserve(text.length).write(text, this.length, "latin1");
  }

  #reserve(more: number): Buffer {
    const needed = this.length + more;
    const before = this.#bytes;
    if (before && needed <= before.length) return before;
    const larger =
      needed <= usualBytes
        ? (free.pop() ?? Buffer.allocUnsafeSlow(usualBytes))
        : Buffer.allocUnsafeSlow(Math.max(needed, 2 * this.length));
    before?.copy(larger, 0, 0, this.length);
    giveBack(before);
    return (this.#bytes = larger);
  }

  /** Empties this, and gives the bytes to `receive`. They are valid during the call. */
  take(receive: (bytes: Buffer) => void): void {
    const [bytes, { length }] = [this.#bytes, this];
    if (!bytes || length === 0) return;
    this.#bytes = undefined;
    this.length = 0;
    try {
      receive(bytes.subarray(0, length));
    } finally {
      giveBack(bytes);
    }
  }

  clear(): void {
    giveBack(this.#bytes);
    this.#bytes = undefined;
    this.length = 0;
  }
}

function giveBack(bytes: Buffer | undefined): void {
  if (bytes?.length === usualBytes && free.length < maxFree) free.push(bytes);
}

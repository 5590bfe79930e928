/** The fields of one header block, decoded into one buffer: names and values as bytes, without strings. */

import { maxFrameBytes } from "./protocol.ts";

/** Numbers per field in {@link FieldList.spans}. */
export const spanStride = 4;

/** The size of the dynamic table, which is the protocol's default: larger ones cost memory for each connection. */
export const maxTableBytes = 4_096;

/** Overhead of a field in the size of a list and of a table (RFC 7541 section 4.1, RFC 9113 section 6.5.2). */
export const fieldOverhead = 32;

/** Reused for every header block: valid until the next one is decoded. */
export class FieldList {
  /** Maximum size of the list, with the overhead of each field. */
  readonly maxBytes: number;
  readonly #maxFields: number;
  /** Names and values. Behind `maxBytes` there is room for one field that is too large for the list. */
  readonly bytes: Buffer;
  /** Per field: start and end of the name, start and end of the value. */
  readonly spans: Int32Array;
  count = 0;
  /** Offset after the last byte. */
  length = 0;
  #size = 0;
  /** The fields exceed the limits: the list does not have all of them. */
  isTooLarge = false;

  /** The overhead bounds the number of fields. Crumbs of a cookie count, which become one field later. */
  constructor(maxBytes: number) {
    this.maxBytes = maxBytes;
    this.#maxFields = Math.ceil(maxBytes / fieldOverhead);
    // A block has at most twice the bytes of the list, or those of one frame. Huffman code makes eight fifths of them.
    const blockBytes = Math.max(2 * maxBytes, maxFrameBytes);
    this.bytes = Buffer.allocUnsafeSlow(maxBytes + Math.ceil(blockBytes * 1.6) + maxTableBytes);
    this.spans = new Int32Array(this.#maxFields * spanStride);
  }

  begin(): void {
    this.count = 0;
    this.length = 0;
    this.#size = 0;
    this.isTooLarge = false;
  }

  /** Adds the field whose name and value were written behind `length`. Drops it if it is too large. */
  add(nameEnd: number, valueEnd: number): void {
    this.#size += valueEnd - this.length + fieldOverhead;
    if (this.#size > this.maxBytes || this.count === this.#maxFields) {
      this.isTooLarge = true;
      return;
    }
    const position = this.count * spanStride;
    this.spans[position] = this.length;
    this.spans[position + 1] = nameEnd;
    this.spans[position + 2] = nameEnd;
    this.spans[position + 3] = valueEnd;
    this.count += 1;
    this.length = valueEnd;
  }

  /** Adds a copy. */
  addCopy(name: Buffer, value: Buffer): void {
    const size = name.length + value.length + fieldOverhead;
    if (this.#size + size > this.maxBytes || this.count === this.#maxFields) {
      this.#size += size;
      this.isTooLarge = true;
      return;
    }
    const nameEnd = this.length + name.copy(this.bytes, this.length);
    this.add(nameEnd, nameEnd + value.copy(this.bytes, nameEnd));
  }
}

/** Encodes header blocks of HTTP/2 (HPACK, RFC 7541). It keeps no dynamic table: that saves more work than it costs bytes. */

import { copyBytes, HeadViews, lower } from "../http1/bytes.ts";
import { staticNameIndex } from "./static-table.ts";

/** Static indices of whole fields with these statuses. */
const indexedStatus = new Map([
  [200, 8],
  [204, 9],
  [206, 10],
  [304, 11],
  [400, 12],
  [404, 13],
  [500, 14],
]);

const statusNameIndex = 8;

/** A header block that grows as fields are added. */
export class HeaderBlock {
  bytes = Buffer.allocUnsafeSlow(1_024);
  length = 0;
  readonly #views = new HeadViews(this.bytes);

  /** The block. Valid until the next one begins. */
  get view(): Buffer {
    return this.#views.of(this.bytes, this.length);
  }

  begin(): void {
    this.length = 0;
  }

  /** Adds `:status`. @param status three digits */
  addStatus(status: number): void {
    const index = indexedStatus.get(status);
    this.#reserve(8);
    if (index !== undefined) {
      this.bytes[this.length++] = 0x80 | index;
      return;
    }
    this.bytes[this.length++] = statusNameIndex;
    this.bytes[this.length++] = 3;
    this.length += this.bytes.write(String(status), this.length, "latin1");
  }

  /** Adds a field of the static table. */
  addIndexed(index: number): void {
    this.#reserve(1);
    this.bytes[this.length++] = 0x80 | index;
  }

  /** Adds a field whose name is in the static table, with the value bytes[from..to). */
  addValue(nameIndex: number, bytes: Buffer, from: number, to: number): void {
    this.#addLiteral(nameIndex, bytes, from, to);
  }

  /** Adds the field with the name bytes[from..nameEnd), in lower case, and the value bytes[valueFrom..to). */
  add(
    bytes: Buffer,
    { from, to: nameEnd }: { readonly from: number; readonly to: number },
    valueFrom: number,
    to: number,
  ): void {
    const length = nameEnd - from;
    this.#reserve(length + 8);
    // The name is written in lower case first, and kept only if the static table does not have it.
    const at = this.length + 1 + integerBytes(length, 7);
    for (let i = 0; i < length; i++) this.bytes[at + i] = lower[bytes[from + i] as number] as number;
    const index = staticNameIndex(this.bytes, at, at + length);
    if (index > 0) return this.#addLiteral(index, bytes, valueFrom, to);
    this.bytes[this.length++] = 0;
    this.#integer(length, 7, 0);
    this.length += length;
    this.#addString(bytes, valueFrom, to);
  }

  /** A literal without indexing (RFC 7541 section 6.2.2). */
  #addLiteral(nameIndex: number, value: Buffer, from: number, to: number): void {
    this.#reserve(8);
    this.#integer(nameIndex, 4, 0);
    this.#addString(value, from, to);
  }

  #addString(bytes: Buffer, from: number, to: number): void {
    this.#reserve(to - from + 8);
    this.#integer(to - from, 7, 0);
    this.length = copyBytes(bytes, from, to, this.bytes, this.length);
  }

  /** RFC 7541 section 5.1. */
  #integer(value: number, prefixBits: number, flags: number): void {
    const mask = (1 << prefixBits) - 1;
    if (value < mask) {
      this.bytes[this.length++] = flags | value;
      return;
    }
    this.bytes[this.length++] = flags | mask;
    let rest = value - mask;
    for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) this.bytes[this.length++] = 0x80 | (rest & 0x7f);
    this.bytes[this.length++] = rest;
  }

  #reserve(more: number): void {
    const needed = this.length + more;
    if (needed <= this.bytes.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(needed, this.bytes.length * 2));
    this.bytes.copy(larger, 0, 0, this.length);
    this.bytes = larger;
  }
}

/** The number of bytes of an integer with this prefix. */
function integerBytes(value: number, prefixBits: number): number {
  const mask = (1 << prefixBits) - 1;
  if (value < mask) return 1;
  let bytes = 2;
  for (let rest = value - mask; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes += 1;
  return bytes;
}

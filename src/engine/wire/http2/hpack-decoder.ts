/** Decodes header blocks of HTTP/2 (HPACK, RFC 7541). One decoder for each connection, because it has the dynamic table. */

import { type FieldList, fieldOverhead, maxTableBytes } from "./field-list.ts";
import { decodeHuffman } from "./huffman.ts";
import { staticTable, type TableField } from "./static-table.ts";

/** Larger integers occur in no valid block. */
const maxInteger = 2 ** 28;

const malformed = -1;

export class HpackDecoder {
  /** The newest entry is last. */
  readonly #table: TableField[] = [];
  #tableBytes = 0;
  #maxTableBytes = maxTableBytes;
  #block: Buffer = Buffer.alloc(0);
  #at = 0;
  #end = 0;

  /**
   * Decodes bytes[from..to), a whole header block. The table is updated also where the list is too large.
   * @returns false if the block is malformed: the connection cannot continue (COMPRESSION_ERROR)
   */
  decode(block: Buffer, list: FieldList, from = 0, to = block.length): boolean {
    this.#block = block;
    this.#at = from;
    this.#end = to;
    list.begin();
    let mayResize = true;
    while (this.#at < this.#end) {
      const first = block[this.#at] as number;
      const isResize = (first & 0xe0) === 0x20;
      if (isResize && !(mayResize && this.#resize(first))) return false;
      if (!isResize) {
        mayResize = false;
        if (!(first >= 0x80 ? this.#indexed(first, list) : this.#literal(first, list))) return false;
      }
    }
    return true;
  }

  /** RFC 7541 section 6.3: only at the start of a block. */
  #resize(first: number): boolean {
    const bytes = this.#integer(first, 5);
    if (bytes < 0 || bytes > maxTableBytes) return false;
    this.#maxTableBytes = bytes;
    this.#evict(0);
    return true;
  }

  #indexed(first: number, list: FieldList): boolean {
    const field = this.#fieldAt(this.#integer(first, 7));
    if (!field) return false;
    list.addCopy(field.name, field.value);
    return true;
  }

  #literal(first: number, list: FieldList): boolean {
    const isIndexed = first >= 0x40;
    const index = this.#integer(first, isIndexed ? 6 : 4);
    if (index < 0) return false;
    const start = list.isTooLarge ? list.maxBytes : list.length;
    const known = index === 0 ? undefined : this.#fieldAt(index);
    if (index > 0 && !known) return false;
    const nameEnd = known ? start + known.name.copy(list.bytes, start) : this.#string(list.bytes, start);
    if (nameEnd < 0) return false;
    const valueEnd = this.#string(list.bytes, nameEnd);
    if (valueEnd < 0) return false;
    if (isIndexed) this.#insert(list.bytes, start, nameEnd, valueEnd);
    if (!list.isTooLarge) list.add(nameEnd, valueEnd);
    return true;
  }

  #fieldAt(index: number): TableField | undefined {
    if (index < 1) return undefined;
    if (index <= staticTable.length) return staticTable[index - 1];
    return this.#table[this.#table.length - (index - staticTable.length)];
  }

  /** RFC 7541 section 5.1. @returns {@link malformed} if it is too large or incomplete */
  #integer(first: number, prefixBits: number): number {
    const mask = (1 << prefixBits) - 1;
    let value = first & mask;
    this.#at += 1;
    if (value < mask) return value;
    for (let shift = 0; shift <= 28; shift += 7) {
      if (this.#at >= this.#end) return malformed;
      const byte = this.#block[this.#at++] as number;
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value > maxInteger ? malformed : value;
    }
    return malformed;
  }

  /** RFC 7541 section 5.2. @returns the offset after the string in `target`, or {@link malformed} */
  #string(target: Buffer, at: number): number {
    if (this.#at >= this.#end) return malformed;
    const first = this.#block[this.#at] as number;
    const length = this.#integer(first, 7);
    if (length < 0 || length > this.#end - this.#at) return malformed;
    const from = this.#at;
    this.#at += length;
    if (first < 0x80) return at + this.#block.copy(target, at, from, this.#at);
    return decodeHuffman(this.#block, { from, to: this.#at }, target, at);
  }

  /** RFC 7541 section 4.4: a field that is larger than the table empties it. */
  #insert(bytes: Buffer, start: number, nameEnd: number, valueEnd: number): void {
    const size = valueEnd - start + fieldOverhead;
    this.#evict(size);
    if (size > this.#maxTableBytes) return;
    const copy = Buffer.from(bytes.subarray(start, valueEnd));
    this.#table.push({ name: copy.subarray(0, nameEnd - start), value: copy.subarray(nameEnd - start) });
    this.#tableBytes += size;
  }

  /** Removes the oldest entries until there is room for `size` bytes. */
  #evict(size: number): void {
    let evicted = 0;
    while (this.#tableBytes + size > this.#maxTableBytes && evicted < this.#table.length) {
      const { name, value } = this.#table[evicted] as TableField;
      this.#tableBytes -= name.length + value.length + fieldOverhead;
      evicted += 1;
    }
    if (evicted > 0) this.#table.splice(0, evicted);
  }
}

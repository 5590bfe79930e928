/** Bytes that came in pieces, put together; with a head's reader that goes on where it stopped, if they are a head. */

export class ByteAccumulator<Head> {
  readonly head: Head;
  bytes: Buffer;
  length: number;
  /** Where the head begins. */
  readonly from = 0;

  constructor(head: Head, source: Buffer, from: number, to: number) {
    this.head = head;
    this.length = to - from;
    this.bytes = Buffer.allocUnsafeSlow(Math.max(512, this.length * 2));
    source.copy(this.bytes, 0, from, to);
  }

  append(source: Buffer, from: number, to: number): this {
    const needed = this.length + to - from;
    if (needed > this.bytes.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(needed, this.bytes.length * 2));
      this.bytes.copy(larger, 0, 0, this.length);
      this.bytes = larger;
    }
    source.copy(this.bytes, this.length, from, to);
    this.length = needed;
    return this;
  }
}

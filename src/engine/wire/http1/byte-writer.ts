/** Bytes that are written one after another, into a buffer that grows and is used again. */

/** Enough for nearly every head and many small bodies. */
const defaultBytes = 4_096;

/** Up to this length a loop is faster than a call into the runtime. */
const maxLoopBytes = 40;

export class ByteWriter {
  readonly #usualBytes: number;
  bytes: Buffer;
  length = 0;

  /** @param usualBytes what nearly every use fits into */
  constructor(usualBytes = defaultBytes) {
    this.#usualBytes = usualBytes;
    this.bytes = Buffer.allocUnsafeSlow(usualBytes);
  }

  /** Drops what was written, and a buffer that is larger than usual. */
  begin(): void {
    if (this.bytes.length !== this.#usualBytes) this.bytes = Buffer.allocUnsafeSlow(this.#usualBytes);
    this.length = 0;
  }

  /** Makes room for `count` more bytes. */
  reserve(count: number): void {
    const needed = this.length + count;
    if (needed <= this.bytes.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(needed, this.bytes.length * 2));
    this.bytes.copy(larger, 0, 0, this.length);
    this.bytes = larger;
  }

  append(source: Buffer, from: number, to: number): void {
    if (from === to) return;
    this.reserve(to - from);
    if (to - from > maxLoopBytes) source.copy(this.bytes, this.length, from, to);
    else this.#appendByByte(source, from, to);
    this.length += to - from;
  }

  #appendByByte(source: Buffer, from: number, to: number): void {
    const { bytes } = this;
    let at = this.length;
    for (let i = from; i < to; i++) bytes[at++] = source[i] as number;
  }

  /** Appends latin1 text, where each character is the byte with the same number. */
  appendText(text: string): void {
    this.reserve(text.length);
    if (text.length > maxLoopBytes) this.bytes.write(text, this.length, "latin1");
    else for (let i = 0; i < text.length; i++) this.bytes[this.length + i] = text.charCodeAt(i);
    this.length += text.length;
  }
}

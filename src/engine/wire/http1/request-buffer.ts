/** A request as it goes to an upstream, kept from its first byte so that it can be sent again somewhere else. */

/** Envoy's limit for replayed bodies. */
export const maxReplayBytes = 65_536;

/** Room for nearly every head and many a small body; one stays with each relay. */
const defaultBytes = 4_096;

/** Up to this many bytes a loop is faster than a call into the runtime. */
const maxLoopBytes = 40;

export class ReplayBuffer {
  bytes: Buffer = Buffer.allocUnsafeSlow(defaultBytes);
  length = 0;
  /** Whether everything from the first byte on is still here. */
  isWhole = true;

  begin(): void {
    if (this.bytes.length !== defaultBytes) this.bytes = Buffer.allocUnsafeSlow(defaultBytes);
    this.length = 0;
    this.isWhole = true;
  }

  /** Makes room for that many further bytes. */
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

  /** Latin1: each character is the byte of the same number. */
  appendText(text: string): void {
    this.reserve(text.length);
    if (text.length > maxLoopBytes) this.bytes.write(text, this.length, "latin1");
    else for (let i = 0; i < text.length; i++) this.bytes[this.length + i] = text.charCodeAt(i);
    this.length += text.length;
  }

  /** Keeps only the first bytes: what came with a head may be much, and an upload must not hold it for as long as it takes. */
  truncateAfter(count: number): void {
    this.bytes = Buffer.from(this.bytes.subarray(0, count));
    this.length = count;
    this.isWhole = false;
  }

  /** Appends them if they were sent and the limit allows it; else lets go of everything, keeping the head readable. */
  appendSent(source: Buffer, from: number, to: number): void {
    if (!this.isWhole) return;
    if (this.length + to - from > maxReplayBytes) this.isWhole = false;
    else this.append(source, from, to);
  }
}

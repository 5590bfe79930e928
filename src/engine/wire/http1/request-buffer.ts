/** The bytes of a request as sent to an upstream, kept from the first one so that another attempt can send them again. */

/** Envoy's limit for replayed bodies. */
export const maxReplayBytes = 65_536;

/** Enough for nearly every head and many small bodies. Each forwarder keeps one buffer of this size. */
const defaultBytes = 4_096;

/** Up to this length a loop is faster than a call into the runtime. */
const maxLoopBytes = 40;

export class ReplayBuffer {
  bytes: Buffer = Buffer.allocUnsafeSlow(defaultBytes);
  length = 0;
  /** Whether all bytes since the first one are still here, so that the request can be replayed. */
  isWhole = true;

  begin(): void {
    if (this.bytes.length !== defaultBytes) this.bytes = Buffer.allocUnsafeSlow(defaultBytes);
    this.length = 0;
    this.isWhole = true;
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

  /** Puts other bytes in the place of the first `count` ones. */
  replaceStart(count: number, text: string): void {
    const rest = Buffer.from(this.bytes.subarray(count, this.length));
    this.length = 0;
    this.appendText(text);
    this.append(rest, 0, rest.length);
  }

  /** Drops all but the first `count` bytes, so that a long upload does not hold the large piece that arrived with its head. */
  truncateAfter(count: number): void {
    this.bytes = Buffer.from(this.bytes.subarray(0, count));
    this.length = count;
    this.isWhole = false;
  }

  /** Appends bytes that were just sent, as long as the whole request stays below the replay limit. The head stays readable. */
  appendSent(source: Buffer, from: number, to: number): void {
    if (!this.isWhole) return;
    if (this.length + to - from > maxReplayBytes) this.isWhole = false;
    else this.append(source, from, to);
  }
}

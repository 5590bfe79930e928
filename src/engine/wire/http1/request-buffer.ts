/** The bytes of a request as sent to an upstream, kept from the first one so that another attempt can send them again. */

import { ByteWriter } from "./byte-writer.ts";

/** Envoy's limit for replayed bodies. */
export const maxReplayBytes = 65_536;

export class ReplayBuffer extends ByteWriter {
  /** Whether all bytes since the first one are still here, so that the request can be replayed. */
  isWhole = true;

  override begin(): void {
    super.begin();
    this.isWhole = true;
  }

  /** Puts what `write` writes in the place of the first `count` bytes. */
  replaceStart(count: number, write: () => void): void {
    const rest = Buffer.from(this.bytes.subarray(count, this.length));
    this.length = 0;
    write();
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

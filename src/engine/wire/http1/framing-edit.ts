/** What passes of a chunked body from which framing is dropped: chunk extensions and trailers that the next parser must not see. */

const none: Buffer = Buffer.alloc(0);

/**
 * ```
 *  continueAt ─▶ passing ──hold──▶ undecided ──keep, drop──▶ passing ─▶ end
 *                                      └─────────────────────────────▶ end: holds them until the next bytes arrive
 * ```
 * Copies only where bytes are dropped, or undecided while their event ends.
 */
export class FramingEdit {
  /** Undecided bytes of earlier events. */
  #held = none;
  #output: Buffer | undefined;
  #length = 0;
  /** The bytes of this event. */
  #from = 0;
  #to = 0;
  /** Start of the bytes that pass and were not copied yet. */
  #keptFrom = 0;
  /** Start of the undecided bytes; -1 if there are none. */
  #undecidedFrom = -1;

  begin(): void {
    this.#held = none;
    this.#undecidedFrom = -1;
  }

  /** An event brings bytes[from..to). */
  continueAt(from: number, to: number): void {
    this.#from = from;
    this.#to = to;
    this.#keptFrom = from;
    this.#output = undefined;
    this.#length = 0;
    if (this.#undecidedFrom >= 0) this.#undecidedFrom = from;
  }

  /** Bytes from `index` on are undecided. */
  hold(index: number): void {
    this.#undecidedFrom = index;
  }

  /** The undecided bytes pass. */
  keep(): void {
    this.#undecidedFrom = -1;
    if (this.#held.length === 0) return;
    this.#pass(this.#held, 0, this.#held.length);
    this.#held = none;
  }

  /** The undecided bytes, which end before `index`, are dropped. */
  drop(bytes: Uint8Array, index: number): void {
    this.#pass(bytes, this.#keptFrom, Math.max(this.#keptFrom, this.#undecidedFrom));
    this.#keptFrom = index;
    this.#undecidedFrom = -1;
    this.#held = none;
  }

  /**
   * The event's bytes end at `stop`.
   * @param drops whether the undecided bytes, here and in later events, will be dropped: then they need not be held
   * @returns what passes; undefined if that is all of the event's bytes, unchanged
   */
  end(bytes: Uint8Array, stop: number, drops: boolean): Buffer | undefined {
    const from = this.#undecidedFrom;
    if (from >= 0) {
      const held = drops ? none : Buffer.concat([this.#held, bytes.subarray(from, stop)]);
      this.drop(bytes, stop);
      this.#held = held;
      this.#undecidedFrom = stop;
    }
    if (this.#output === undefined && this.#keptFrom === this.#from) return undefined;
    this.#pass(bytes, this.#keptFrom, stop);
    const output = this.#output?.subarray(0, this.#length) ?? none;
    this.#output = undefined;
    return output;
  }

  #pass(source: Uint8Array, from: number, to: number): void {
    if (from === to) return;
    this.#output ??= Buffer.allocUnsafeSlow(this.#held.length + this.#to - this.#from);
    this.#output.set(source.subarray(from, to), this.#length);
    this.#length += to - from;
  }
}

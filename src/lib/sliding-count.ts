/** How often something happened in the last seconds: forgets by itself, and costs the same whatever the rate. */

/** A ring of whole seconds with their running sum. Asking late clears what has grown old; nothing runs in between. */
export class SlidingCount {
  readonly #seconds: Float64Array;
  #newest = -1;
  #sum = 0;

  /** @param windowMs rounded up to whole seconds, the one that is still running included */
  constructor(windowMs: number) {
    this.#seconds = new Float64Array(Math.max(1, Math.ceil(windowMs / 1000)));
  }

  /** Counts one more. */
  add(now: number): void {
    this.#advance(now);
    const index = this.#newest % this.#seconds.length;
    this.#seconds[index] = (this.#seconds[index] ?? 0) + 1;
    this.#sum += 1;
  }

  /** How many there were in the window that ends now. */
  sum(now: number): number {
    this.#advance(now);
    return this.#sum;
  }

  clear(): void {
    this.#seconds.fill(0);
    this.#sum = 0;
  }

  #advance(now: number): void {
    const second = Math.floor(now / 1000);
    const passed = Math.min(second - this.#newest, this.#seconds.length);
    for (let i = 1; i <= passed; i++) {
      const index = (this.#newest + i) % this.#seconds.length;
      this.#sum -= this.#seconds[index] ?? 0;
      this.#seconds[index] = 0;
    }
    this.#newest = Math.max(this.#newest, second);
  }
}

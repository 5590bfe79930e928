/** How often something happened in the last seconds: forgets by itself, and costs the same whatever the rate. */

import type { Clock } from "./clock.ts";

/**
 * A ring of whole seconds with their running sum. Asking late clears what has grown old; nothing runs in between. The second
 * that is still running is counted apart, so that most calls touch nothing but this object.
 */
export class SlidingWindowCounter {
  readonly #seconds: Float64Array;
  #newest = -1;
  /** Counted in the newest second. */
  #running = 0;
  /** Counted in the seconds before it. */
  #sum = 0;

  /** @param windowMs rounded up to whole seconds, the one that is still running included */
  constructor(windowMs: number) {
    this.#seconds = new Float64Array(Math.max(1, Math.ceil(windowMs / 1000)));
  }

  /** Counts one more. */
  add(now: number): void {
    this.#advance(now);
    this.#running += 1;
  }

  /** How many there were in the window that ends now. */
  sum(now: number): number {
    this.#advance(now);
    return this.#sum + this.#running;
  }

  clear(): void {
    this.#seconds.fill(0);
    this.#sum = 0;
    this.#running = 0;
  }

  #advance(now: number): void {
    const second = Math.floor(now / 1000);
    if (second <= this.#newest) return;
    const { length } = this.#seconds;
    if (this.#running > 0) {
      this.#seconds[this.#newest % length] = this.#running;
      this.#sum += this.#running;
      this.#running = 0;
    }
    const passed = Math.min(second - this.#newest, length);
    for (let i = 0; i < passed; i++) {
      const index = (second - i) % length;
      this.#sum -= this.#seconds[index] ?? 0;
      this.#seconds[index] = 0;
    }
    this.#newest = second;
  }
}

// Keeps something that can happen ten thousand times a second to a few times a second, and counts the rest.

/**
 * @param perSecond how many calls of a second pass
 * @returns asked before each call: how many were held back since the last one that passed, or undefined to hold back
 */
export function rateLimit(perSecond: number, clock: Clock): () => number | undefined {
  let second = -1;
  let passed = 0;
  let held = 0;
  return () => {
    const current = Math.floor(clock() / 1000);
    if (current !== second) [second, passed] = [current, 0];
    if (passed >= perSecond) {
      held += 1;
      return undefined;
    }
    passed += 1;
    const before = held;
    held = 0;
    return before;
  };
}

/** A sliding-window counter and a rate limiter. Both use constant memory and no timer. */

import type { Clock } from "./clock.ts";

/**
 * Counts events of the last seconds in a ring of whole seconds with a running sum. Each call first clears the seconds that
 * have left the window. The current second is counted in a separate field, so most calls do not touch the ring.
 */
export class SlidingWindowCounter {
  readonly #seconds: Float64Array;
  #newest = -1;
  /** Count of the newest second. */
  #current = 0;
  /** Sum of the seconds before it. */
  #sum = 0;

  /** @param windowMs rounded up to whole seconds, including the current one */
  constructor(windowMs: number) {
    this.#seconds = new Float64Array(Math.max(1, Math.ceil(windowMs / 1000)));
  }

  /** Counts one event. */
  add(now: number): void {
    this.#advance(now);
    this.#current += 1;
  }

  /** Number of events in the window that ends now. */
  sum(now: number): number {
    this.#advance(now);
    return this.#sum + this.#current;
  }

  clear(): void {
    this.#seconds.fill(0);
    this.#sum = 0;
    this.#current = 0;
  }

  #advance(now: number): void {
    const second = Math.floor(now / 1000);
    if (second <= this.#newest) return;
    const { length } = this.#seconds;
    if (this.#current > 0) {
      this.#seconds[this.#newest % length] = this.#current;
      this.#sum += this.#current;
      this.#current = 0;
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

/**
 * Limits a frequent action to a few times a second and counts the rest.
 * @param perSecond calls that pass in each second
 * @returns a function to call before each action. It returns undefined if the action must be skipped, else the number of
 *   actions skipped since the last one that passed.
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

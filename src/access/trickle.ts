/** Lets a few through at once and then one now and again: for records that a flood must not fill. */

import type { Clock } from "../lib/clock.ts";

export interface TokenBucketOptions {
  readonly burst: number;
  /** One more may pass after each such time. */
  readonly everyMs: number;
}

/**
 * A token bucket.
 * @returns asked before each: how many were held back since the last one that passed, or undefined to hold back
 */
export function tokenBucket({ burst, everyMs }: TokenBucketOptions, clock: Clock): () => number | undefined {
  let left = burst;
  let at = clock();
  let held = 0;
  return () => {
    const now = clock();
    left = Math.min(burst, left + (now - at) / everyMs);
    at = now;
    if (left < 1) {
      held += 1;
      return undefined;
    }
    left -= 1;
    const before = held;
    held = 0;
    return before;
  };
}

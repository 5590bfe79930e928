/** Keeps something that can happen ten thousand times a second to a few times a second, and counts the rest. */

import type { Clock } from "./clock.ts";

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

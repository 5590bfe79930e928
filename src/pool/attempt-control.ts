/** Cuts what is under way on one upstream: the operator's last word when a drain takes too long. */

import type { Upstream } from "./upstream.ts";

/** Ends every open attempt there that an engine carries; how many. Those that still wait may go elsewhere. */
export function abortAttempts(upstream: Upstream): number {
  let cut = 0;
  for (const attempt of [...upstream.waiting.all(), ...upstream.responding.all()]) {
    // One that is cut can take others along.
    if (!attempt.isOpen || attempt.upstream !== upstream || !attempt.driver) continue;
    attempt.driver.abort(attempt);
    cut += 1;
  }
  return cut;
}

// Takes places on upstreams back from attempts whose clients trickle, when others wait for one.

/**
 * Asks those whose clients still send, longest first. Without it as many trickling clients as there are places would
 * stop everybody's service for as long as they like.
 * @param wanted places that are waited for  @param now clock time
 */
export function reclaimSlots(upstreams: readonly Upstream[], wanted: number, now: number): void {
  let left = wanted;
  for (const upstream of upstreams) {
    for (const attempt of upstream.responding.all()) {
      if (left <= 0) return;
      // One that ends can take others along.
      const isSending = attempt.isOpen && attempt.upstream === upstream && attempt.responseStartedAt === 0;
      if (isSending && attempt.driver?.yieldSlot?.(attempt, now)) left -= 1;
    }
  }
}

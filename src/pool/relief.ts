/** Takes places on upstreams back from attempts whose clients trickle, when others wait for one. */

import type { Upstream } from "./upstream.ts";

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

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

/** The upstream with the least in flight for its weight. */

import type { Policy } from "../pool/selection.ts";
import type { Upstream } from "../pool/upstream.ts";

/**
 * Smallest in-flight ÷ weight; those that tie take turns, because the search starts one place further each time.
 * Looks at every fit upstream until it finds an idle one: with hundreds of busy ones `p2c` costs less.
 */
export function leastConnections(): Policy {
  let start = 0;
  return {
    pick(fit) {
      start = (start + 1) % fit.length;
      return leastFrom(fit, start);
    },
    peek: (fit) => leastFrom(fit, (start + 1) % fit.length),
  };
}

function leastFrom(fit: readonly Upstream[], start: number): Upstream {
  let best = fit[start] as Upstream;
  for (let i = 1; i < fit.length && best.inFlight > 0; i++) {
    const candidate = fit[(start + i) % fit.length] as Upstream;
    if (candidate.inFlight * best.effectiveWeight < best.inFlight * candidate.effectiveWeight)
      best = candidate;
  }
  return best;
}

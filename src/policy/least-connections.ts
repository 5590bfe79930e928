/** Policy `least-connections`: the upstream with the fewest requests in flight for its weight. */

import { type Random, randomIndex } from "../lib/random.ts";
import type { Policy } from "../pool/selection.ts";
import type { Upstream } from "../pool/upstream.ts";

/**
 * Smallest in-flight ÷ weight. Ties take turns: the first search starts at a random position, each further one a position
 * later. It visits every available upstream until it finds an idle one: with hundreds of busy ones `p2c` costs less.
 */
export function leastConnections(random: Random): Policy {
  // Several balancers must not all begin with the same upstream.
  let start = randomIndex(random, 1 << 16);
  return {
    pick(available) {
      start = (start + 1) % available.length;
      return leastFrom(available, start);
    },
    peek: (available) => leastFrom(available, (start + 1) % available.length),
  };
}

function leastFrom(available: readonly Upstream[], start: number): Upstream {
  let best = available[start] as Upstream;
  for (let i = 1; i < available.length && best.inFlight > 0; i++) {
    const candidate = available[(start + i) % available.length] as Upstream;
    if (candidate.inFlight * best.effectiveWeight < best.inFlight * candidate.effectiveWeight)
      best = candidate;
  }
  return best;
}

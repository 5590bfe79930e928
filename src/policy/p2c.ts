/** The cheaper of two random upstreams, by measured latency and load. */

import type { Clock } from "../lib/clock.ts";
import { type Random, randomIndex } from "../lib/random.ts";
import type { Policy } from "../pool/selection.ts";
import type { Upstream } from "../pool/upstream.ts";

/**
 * Power of two choices over peak-EWMA latency × (in flight + 1) ÷ weight. Unmeasured and idle costs nothing, so that
 * it is tried; unmeasured and busy costs more than anything measured, so that it gets one request and not a flood.
 * Sources: Mitzenmacher, "The power of two choices in randomized load balancing" (2001); Finagle's p2c with peak EWMA.
 */
export function p2c(dice: Random, clock: Clock): Policy {
  return {
    pick(fit) {
      const first = randomIndex(dice, fit.length);
      const one = fit[first] as Upstream;
      if (fit.length === 1) return one;
      const second = (first + 1 + randomIndex(dice, fit.length - 1)) % fit.length;
      const other = fit[second] as Upstream;
      const now = clock();
      return cost(other, now) < cost(one, now) ? other : one;
    },
  };
}

const unmeasuredLatencyMs = 1e9;

function cost(upstream: Upstream, now: number): number {
  const { latency, inFlight, effectiveWeight: weight } = upstream;
  if (!latency.measured) return (unmeasuredLatencyMs * inFlight) / weight;
  return (latency.read(now) * (inFlight + 1)) / weight;
}

/** Policy `p2c`: the cheaper of two random upstreams, by measured latency and load. */

import type { Clock } from "../lib/clock.ts";
import { type Random, randomIndex } from "../lib/random.ts";
import type { Policy } from "../pool/selection.ts";
import type { Upstream } from "../pool/upstream.ts";

/**
 * Power of two choices over peak-EWMA latency × (in flight + 1) ÷ weight. An unmeasured idle upstream costs nothing, so that
 * it is tried; an unmeasured busy one costs more than any measured one, so that it gets one request and not a flood.
 * Sources: Mitzenmacher, "The power of two choices in randomized load balancing" (2001); Finagle's p2c with peak EWMA.
 */
export function p2c(random: Random, clock: Clock): Policy {
  return {
    pick(available) {
      const first = randomIndex(random, available.length);
      const one = available[first] as Upstream;
      if (available.length === 1) return one;
      const second = (first + 1 + randomIndex(random, available.length - 1)) % available.length;
      const other = available[second] as Upstream;
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

/** Policy `round-robin`: turns in proportion to weights, evenly spread. */

import { TurnScheduler } from "../lib/turn-scheduler.ts";
import type { Random } from "../lib/random.ts";
import type { Policy } from "../pool/selection.ts";
import type { Upstream } from "../pool/upstream.ts";

/** Smooth weighted round robin: exact over every Σweight requests, for any list. See {@link TurnScheduler}. */
export function roundRobin(random: Random): Policy {
  const scheduler = new TurnScheduler<Upstream>(random);
  let previous: readonly Upstream[] = [];
  const rebuild = (available: readonly Upstream[]) => {
    if (available === previous) return;
    scheduler.reset(available, (upstream) => upstream.effectiveWeight);
    previous = available;
  };
  return {
    pick(available) {
      rebuild(available);
      return scheduler.next();
    },
    peek(available) {
      rebuild(available);
      return scheduler.first();
    },
  };
}

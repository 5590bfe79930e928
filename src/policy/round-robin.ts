/** Turns in proportion to weights, evenly spread. */

import { EdfScheduler } from "../lib/edf-scheduler.ts";
import type { Policy } from "../pool/selection.ts";
import type { Upstream } from "../pool/upstream.ts";

/** Smooth weighted round robin: exact over every Σweight requests, under any fit list. See {@link EdfScheduler}. */
export function roundRobin(): Policy {
  const turns = new EdfScheduler<Upstream>();
  let known: readonly Upstream[] = [];
  const follow = (fit: readonly Upstream[]) => {
    if (fit === known) return;
    turns.reset(fit, (upstream) => upstream.effectiveWeight);
    known = fit;
  };
  return {
    pick(fit) {
      follow(fit);
      return turns.next();
    },
    peek(fit) {
      follow(fit);
      return turns.first();
    },
  };
}

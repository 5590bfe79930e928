/** The order of the list, worst first; two problems swap only when one has been clearly worse for a while. */

import { fleetKinds } from "./fleet-problems.ts";
import { severityOf } from "./problem.ts";
import type { TrackedProblem } from "./tracker.ts";

/** One that is worse by this factor for so long overtakes. */
const swapFactor = 1.5;
const swapAfterMs = 10_000;

/** A request that waits long is a tenth of one that fails. */
const waitingWeight = 0.1;

/** Requests a second that fail at the client, and a tenth of the ones that wait. 0 while the problem closes. */
export function harmOfProblem({ isActive, finding }: TrackedProblem): number {
  if (!isActive || !finding) return 0;
  return finding.failing + waitingWeight * (finding.waiting ?? 0);
}

/** What a problem is about: the balancer, a fleet, a pool, an upstream. */
function scopeOf({ kind, pool, upstream }: TrackedProblem): number {
  if (upstream !== null) return 3;
  if (pool !== null) return 2;
  return fleetKinds.some((one) => one === kind) ? 1 : 0;
}

function compare(one: TrackedProblem, other: TrackedProblem): number {
  return (
    severityOf(one.shownLevel) - severityOf(other.shownLevel) ||
    harmOfProblem(other) - harmOfProblem(one) ||
    scopeOf(one) - scopeOf(other) ||
    one.since - other.since
  );
}

type Overtaking = Map<TrackedProblem, { readonly other: TrackedProblem; readonly since: number }>;

/** Remembers the order of the last sample. */
export class Ranking {
  #order: readonly TrackedProblem[] = [];
  /** For each problem: which one it is about to overtake, and since when (clock time). */
  #overtaking: Overtaking = new Map();

  /** @param now clock time, milliseconds */
  arrange(problems: readonly TrackedProblem[], now: number): readonly TrackedProblem[] {
    const present = new Set(problems);
    const order = this.#order.filter((problem) => present.has(problem));
    const known = new Set(order);
    for (const problem of problems.filter((one) => !known.has(one)).toSorted(compare)) {
      const place = order.findIndex((other) => compare(problem, other) < 0);
      order.splice(place < 0 ? order.length : place, 0, problem);
    }
    // A change of level counts at once. The sort is stable, so that all else stays.
    order.sort((one, other) => severityOf(one.shownLevel) - severityOf(other.shownLevel));
    this.#swap(order, now);
    return (this.#order = order);
  }

  #swap(order: TrackedProblem[], now: number): void {
    const overtaking: Overtaking = new Map();
    for (let index = order.length - 1; index > 0; index--) {
      const [ahead, behind] = [order[index - 1], order[index]];
      if (!ahead || !behind || ahead.shownLevel !== behind.shownLevel) continue;
      if (harmOfProblem(behind) <= swapFactor * harmOfProblem(ahead)) continue;
      const before = this.#overtaking.get(behind);
      const since = before?.other === ahead ? before.since : now;
      if (now - since >= swapAfterMs) [order[index - 1], order[index]] = [behind, ahead];
      else overtaking.set(behind, { other: ahead, since });
    }
    this.#overtaking = overtaking;
  }
}

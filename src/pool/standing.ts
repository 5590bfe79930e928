/** Who may serve, until the next change: ranks with their places, and when mere time will change them. */

import type { OutlierState } from "./outlier-detector.ts";
import { type PriorityGroups, priorityGroupsOf } from "./serving-set.ts";
import { PriorityTier } from "./tier.ts";
import type { Upstream } from "./upstream.ts";

export interface ServingSet extends PriorityGroups {
  readonly tiers: readonly PriorityTier[];
  /** Clock time at which the earliest ejection ends or the next step of a slow start is due. */
  readonly dueAt: number;
}

export interface ServingSetUpdate {
  readonly servingSet: ServingSet;
  /** Whose verdict mere time has changed, and from what. */
  readonly settled: readonly (readonly [upstream: Upstream, from: OutlierState])[];
}

/** Brings verdicts up to date and ranks by them. @param before whose tiers lend their memory to the new ones */
export function buildServingSet(
  upstreams: readonly Upstream[],
  before: ServingSet | undefined,
  now: number,
): ServingSetUpdate {
  const settled: [upstream: Upstream, from: OutlierState][] = [];
  let dueAt = Infinity;
  for (const upstream of upstreams) {
    const from = upstream.outlier.state;
    if (upstream.outlier.expireEjection(now)) settled.push([upstream, from]);
    upstream.slowStart.advance(now);
    dueAt = Math.min(dueAt, upstream.outlier.probationStartsAt, upstream.slowStart.dueAt(now));
  }
  const ranks = priorityGroupsOf(upstreams);
  const hasRoom = (upstream: Upstream) =>
    upstream.hasCapacity && (ranks.isPanicking || upstream.outlier.admits);
  const tiers = ranks.groups.map((group, i) => new PriorityTier(group, hasRoom, before?.tiers[i]));
  return { servingSet: { ...ranks, tiers, dueAt }, settled };
}

/** Who may serve now, best first: sorts a pool's upstreams by what operator, probes and attempts say of them. */

import type { Upstream } from "./upstream.ts";

export interface PriorityGroups {
  /** None of them is empty; the first is the pool's fit list. */
  readonly groups: readonly (readonly Upstream[])[];
  /** Out by the passive verdict alone: whom a retry may ask when nobody else is left. */
  readonly ejected: readonly Upstream[];
  /** Nothing but passive verdicts is left to go by, so they are ignored: everybody serves. */
  readonly isPanicking: boolean;
  /** How many are wanted by the operator. */
  readonly eligible: number;
  /** How many of those serve without reserve. */
  readonly up: number;
}

/** Whether the operator wants traffic there. */
function isWanted({ mode, weight }: Upstream): boolean {
  return mode === "ready" && weight > 0;
}

/** Whether anything but the passive verdict keeps it from serving. */
export function isEligible(upstream: Upstream): boolean {
  return isWanted(upstream) && upstream.activeHealth.state !== "failing";
}

/** How many serve without reserve besides this one. */
export function otherUpCount({ up }: PriorityGroups, upstream: Upstream): number {
  return isEligible(upstream) && upstream.outlier.state === "up" ? up - 1 : up;
}

/**
 * Known-good before unknown, primaries before backups. One in probation serves with the first group that has others to
 * carry the load. When not a single candidate is up, ejections are ignored: to serve badly is better than not at all,
 * and probes that say "down" have already been heard.
 */
export function priorityGroupsOf(upstreams: readonly Upstream[]): PriorityGroups {
  const candidates = upstreams.filter(isEligible);
  const up = candidates.filter(({ outlier }) => outlier.state === "up").length;
  const isPanicking = candidates.length > 0 && up === 0;
  return {
    groups: isPanicking ? ranked(candidates) : withProbation(ranked(candidates.filter(isAdmitted))),
    ejected: isPanicking ? [] : candidates.filter((upstream) => !isAdmitted(upstream)),
    isPanicking,
    eligible: upstreams.filter(isWanted).length,
    up,
  };
}

function isAdmitted({ outlier }: Upstream): boolean {
  return outlier.state !== "ejected";
}

function ranked(candidates: readonly Upstream[]): readonly (readonly Upstream[])[] {
  const groups = (["passing", "checking"] as const).flatMap((state) =>
    [false, true].map((backup) =>
      candidates.filter((upstream) => upstream.activeHealth.state === state && upstream.backup === backup),
    ),
  );
  return groups.filter((group) => group.length > 0);
}

/** Joins groups that only have upstreams in probation with the next one: alone they would admit hardly anything. */
function withProbation(groups: readonly (readonly Upstream[])[]): readonly (readonly Upstream[])[] {
  const joined: (readonly Upstream[])[] = [];
  let carried: readonly Upstream[] = [];
  for (const group of groups) {
    carried = [...carried, ...group];
    if (!group.some(({ outlier }) => outlier.state === "up")) continue;
    joined.push(carried);
    carried = [];
  }
  return carried.length > 0 ? [...joined, carried] : joined;
}

/** Which upstreams of a pool may serve now, best first: priority groups, tiers with their free slots, and when they next change. */

import type { OutlierState } from "./outlier-detector.ts";
import type { Upstream } from "./upstream.ts";

export interface PriorityGroups {
  /** Best first, none of them empty; the first is the pool's list of available upstreams. */
  readonly groups: readonly (readonly Upstream[])[];
  /** Out by the passive verdict alone: a retry may use them when nothing else is left. */
  readonly ejected: readonly Upstream[];
  /** No eligible upstream is up, so ejections and probations are ignored and all of them serve. */
  readonly isPanicking: boolean;
  /** How many the operator lets serve. */
  readonly wanted: number;
  /** How many of those are up. */
  readonly up: number;
}

/** Whether the operator lets it serve. */
function isWanted({ mode, weight }: Upstream): boolean {
  return mode === "ready" && weight > 0;
}

/** Whether nothing but the passive verdict can keep it from serving. */
export function isEligible(upstream: Upstream): boolean {
  return isWanted(upstream) && upstream.activeHealth.state !== "failing";
}

/** Whether it is eligible, and neither ejected nor on probation. */
export function isUp(upstream: Upstream): boolean {
  return isEligible(upstream) && upstream.outlier.state === "up";
}

/** How many others are up. */
export function otherUpCount({ up }: PriorityGroups, upstream: Upstream): number {
  return isUp(upstream) ? up - 1 : up;
}

/**
 * Passing before checking, primaries before backups. An upstream on probation serves with the first group that has others to
 * carry the load. When no eligible upstream is up, ejections are ignored (panic mode): a bad response is better than none,
 * and upstreams whose probes fail are excluded already.
 */
function priorityGroupsOf(upstreams: readonly Upstream[]): PriorityGroups {
  const candidates = upstreams.filter(isEligible);
  const up = candidates.filter(isUp).length;
  const isPanicking = candidates.length > 0 && up === 0;
  return {
    groups: isPanicking ? ranked(candidates) : withProbation(ranked(candidates.filter(isAdmitted))),
    ejected: isPanicking ? [] : candidates.filter((upstream) => !isAdmitted(upstream)),
    isPanicking,
    wanted: upstreams.filter(isWanted).length,
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

/** Merges a group that only has upstreams on probation with the next one: alone it would admit hardly anything. */
function withProbation(groups: readonly (readonly Upstream[])[]): readonly (readonly Upstream[])[] {
  const merged: (readonly Upstream[])[] = [];
  let pending: readonly Upstream[] = [];
  for (const group of groups) {
    pending = [...pending, ...group];
    if (!group.some(({ outlier }) => outlier.state === "up")) continue;
    merged.push(pending);
    pending = [];
  }
  return pending.length > 0 ? [...merged, pending] : merged;
}

/** Valid until a verdict changes or `dueAt`. */
export interface ServingSet extends PriorityGroups {
  readonly tiers: readonly PriorityTier[];
  /** Clock time at which the earliest ejection ends or the next step of a slow start is due. */
  readonly dueAt: number;
}

export interface ServingSetUpdate {
  readonly servingSet: ServingSet;
  /** Upstreams whose ejection ended by time, with the state before. */
  readonly expired: readonly (readonly [upstream: Upstream, from: OutlierState])[];
}

/** Updates verdicts that depend on time and groups by them. @param before its lists are reused where nothing changed */
export function buildServingSet(
  upstreams: readonly Upstream[],
  before: ServingSet | undefined,
  now: number,
): ServingSetUpdate {
  const expired: [upstream: Upstream, from: OutlierState][] = [];
  let dueAt = Infinity;
  for (const upstream of upstreams) {
    const from = upstream.outlier.state;
    if (upstream.outlier.expireEjection(now)) expired.push([upstream, from]);
    upstream.slowStart.advance(now);
    dueAt = Math.min(dueAt, upstream.outlier.probationStartsAt, upstream.slowStart.dueAt(now));
  }
  const groups = priorityGroupsOf(upstreams);
  const hasSlot = (upstream: Upstream) =>
    upstream.hasCapacity && (groups.isPanicking || upstream.outlier.admits);
  const tiers = groups.groups.map((group, i) => new PriorityTier(group, hasSlot, before?.tiers[i]));
  return { servingSet: { ...groups, tiers, dueAt }, expired };
}

/** As fast in a list as in a set. */
const fewMembers = 16;

/**
 * Upstreams of one priority, and which of them have a free slot, kept up to date in O(1) for each attempt. The members stay;
 * only the list of open ones changes. So a full upstream does not rebuild the list of available upstreams: for a thousand of
 * them, with the policies' state, that takes longer than a request.
 */
export class PriorityTier {
  readonly members: readonly Upstream[];
  /** Effective weights at construction, to detect whether a later list is the same. */
  readonly #weights: readonly number[];
  readonly #open: Upstream[];
  readonly #closed = new Set<Upstream>();
  /** Positions in the list of open ones; created when the first member closes. */
  #positions: Map<Upstream, number> | undefined;
  /** Of many members; created when one of them is looked up first. */
  #lookup: ReadonlySet<Upstream> | undefined;

  /** @param before the previous tier at this position: the list keeps its identity if nothing in it changed */
  constructor(members: readonly Upstream[], hasSlot: (upstream: Upstream) => boolean, before?: PriorityTier) {
    this.members = before?.equals(members) ? before.members : members;
    this.#weights = members.map((upstream) => upstream.effectiveWeight);
    this.#open = members.filter(hasSlot);
    if (this.#open.length === members.length) return;
    for (const upstream of members) if (!hasSlot(upstream)) this.#closed.add(upstream);
  }

  /** In O(1): all upstreams of a pool are looked up one after the other. */
  has(upstream: Upstream): boolean {
    if (this.members.length <= fewMembers) return this.members.includes(upstream);
    this.#lookup ??= new Set(this.members);
    return this.#lookup.has(upstream);
  }

  /** Members with a free slot, in no order. */
  get open(): readonly Upstream[] {
    return this.#open;
  }

  get isFull(): boolean {
    return this.#open.length === 0;
  }

  /** Removes a member from the open ones. @returns false if it was not open */
  close(upstream: Upstream): boolean {
    this.#positions ??= new Map(this.#open.map((member, position) => [member, position]));
    const position = this.#positions.get(upstream);
    const last = this.#open.at(-1);
    if (position === undefined || last === undefined) return false;
    this.#open[position] = last;
    this.#positions.set(last, position);
    this.#open.pop();
    this.#positions.delete(upstream);
    this.#closed.add(upstream);
    return true;
  }

  /** Returns a closed member to the open ones. @returns false if it was not closed */
  reopen(upstream: Upstream): boolean {
    // The common case first: every attempt's end calls this, and nearly always no member is closed.
    if (this.#open.length === this.members.length || !this.#closed.delete(upstream)) return false;
    this.#positions?.set(upstream, this.#open.length);
    this.#open.push(upstream);
    return true;
  }

  equals(members: readonly Upstream[]): boolean {
    return (
      members.length === this.members.length &&
      members.every(
        (upstream, i) => upstream === this.members[i] && upstream.effectiveWeight === this.#weights[i],
      )
    );
  }
}

/** Who may serve now, best first: sorts a pool's upstreams by what operator, probes and attempts say of them. */

import type { OutlierState } from "./outlier-detector.ts";
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
  let addition: readonly Upstream[] = [];
  for (const group of groups) {
    addition = [...addition, ...group];
    if (!group.some(({ outlier }) => outlier.state === "up")) continue;
    joined.push(addition);
    addition = [];
  }
  return addition.length > 0 ? [...joined, addition] : joined;
}

// Who may serve, until the next change: ranks with their places, and when mere time will change them.

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

// Upstreams of one rank, and which of them have room: kept up to date at O(1) for each attempt.

/**
 * Members stay; only the list of open ones changes while they fill up and empty. So an upstream that is at its limit
 * makes no new fit list: rebuilding one for a thousand upstreams, and the policies' books with it, takes longer than
 * a request.
 */
export class PriorityTier {
  readonly members: readonly Upstream[];
  /** Effective weights at the time of making, to tell whether a later list is the same. */
  readonly #weights: readonly number[];
  readonly #open: Upstream[];
  readonly #closed = new Set<Upstream>();
  /** Places in the list of open ones; made when the first member closes. */
  #places: Map<Upstream, number> | undefined;

  /** @param before the tier in the same place until now: the list keeps its identity if nothing in it has changed */
  constructor(members: readonly Upstream[], hasRoom: (upstream: Upstream) => boolean, before?: PriorityTier) {
    this.members = before?.equals(members) ? before.members : members;
    this.#weights = members.map((upstream) => upstream.effectiveWeight);
    this.#open = members.filter(hasRoom);
    if (this.#open.length === members.length) return;
    for (const upstream of members) if (!hasRoom(upstream)) this.#closed.add(upstream);
  }

  /** Those with room, in no order. */
  get open(): readonly Upstream[] {
    return this.#open;
  }

  get isFull(): boolean {
    return this.#open.length === 0;
  }

  /** Takes a member out of the open ones; false if it was not among them. */
  close(upstream: Upstream): boolean {
    this.#places ??= new Map(this.#open.map((member, place) => [member, place]));
    const place = this.#places.get(upstream);
    const last = this.#open.at(-1);
    if (place === undefined || last === undefined) return false;
    this.#open[place] = last;
    this.#places.set(last, place);
    this.#open.pop();
    this.#places.delete(upstream);
    this.#closed.add(upstream);
    return true;
  }

  /** Puts a closed member back among the open ones; false if it was not closed. */
  reopen(upstream: Upstream): boolean {
    // Nearly always nobody is closed, and every attempt's end asks.
    if (this.#open.length === this.members.length || !this.#closed.delete(upstream)) return false;
    this.#places?.set(upstream, this.#open.length);
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

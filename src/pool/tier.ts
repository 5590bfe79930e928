/** Upstreams of one rank, and which of them have room: kept up to date at O(1) for each attempt. */

import type { Upstream } from "./upstream.ts";

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

/** Decides what stands after what this balancer knows is laid beside the shared store: a pure function, with no clock. */

import { type Entry, type LocalEntry, type Order, withAside, withPastOf } from "./entry.ts";

/** All of the store, read in one step. */
export interface SharedState {
  /** Which life of the data this is; empty before the first order. */
  readonly epoch: string;
  /** Random name of the last commit; empty before the first. */
  readonly nonce: string;
  /** Whether the store came from the state that this balancer last saw, with nothing lost in between. */
  readonly isContinued: boolean;
  readonly entries: ReadonlyMap<string, Entry>;
  /** Keys whose content cannot be read. */
  readonly damaged: ReadonlySet<string>;
}

export interface Reconciliation {
  /** What is to be written to the store, all or nothing; empty if the store stays as it is. */
  readonly writes: ReadonlyMap<string, Entry>;
  /** What stands then, at this balancer too. */
  readonly entries: ReadonlyMap<string, Entry>;
  /** Entries that the store had before and lost. They are among the writes. */
  readonly restored: number;
  /** Entries that the store rightly has no more, although this balancer still had them. */
  readonly dropped: readonly Entry[];
}

/**
 * Lays the entries of this balancer beside those of the store, key by key:
 *
 * ```
 *  only here     pending, or the store has lost something      → write mine
 *                else it was withdrawn long ago                → drop mine
 *  only there                                                  → take theirs
 *  same order                                                  → it is one
 *  theirs came after mine (mine is in its past)                → take theirs
 *  mine came after theirs                                      → write mine
 *  each is in the past of the other: a store that lost data forgot which came first → the more careful order
 *                (what stands takes over what only the other knew of: it may have won against an order in the meantime)
 *  neither knew  mine is not pending, and nothing was lost     → take theirs: mine is older than its past reaches
 *                else                                          → the more careful order, which remembers the other
 * ```
 *
 * Times are not looked at: a clock that is wrong must not undo a drain.
 */
export function reconcile(shared: SharedState, mine: ReadonlyMap<string, LocalEntry>): Reconciliation {
  const entries = new Map<string, Entry>(shared.entries);
  const writes = new Map<string, Entry>();
  const dropped: Entry[] = [];
  let restored = 0;
  const write = (key: string, entry: Entry) => void (writes.set(key, entry), entries.set(key, entry));

  for (const [key, { isPending, ...own }] of mine) {
    const theirs = shared.entries.get(key);
    const isLost = !shared.isContinued || shared.damaged.has(key);
    if (!theirs) {
      if (!isPending && !isLost) {
        dropped.push(own);
        continue;
      }
      write(key, own);
      if (!isPending) restored += 1;
      continue;
    }
    const isMoreCareful = carefulness(own.order) > carefulness(theirs.order);
    const isOlder = theirs.id === own.id || theirs.past.includes(own.id);
    const isNewer = own.past.includes(theirs.id);
    if (isOlder || isNewer) {
      const isMine = isNewer && (!isOlder || isMoreCareful);
      const stands = isMine ? withPastOf(own, theirs) : withPastOf(theirs, own);
      if (stands !== theirs) write(key, stands);
      if (isMine && !isPending) restored += 1;
    } else if (isPending || isLost)
      write(key, isMoreCareful ? withAside(own, theirs) : withAside(theirs, own));
  }
  return { writes, entries, restored, dropped };
}

/** Of two orders that did not know of each other the one with the higher number stands; of equal ones that in the store. */
export function carefulness(order: Order): number {
  switch (order.kind) {
    case "mode":
      return ["ready", "draining", "maintenance"].indexOf(order.mode);
    case "weight":
      return order.weight === 0 ? 1 : 0;
    case "removed":
      return 2;
    case "forgotten":
      // An addition that was withdrawn is a removal too.
      return order.aspect === "member" ? 1 : 0;
    case "added":
      return 0;
  }
}

/** What this balancer knows of the orders that the fleet shares: given here, taken over from others, and not shared yet. */

import type { FleetRecord } from "../state/store.ts";
import {
  type AsideOrder,
  type Entry,
  entryFor,
  isSameOrder,
  type LocalEntry,
  type Order,
  parseEntry,
  serializeEntry,
} from "./entry.ts";
import { type Reconciliation, reconcile, type SharedState } from "./reconcile.ts";
import { intentKey } from "../state/intent.ts";

/** The last commit that this balancer followed; both texts are empty before the first. */
export interface Known {
  readonly epoch: string;
  readonly nonce: string;
}

/** A reconciliation that still has to be committed, and what it was made from. */
export interface Plan extends Reconciliation {
  readonly before: ReadonlyMap<string, LocalEntry>;
  /** Whether this balancer has followed a store before. */
  readonly isFirst: boolean;
}

/** An order that from now on counts here, instead of another one or of none. */
export interface AdoptedOrder {
  readonly key: string;
  /** Undefined where nothing is ordered any more, so that the configuration counts. */
  readonly entry: Entry | undefined;
  readonly before: Order | undefined;
}

/** An order that another one, which it did not know of, has replaced. */
export interface SetAside {
  readonly stands: Entry;
  readonly aside: AsideOrder;
}

export interface Settled {
  /** What the state file is to keep. */
  readonly record: FleetRecord;
  readonly adopted: readonly AdoptedOrder[];
  readonly setAside: readonly SetAside[];
}

export class Journal {
  readonly #peer: string;
  readonly #entries = new Map<string, LocalEntry>();
  #known: Known = { epoch: "", nonce: "" };

  /** @param peer the name of this balancer @param record of the state file */
  constructor(peer: string, record: FleetRecord = { entries: [] }) {
    this.#peer = peer;
    this.load(record);
  }

  /** Replaces all by what the state file has. */
  load(record: FleetRecord): void {
    this.#known = record.known ?? { epoch: "", nonce: "" };
    this.#entries.clear();
    for (const { key, entry, isPending } of record.entries) {
      const parsed = entry === null ? undefined : parseEntry(key, entry);
      if (parsed) this.#entries.set(key, { ...parsed, isPending });
    }
  }

  get known(): Known {
    return this.#known;
  }

  get entries(): ReadonlyMap<string, LocalEntry> {
    return this.#entries;
  }

  /** Orders that are not shared yet, as far as is known. */
  get pending(): readonly LocalEntry[] {
    return [...this.#entries.values()].filter(({ isPending }) => isPending);
  }

  /** Takes down orders that were given here. @returns what the state file is to keep */
  order(orders: readonly Order[]): FleetRecord {
    const keys = orders.map((order) => {
      const key = intentKey(order);
      this.#entries.set(key, entryFor(order, this.#peer, this.#entries.get(key)));
      return key;
    });
    return { entries: keys.map((key) => this.#row(key)) };
  }

  /** Orders that the state file has and the journal has not: they were given while the balancer was in no fleet. */
  missing(orders: readonly Order[]): readonly Order[] {
    return orders.filter((order) => {
      const known = this.#entries.get(intentKey(order));
      return !known || !isSameOrder(known.order, order);
    });
  }

  plan(shared: SharedState): Plan {
    return {
      ...reconcile(shared, this.#entries),
      before: new Map(this.#entries),
      isFirst: this.#known.epoch === "",
    };
  }

  /**
   * Takes over what a plan found, after its writes were committed. A key for which an order was given here in the meantime
   * stays as it is, and is pending: the next plan lays it beside the store.
   */
  settle({ entries, before, isFirst }: Plan, known: Known): Settled {
    const adopted: AdoptedOrder[] = [];
    const setAside: SetAside[] = [];
    const changed: string[] = [];
    for (const key of new Set([...entries.keys(), ...before.keys()])) {
      const [old, next, now] = [before.get(key), entries.get(key), this.#entries.get(key)];
      if (now?.id !== old?.id) continue;
      if (old?.id !== next?.id) adopted.push({ key, entry: next, before: old?.order });
      if (next && (old || !isFirst)) {
        const reported = new Set(old?.aside.map(({ id }) => id));
        for (const aside of next.aside) if (!reported.has(aside.id)) setAside.push({ stands: next, aside });
      }
      if (next && old && !old.isPending && old.past.length === next.past.length && isSameEntry(old, next))
        continue;
      if (next) this.#entries.set(key, { ...next, isPending: false });
      else this.#entries.delete(key);
      changed.push(key);
    }
    const isKnown = known.epoch === this.#known.epoch && known.nonce === this.#known.nonce;
    this.#known = known;
    const record = { ...(!isKnown && { known }), entries: changed.map((key) => this.#row(key)) };
    return { record, adopted, setAside };
  }

  #row(key: string): FleetRecord["entries"][number] {
    const entry = this.#entries.get(key);
    return { key, entry: entry ? serializeEntry(entry) : null, isPending: entry?.isPending ?? false };
  }
}

function isSameEntry(left: Entry, right: Entry): boolean {
  return serializeEntry(left) === serializeEntry(right);
}

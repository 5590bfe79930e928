/** Connects the intents of this balancer with the journal of its fleet: takes down what is ordered here, and evens out both at the start. */

import { type Entry, isSameOrder, type Order } from "../fleet/entry.ts";
import type { Journal } from "../fleet/journal.ts";
import type { WallClock } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import { type Intent, intentKey, type IntentRemoval } from "../state/intent.ts";
import type { FleetRecord, Store } from "../state/store.ts";
import type { Intents, OrderJournal } from "./desired-state.ts";

/** The name of the actor where no operator is. */
export const automaticActor = "balancer";

/** What the state file has for the fleet. A file that cannot be read has nothing: the store has what is shared. */
export function fleetRecordOf(store: Pick<Store, "fleet">, log: Log): FleetRecord {
  try {
    return store.fleet();
  } catch (error) {
    log.error("fleet journal unreadable", { why: String(error) });
    return { entries: [] };
  }
}

/** @param onOrder called after an order was taken down */
export function orderJournalOf(journal: Journal, wallClock: WallClock, onOrder: () => void): OrderJournal {
  return {
    order(changes) {
      // Withdrawing what was never ordered is no order.
      const orders = changes.filter((change) => {
        const known = journal.entries.get(intentKey(change));
        return change.kind !== "forgotten" || (known && known.order.kind !== "forgotten");
      });
      const record = journal.order(orders.map((change) => orderOf(change, wallClock())));
      if (orders.length > 0) onOrder();
      return record;
    },
  };
}

function orderOf(change: Intent | IntentRemoval, now: number): Order {
  if (change.kind !== "forgotten") return change;
  const { by = automaticActor, at = now, why = "", ...removal } = change;
  return { ...removal, by, at, why };
}

/**
 * At the start: what was ordered while the balancer was in no fleet becomes an order of now, and what the journal has and the
 * intents lack counts again. Both are the same afterwards.
 */
export function evenOut(intents: Intents, journal: Journal, self: string): void {
  const missing = journal.missing(intents.all);
  if (missing.length > 0) intents.takeOver([], journal.order(missing));
  const known = new Map(intents.all.map((intent) => [intentKey(intent), intent]));
  const lost = [...journal.entries.values()].filter(({ order }) => {
    const intent = known.get(intentKey(order));
    return order.kind === "forgotten" ? intent !== undefined : !intent || !isSameOrder(order, intent);
  });
  intents.takeOver(
    lost.map((entry) => localOrder(entry, self)),
    { entries: [] },
  );
}

/** The order as this balancer keeps it: with the name of the balancer where it was given, unless that is this one. */
export function localOrder({ order, peer }: Entry, self: string): Order {
  return peer === self || order.by === automaticActor ? order : { ...order, by: `${order.by} at ${peer}` };
}

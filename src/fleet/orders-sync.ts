/** Keeps the orders of this balancer and those of the shared store the same: one call at a time, and only small ones. */

import type { Clock } from "../lib/clock.ts";
import type { Journal, Settled } from "./journal.ts";
import type { SharedOrders } from "./shared-state.ts";

export interface OrdersSyncOptions {
  readonly journal: Journal;
  readonly shared: SharedOrders;
  readonly clock: Clock;
  /** Called with what changed: keeps it on disk, and makes it count. Must not throw. */
  readonly onSettled: (settled: Settled, found: Found) => void;
}

export interface Found {
  /** Entries that the store had lost. */
  readonly restored: number;
}

/** Tries of one turn, when others commit at the same time. The next turn goes on. */
const maxTries = 10;

/** Also what changed without a commit is seen by then, such as a key that another program wrote. */
const fullReadMs = 30_000;

export class OrdersSync {
  readonly #options: OrdersSyncOptions;
  #fullReadAt = Number.NEGATIVE_INFINITY;

  constructor(options: OrdersSyncOptions) {
    this.#options = options;
  }

  /** Reads, decides, commits, and takes over. Rejects with the error of the store. Not to be called while it runs. */
  async turn(): Promise<void> {
    const { journal, shared, clock, onSettled } = this.#options;
    for (let tries = 0; tries < maxTries; tries++) {
      const isFull = journal.pending.length > 0 || clock() - this.#fullReadAt > fullReadMs;
      const state = await shared.read(journal.known, isFull);
      if (state === "same") return;
      this.#fullReadAt = clock();
      const plan = journal.plan(state);
      const { epoch, nonce } = state;
      const { known, isCommitted } =
        plan.writes.size === 0
          ? { known: { epoch, nonce }, isCommitted: true }
          : await shared.commit(state, plan.writes);
      if (!isCommitted) continue;
      onSettled(journal.settle(plan, known), { restored: plan.isFirst ? 0 : plan.restored });
      // An order may have been given in the meantime.
      if (journal.pending.length === 0) return;
    }
  }
}

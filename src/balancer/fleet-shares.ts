/** What a balancer shares with its fleet next to the orders of operators: budgets of rate limits, and the secret of sticky cookies. */

import { StoredBudgets } from "../fleet/budget-store.ts";
import type { FleetConnection } from "../fleet/connection.ts";
import { Seal } from "../fleet/seal.ts";
import { StickySecret, type StickySecretOptions } from "../fleet/sticky-secret.ts";
import type { Schedule } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";

export interface FleetSharesOptions {
  readonly fleet: FleetConnection;
  readonly kept: StickySecretOptions["kept"];
  /** Balancers of the fleet that are alive, this one included; as last heard while the store is away. */
  readonly livePeers: () => number;
  /** Called when sticky cookies are made with another secret. */
  readonly onStickySecret: () => void;
  readonly schedule: Schedule;
  readonly log: Log;
}

export class FleetShares {
  readonly budgets: StoredBudgets;
  readonly stickySecret: StickySecret;

  constructor({ fleet, kept, livePeers, onStickySecret, schedule, log }: FleetSharesOptions) {
    const { store, settings } = fleet;
    const seal = new Seal(settings.key);
    this.budgets = new StoredBudgets(store, livePeers);
    this.stickySecret = new StickySecret({ store, seal, kept, schedule, log, onChange: onStickySecret });
  }

  start(): void {
    this.stickySecret.start();
  }

  stop(): void {
    this.stickySecret.stop();
  }
}

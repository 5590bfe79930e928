/** What a balancer shares with its fleet next to the orders of operators: budgets of rate limits, the secret of sticky cookies, certificates. */

import type { OwnOrders } from "../control/certificate-orders.ts";
import { AcmeFleet } from "../fleet/acme-fleet.ts";
import { StoredBudgets } from "../fleet/budget-store.ts";
import type { FleetConnection } from "../fleet/connection.ts";
import { Seal } from "../fleet/seal.ts";
import { StickySecret, type StickySecretOptions } from "../fleet/sticky-secret.ts";
import type { Clock, Schedule } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";

export interface FleetSharesOptions {
  readonly fleet: FleetConnection;
  readonly kept: StickySecretOptions["kept"];
  /** Balancers of the fleet that are alive, this one included; as last heard while the store is away. */
  readonly livePeers: () => number;
  /** Called when sticky cookies are made with another secret. */
  readonly onStickySecret: () => void;
  readonly clock: Clock;
  readonly schedule: Schedule;
  readonly log: Log;
}

export class FleetShares {
  readonly budgets: StoredBudgets;
  readonly stickySecret: StickySecret;

  readonly #options: FleetSharesOptions;
  readonly #seal: Seal;
  #certificates: AcmeFleet | undefined;

  constructor(options: FleetSharesOptions) {
    const { fleet, kept, livePeers, onStickySecret, schedule, log } = options;
    const { store, settings } = fleet;
    this.#options = options;
    this.#seal = new Seal(settings.key);
    this.budgets = new StoredBudgets(store, livePeers);
    const sticky = { store, seal: this.#seal, kept, schedule, log };
    this.stickySecret = new StickySecret({ ...sticky, onChange: onStickySecret });
  }

  /** Called once. */
  certificates(own: OwnOrders): AcmeFleet {
    const { fleet, livePeers, clock, schedule, log } = this.#options;
    const { store, settings } = fleet;
    const common = { store, seal: this.#seal, name: settings.name, livePeers, clock, schedule, log };
    return (this.#certificates = new AcmeFleet({ ...common, ...own }));
  }

  start(): void {
    this.stickySecret.start();
    this.#certificates?.start();
  }

  stop(): void {
    this.stickySecret.stop();
    this.#certificates?.stop();
  }
}

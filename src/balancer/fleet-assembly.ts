/** All that only a balancer of a fleet has. Commands load this file for a configuration with a fleet, and for no other. */

import { FleetControl, type FleetControlOptions } from "../control/fleet-control.ts";
import { evenOut, fleetRecordOf, orderJournalOf } from "../control/fleet-journal.ts";
import type { Intents, OrderJournal } from "../control/desired-state.ts";
import type { FleetConnection } from "../fleet/connection.ts";
import { FleetAccess } from "../fleet/fleet-access.ts";
import { Journal } from "../fleet/journal.ts";
import { Seal } from "../fleet/seal.ts";
import { systemClock, systemSchedule, systemWallClock } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import type { MonitoredStore } from "../state/store.ts";
import { FleetShares, type FleetSharesOptions } from "./fleet-shares.ts";

export class FleetAssembly {
  readonly #connection: FleetConnection;
  readonly #store: MonitoredStore;
  readonly #log: Log;
  readonly #journal: Journal;

  /** @param store where this balancer keeps what the fleet has ordered */
  constructor(connection: FleetConnection, store: MonitoredStore, log: Log) {
    this.#connection = connection;
    this.#store = store;
    this.#log = log;
    this.#journal = new Journal(connection.settings.name, fleetRecordOf(store, log));
  }

  /** Sessions and failed logins of the admin API. */
  access(): FleetAccess {
    const { store, settings } = this.#connection;
    const times = { clock: systemClock, wallClock: systemWallClock, schedule: systemSchedule };
    const seal = new Seal(settings.key);
    return new FleetAccess({ store, seal, kept: this.#store, log: this.#log, ...times });
  }

  /** What it shares next to the orders of operators. */
  shares(options: Omit<FleetSharesOptions, "fleet" | "kept" | "log">): FleetShares {
    return new FleetShares({ ...options, fleet: this.#connection, kept: this.#store, log: this.#log });
  }

  /** Takes down what is ordered here. @param onOrder called after an order was taken down */
  orders(onOrder: () => void): OrderJournal {
    return orderJournalOf(this.#journal, systemWallClock, onOrder);
  }

  /** At the start: what was ordered without the fleet, and what the fleet has ordered since, counts in both. */
  evenOut(intents: Intents): void {
    evenOut(intents, this.#journal, this.#connection.settings.name);
  }

  control(options: Omit<FleetControlOptions, "connection" | "journal">): FleetControl {
    return new FleetControl({ ...options, connection: this.#connection, journal: this.#journal });
  }

  /** Ends the connection to the store. */
  close(): void {
    this.#connection.store.close();
  }
}

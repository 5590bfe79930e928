/** A dispatcher of alerts over a real store, real sockets and a list that a test writes; its waits are a hundredth as long. */

import { AlertDispatcher } from "../../src/alerts/alert-dispatcher.ts";
import type { ListedProblems } from "../../src/alerts/told-problems.ts";
import type { AlertReceiverConfig } from "../../src/config/alerts.ts";
import { Extensions } from "../../src/extension/extensions.ts";
import { type Schedule, systemClock, systemSchedule } from "../../src/lib/clock.ts";
import type { ServiceProblem } from "../../src/problems/problem.ts";
import type { BalancerEvent } from "../../src/state/event.ts";
import { openSqlite } from "../../src/state/sqlite-store.ts";
import type { Store } from "../../src/state/store.ts";
import type { AlertReceiver } from "./alert-receiver.ts";

export const alertSecret = "0123456789abcdef0123456789abcdef";

export function receiverOf(
  server: Pick<AlertReceiver, "url"> | string,
  given: Partial<AlertReceiverConfig> = {},
): AlertReceiverConfig {
  return {
    ...{ name: "ops", format: "json", isUrlSecret: false, level: "warning", secret: alertSecret },
    url: typeof server === "string" ? server : server.url,
    ...given,
  };
}

/** As the list of a running balancer: its problems are getters of a class. */
class GivenList implements ListedProblems {
  readonly #stand: Pick<AlertStand, "open" | "closed">;

  constructor(stand: Pick<AlertStand, "open" | "closed">) {
    this.#stand = stand;
  }

  get open(): readonly ServiceProblem[] {
    return this.#stand.open;
  }

  get closed(): readonly ServiceProblem[] {
    return this.#stand.closed;
  }
}

export class AlertStand implements Disposable {
  open: readonly ServiceProblem[] = [];
  closed: readonly ServiceProblem[] = [];
  /** Added to the time. */
  shiftMs = 0;
  readonly events: Pick<BalancerEvent, "kind" | "from" | "to" | "reason" | "detail">[] = [];
  readonly store: Store;
  config: { alerts: readonly AlertReceiverConfig[]; allowLinkLocal: boolean; dashboardUrl?: string };
  dispatcher: AlertDispatcher;
  readonly #extensions: Extensions;

  constructor(
    alerts: readonly AlertReceiverConfig[],
    {
      store = openSqlite(":memory:"),
      extensions = new Extensions(),
    }: { store?: Store; extensions?: Extensions } = {},
  ) {
    this.store = store;
    this.#extensions = extensions;
    this.config = { alerts, allowLinkLocal: false, dashboardUrl: "https://lb.example.com" };
    this.dispatcher = this.#create();
    this.dispatcher.start();
  }

  #create(): AlertDispatcher {
    // A deadline stays one: a hundredth of it would be over before a loopback receiver can answer on a busy machine.
    const schedule: Schedule = (delayMs, task) =>
      systemSchedule(delayMs === 10_000 ? 1_500 : delayMs / 100, task);
    return new AlertDispatcher({
      ...{ balancer: "fra-1", version: "9.9.9", config: () => this.config, extensions: this.#extensions },
      ...{ store: this.store, clock: systemClock, wallClock: () => this.now, schedule, random: () => 0.5 },
      record: ({ kind, from, to, reason, detail }) =>
        void this.events.push({ kind, from, to, reason, detail }),
      flushEvents() {},
      log: { info() {}, warn() {}, error() {} } as never,
    });
  }

  get now(): number {
    return Date.now() + this.shiftMs;
  }

  advance(): void {
    this.dispatcher.advance(new GivenList(this));
  }

  /** Another process with the same store. */
  restart(): void {
    this.dispatcher.stop();
    this.dispatcher = this.#create();
    this.dispatcher.start();
  }

  [Symbol.dispose](): void {
    this.dispatcher.stop();
    this.store.close();
  }
}

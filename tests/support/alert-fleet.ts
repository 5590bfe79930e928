/** Balancers that share what receivers were told through a store without a network; a test moves the time. */

import { type AlertPeer, AlertTurns, sightedIn } from "../../src/alerts/alert-turns.ts";
import { concerns, ToldProblems } from "../../src/alerts/told-problems.ts";
import type { AlertReceiverConfig } from "../../src/config/alerts.ts";
import type { AlertReport } from "../../src/fleet/alert-report.ts";
import { silentAfterMs } from "../../src/fleet/peers.ts";
import type { ServiceProblem } from "../../src/problems/problem.ts";
import { receiverOf } from "./alerts.ts";

export class AlertFleet {
  now = 1_000_000;
  isStoreThere = true;
  /** What receivers got: "opened p-a a/p-a/1". */
  readonly alerts: string[] = [];
  readonly reports = new Map<string, { readonly at: number; readonly alerts: AlertReport }>();
  readonly members: ReadonlyMap<string, AlertMember>;

  constructor(
    names: readonly string[],
    receivers: readonly AlertReceiverConfig[] = [receiverOf("http://r/")],
  ) {
    this.members = new Map(names.map((name) => [name, new AlertMember(name, this, receivers)]));
  }

  get(name: string): AlertMember {
    const member = this.members.get(name);
    if (!member) throw new Error(`no ${name}`);
    return member;
  }

  /** Each exchanges and tells once a second, one after the other. */
  run(seconds: number): this {
    for (let second = 0; second < seconds; second++) {
      for (const member of this.members.values()) {
        this.now += 1_000 / this.members.size;
        member.exchange();
        member.advance();
      }
    }
    return this;
  }
}

export class AlertMember {
  isDead = false;
  open: readonly ServiceProblem[] = [];
  closed: readonly ServiceProblem[] = [];
  receivers: readonly AlertReceiverConfig[];
  #told: ToldProblems;
  #turns: AlertTurns;
  readonly #name: string;
  readonly #fleet: AlertFleet;

  constructor(name: string, fleet: AlertFleet, receivers: readonly AlertReceiverConfig[]) {
    this.#name = name;
    this.#fleet = fleet;
    this.receivers = receivers;
    this.#told = new ToldProblems(name);
    this.#turns = new AlertTurns(name, fleet.now);
    this.#told.keepOnly(new Set(receivers.map((each) => each.name)), () => {});
  }

  /** A new process with what the one before has kept. */
  restart(): void {
    const { now } = this.#fleet;
    const kept = this.#told.current(now).map((row) => this.#told.kept(row));
    this.isDead = false;
    this.#told = new ToldProblems(this.#name);
    this.#told.restore(kept, now);
    this.#told.keepOnly(new Set(this.receivers.map(({ name }) => name)), () => {});
    this.#turns = new AlertTurns(this.#name, now);
  }

  exchange(): void {
    const { reports, now, isStoreThere } = this.#fleet;
    if (this.isDead || !isStoreThere) return;
    const toldTo = (problem: ServiceProblem) =>
      this.receivers.flatMap((receiver, index) => (concerns(receiver, problem) ? [index] : []));
    // As the others read it.
    const own: AlertReport = structuredClone({
      receivers: this.receivers.map(({ name }) => name),
      seen: this.#turns.claim(sightedIn(this.open, this.closed, toldTo)),
      told: this.#told.current(now),
    });
    reports.set(this.#name, { at: now, alerts: own });
    const peers = [...reports].flatMap(([name, { at, alerts }]): AlertPeer[] =>
      name === this.#name ? [] : [{ name, isAlive: now - at < silentAfterMs, alerts }],
    );
    this.#turns.exchanged(own, peers, now);
    for (const { alerts } of peers) this.#told.learn(alerts.told, now);
  }

  advance(): void {
    const { now, alerts } = this.#fleet;
    if (this.isDead) return;
    this.#turns.turn();
    const options = { at: now, now, turns: this.#turns, isSilenced: () => false };
    for (const { type, row } of this.#told.advance(this.receivers, this, {
      ...{ ...options, onTold() {}, onForgotten() {} },
    }))
      alerts.push(`${type.slice("problem.".length)} ${row.thread}/${row.number} by ${this.#name}`);
  }
}

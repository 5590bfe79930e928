/** Containers that Docker has signalled to stop. They still run, and lists do not tell. */

import type { Clock } from "../lib/clock.ts";
import { asRecord } from "../lib/json.ts";

/** A container that still runs after this time ignored the signal, and serves on. */
const maxStoppingMs = 300_000;

const maxContainers = 1_000;

/** HUP, USR1 and others ask for something else. INT, QUIT, KILL, TERM, WINCH and RTMIN+3 are what images stop by. */
const stopSignals: ReadonlySet<unknown> = new Set(["2", "3", "9", "15", "28", "37"]);

export class StoppingContainers {
  readonly #clock: Clock;
  /** Times at which the marks end, by container id, oldest first. */
  readonly #endsAt = new Map<string, number>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** @param event a line of `GET /events` */
  accept(event: unknown): void {
    const { Action: action, Actor: actor } = asRecord(event);
    const { ID: id, Attributes: attributes } = asRecord(actor);
    if (typeof id !== "string") return;
    if (action === "start" || action === "die") this.#endsAt.delete(id);
    if (action !== "kill" || !stopSignals.has(asRecord(attributes)["signal"])) return;
    const [oldest] = this.#endsAt.keys();
    if (oldest !== undefined && this.#endsAt.size >= maxContainers) this.#endsAt.delete(oldest);
    this.#endsAt.set(id, this.#clock() + maxStoppingMs);
  }

  has(id: string): boolean {
    return (this.#endsAt.get(id) ?? -Infinity) > this.#clock();
  }
}

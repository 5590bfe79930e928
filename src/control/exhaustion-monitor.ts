/** Detects that the balancer runs out of descriptors, ports or socket memory: one event and one log line at the start and at the end. */

import { type Cancel, type Clock, repeat, type Schedule, type WallClock } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import type { ExhaustionSnapshot } from "../snapshot/snapshot.ts";
import type { EventLog } from "./event-log.ts";

export interface ExhaustionMonitorOptions {
  /** Failures since the start by error code, of all processes. */
  readonly counts: () => Readonly<Record<string, number>>;
  readonly eventLog: Pick<EventLog, "add">;
  readonly log: Log;
  readonly clock: Clock;
  readonly wallClock: WallClock;
  readonly schedule: Schedule;
}

const checkIntervalMs = 1_000;

/** Without a failure for this long it is over; probes fail at least this often while it lasts. */
const calmMs = 10_000;

/**
 * ```
 *  calm ──a failure──▶ exhausted ──none for ten seconds──▶ calm
 * ```
 */
export class ExhaustionMonitor {
  readonly #options: ExhaustionMonitorOptions;
  #cancel: Cancel | undefined;
  #last: Readonly<Record<string, number>> = {};
  #current: ExhaustionSnapshot | undefined;
  #lastFailureAt = 0;

  constructor(options: ExhaustionMonitorOptions) {
    this.#options = options;
  }

  /** Undefined while nothing is short. */
  get snapshot(): ExhaustionSnapshot | undefined {
    return this.#current;
  }

  /** Checks once a second. */
  start(): void {
    this.#cancel = repeat(this.#options.schedule, checkIntervalMs, () => this.#check());
  }

  stop(): void {
    this.#cancel?.();
  }

  #check(): void {
    const { counts, clock, wallClock } = this.#options;
    const now = counts();
    const grown = Object.entries(now)
      .map(([code, count]) => ({ code, count: count - (this.#last[code] ?? 0) }))
      .filter(({ count }) => count > 0)
      .toSorted((left, right) => right.count - left.count);
    this.#last = now;
    const [most] = grown;
    if (most) {
      this.#lastFailureAt = clock();
      const failures = grown.reduce((sum, { count }) => sum + count, this.#current?.failures ?? 0);
      const { code, since } = this.#current ?? { code: most.code, since: wallClock() };
      const isNew = this.#current === undefined;
      this.#current = { code, since, failures };
      if (isNew) this.#record("calm", "exhausted");
    } else if (this.#current && clock() - this.#lastFailureAt >= calmMs) {
      this.#record("exhausted", "calm");
      this.#current = undefined;
    }
  }

  #record(from: "calm" | "exhausted", to: "calm" | "exhausted"): void {
    const { eventLog, log } = this.#options;
    if (!this.#current) return;
    const { code, failures } = this.#current;
    const common = { kind: "exhaustion", pool: null, upstream: null, by: "balancer" } as const;
    const detail =
      to === "exhausted" ? "upstreams are not to blame" : `${failures} connects were not made in all`;
    eventLog.add({ ...common, from, to, reason: code, detail });
    if (to === "exhausted") log.warn("descriptors or ports exhausted", { code });
    else log.info("descriptors and ports recovered", { code, failures });
  }
}

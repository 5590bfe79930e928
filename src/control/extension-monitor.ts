/** Detects that an extension throws: one event when that begins, and one when it is over. */

import { type Cancel, type Clock, repeat, type Schedule } from "../lib/clock.ts";
import type { EventLog } from "./event-log.ts";

export interface ExtensionMonitorOptions {
  /** Exceptions since the start by the name of the filter or policy, of all processes. */
  readonly counts: () => Readonly<Record<string, number>>;
  readonly eventLog: Pick<EventLog, "add">;
  readonly clock: Clock;
  readonly schedule: Schedule;
}

const checkIntervalMs = 1_000;

/** Without an exception for this long it is over. */
const calmMs = 60_000;

interface Failing {
  /** Exceptions before it began. */
  readonly before: number;
  lastAt: number;
}

/**
 * ```
 *  working ──an exception──▶ failing ──none for a minute──▶ working
 * ```
 */
export class ExtensionMonitor {
  readonly #options: ExtensionMonitorOptions;
  readonly #failing = new Map<string, Failing>();
  #last: Readonly<Record<string, number>> = {};
  #cancel: Cancel | undefined;

  constructor(options: ExtensionMonitorOptions) {
    this.#options = options;
  }

  /** Checks once a second. */
  start(): void {
    this.#cancel = repeat(this.#options.schedule, checkIntervalMs, () => this.#check());
  }

  stop(): void {
    this.#cancel?.();
  }

  #check(): void {
    const now = this.#options.clock();
    const counts = this.#options.counts();
    for (const [name, count] of Object.entries(counts)) {
      const before = this.#last[name] ?? 0;
      if (count <= before) continue;
      const failing = this.#failing.get(name);
      if (failing) failing.lastAt = now;
      else {
        this.#failing.set(name, { before, lastAt: now });
        this.#record(
          name,
          "failing",
          "its requests get 500, its alerts the generic JSON; the log has the exception",
        );
      }
    }
    this.#last = counts;
    for (const [name, { before, lastAt }] of this.#failing) {
      if (now - lastAt < calmMs) continue;
      this.#failing.delete(name);
      this.#record(name, "working", `${(counts[name] ?? 0) - before} exceptions in all`);
    }
  }

  #record(name: string, to: "failing" | "working", detail: string): void {
    const from = to === "failing" ? "working" : "failing";
    const common = { kind: "extension", pool: null, upstream: null, by: "balancer" } as const;
    this.#options.eventLog.add({ ...common, from, to, reason: name, detail });
  }
}

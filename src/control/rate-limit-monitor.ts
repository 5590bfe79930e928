/** Detects when rate limits begin to refuse requests, when they have stopped, and when their tables are too small: events and log lines. */

import { type Cancel, type Clock, repeat, type Schedule } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import type { FilterMeter, LimitCount } from "../metrics/filter-meter.ts";
import type { EventLog } from "./event-log.ts";

export interface RateLimitMonitorOptions {
  /** Counts since the start, of all processes; undefined where no route has a limit. */
  readonly counts: () => Pick<FilterMeter, "limits" | "evictions"> | undefined;
  readonly eventLog: Pick<EventLog, "add">;
  readonly log: Log;
  readonly clock: Clock;
  readonly schedule: Schedule;
}

const checkIntervalMs = 5_000;

/** Without a refusal for this long it is over. A client that tries again after its Retry-After keeps a limit refusing. */
const calmMs = 60_000;

/** Limits with events at a time: a configuration may have thousands, and an attack may reach all of them. */
const maxRefusing = 20;

/** Evictions are reported this often at most. */
const evictionReportMs = 600_000;

interface RefusingLimit {
  readonly limit: LimitCount;
  refused: number;
  lastAt: number;
}

/**
 * Of each limit: `calm ──a refusal──▶ refusing ──none for a minute──▶ calm`. Limits in dry run have the same events.
 */
export class RateLimitMonitor {
  readonly #options: RateLimitMonitorOptions;
  #cancel: Cancel | undefined;
  #last = new Map<string, number>();
  readonly #refusing = new Map<string, RefusingLimit>();
  #reportedEvictions = 0;
  #reportedAt = -Infinity;

  constructor(options: RateLimitMonitorOptions) {
    this.#options = options;
  }

  start(): void {
    this.#cancel = repeat(this.#options.schedule, checkIntervalMs, () => this.#check());
  }

  stop(): void {
    this.#cancel?.();
  }

  #check(): void {
    const counts = this.#options.counts();
    const now = this.#options.clock();
    const last = this.#last;
    this.#last = new Map();
    for (const limit of counts?.limits ?? []) {
      const key = `${limit.place} ${limit.name} ${limit.mode}`;
      this.#last.set(key, limit.count);
      const grown = limit.count - (last.get(key) ?? 0);
      if (grown > 0) this.#refused(key, limit, grown);
    }
    for (const [key, one] of this.#refusing) {
      if (now - one.lastAt < calmMs) continue;
      this.#refusing.delete(key);
      this.#record(one, "refusing", "calm");
    }
    if (counts) this.#reportEvictions(counts.evictions, now);
  }

  #refused(key: string, limit: LimitCount, count: number): void {
    const known = this.#refusing.get(key);
    if (!known && this.#refusing.size >= maxRefusing) return;
    const one = known ?? { limit, refused: 0, lastAt: 0 };
    one.refused += count;
    one.lastAt = this.#options.clock();
    if (known) return;
    this.#refusing.set(key, one);
    this.#record(one, "calm", "refusing");
  }

  #record({ limit, refused }: RefusingLimit, from: string, to: string): void {
    const { place, route, name, mode } = limit;
    const isDryRun = mode === "dry_run";
    const where = `limit ${name} of ${route === "" ? place : `route ${route}`}`;
    const wouldBe = isDryRun ? ", none of which was refused (dryRun)" : "";
    const detail = to === "calm" ? `${where}: ${refused} requests were beyond it${wouldBe}` : where;
    const reason = isDryRun ? "dry_run" : "rate_limited";
    this.#options.eventLog.add({
      kind: "rate_limit",
      pool: null,
      upstream: null,
      by: "balancer",
      ...{ from, to, reason, detail },
    });
    const fields = { limit: name, place, ...(route !== "" && { route }), dryRun: isDryRun };
    if (to === "refusing") this.#options.log.warn("rate limit reached", fields);
    else this.#options.log.info("rate limit calm", { ...fields, refused });
  }

  /** Of forgotten keys the limits do not apply: some clients may have got more than they should. */
  #reportEvictions(evictions: number, now: number): void {
    const count = evictions - this.#reportedEvictions;
    if (count < 0) this.#reportedEvictions = evictions;
    if (count <= 0 || now - this.#reportedAt < evictionReportMs) return;
    this.#reportedEvictions = evictions;
    this.#reportedAt = now;
    const common = { kind: "rate_limit", pool: null, upstream: null, by: "balancer" } as const;
    const detail = `${count} keys were forgotten before their time: more of them than maxKeys`;
    this.#options.eventLog.add({ ...common, from: "complete", to: "evicting", reason: "max_keys", detail });
    this.#options.log.warn("rate limit keys evicted", { keys: count, why: "more keys than maxKeys" });
  }
}

/** Finds requests that have waited longer than nearly all do and hedges them. */

import type { Cancel, Clock, Schedule } from "../lib/clock.ts";
import { hedgeWaiting } from "../pool/attempt-control.ts";
import type { Pool } from "../pool/pool.ts";

/** The wait after which a request is hedged: milliseconds, or the pool's 99th percentile; 0 for never. */
export type HedgeAfter = number | "p99";

/** A pool whose requests are hedged, and when. */
export interface HedgedPool {
  readonly pool: Pool;
  readonly after: HedgeAfter;
}

/** Recent latency of a pool. */
export interface LatencyEstimate {
  /** Number of responses measured. */
  readonly count: number;
  /** Milliseconds. */
  readonly p99Ms: number;
}

export interface HedgerOptions {
  readonly clock: Clock;
  readonly schedule: Schedule;
  /** The pools that hedge; read at every check. */
  readonly pools: () => readonly HedgedPool[];
  /** Undefined while nothing was measured. */
  readonly latencyOf: (pool: Pool) => LatencyEstimate | undefined;
}

/** Interval of the checks, milliseconds. A shorter wait is never hedged: timers are no finer. */
const checkIntervalMs = 10;

/** How long a percentile is reused, milliseconds: computing it takes longer than a check. */
const percentileMs = 1_000;

/** Fewer responses give no 99th percentile. */
const minResponses = 100;

/** `idle ──wake, a pool hedges──▶ checking every 10 ms ──no pool hedges──▶ idle` */
export class Hedger {
  readonly #options: HedgerOptions;
  readonly #known = new WeakMap<Pool, { readonly at: number; readonly afterMs: number }>();
  #cancel: Cancel | undefined;

  constructor(options: HedgerOptions) {
    this.#options = options;
  }

  /** A pool may hedge now that did not before. */
  wake(): void {
    if (!this.#cancel && this.#options.pools().length > 0) this.#checkSoon();
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }

  #checkSoon(): void {
    this.#cancel = this.#options.schedule(checkIntervalMs, () => this.#check());
  }

  #check(): void {
    const pools = this.#options.pools();
    this.#cancel = undefined;
    if (pools.length === 0) return;
    this.#checkSoon();
    const now = this.#options.clock();
    for (const { pool, after } of pools) {
      const latest = now - (after === "p99" ? this.#p99Of(pool, now) : Math.max(checkIntervalMs, after));
      for (const upstream of pool.upstreams) hedgeWaiting(upstream, latest);
    }
  }

  #p99Of(pool: Pool, now: number): number {
    const known = this.#known.get(pool);
    if (known && now - known.at < percentileMs) return known.afterMs;
    const { count, p99Ms } = this.#options.latencyOf(pool) ?? { count: 0, p99Ms: 0 };
    const afterMs = count < minResponses ? Infinity : Math.max(checkIntervalMs, p99Ms);
    this.#known.set(pool, { at: now, afterMs });
    return afterMs;
  }
}

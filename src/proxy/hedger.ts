/** Finds requests that wait for longer than nearly all do, and lets each have a second attempt. Apart from what decides whether it may. */

import type { Cancel, Clock, Schedule } from "../lib/clock.ts";
import { hedgeWaiting } from "../pool/attempt-control.ts";
import type { Pool } from "../pool/pool.ts";

/** Since when a request is hedged: milliseconds, or as long as 99 of 100 answers of its pool take; 0 for never. */
export type HedgeAfter = number | "p99";

/** A pool, and when its requests are hedged. */
export interface HedgedPool {
  readonly pool: Pool;
  readonly after: HedgeAfter;
}

/** What a pool's answers took of late. */
export interface LatencyEstimate {
  /** How many answers that is known from. */
  readonly count: number;
  /** Milliseconds. */
  readonly p99Ms: number;
}

export interface HedgerOptions {
  readonly clock: Clock;
  readonly schedule: Schedule;
  /** Those that hedge, read anew at every look. */
  readonly pools: () => readonly HedgedPool[];
  /** Undefined while nothing is known. */
  readonly latencyOf: (pool: Pool) => LatencyEstimate | undefined;
}

/** Between two looks at who waits; and a shorter wait than this is never hedged, since timers are no finer. */
const checkIntervalMs = 10;

/** Between two looks at the percentile, which takes longer to find. */
const percentileMs = 1_000;

/** Fewer answers say nothing about the hundredth. */
const minResponses = 100;

/** `idle ──wake, somebody hedges──▶ looking, every 10 ms ──nobody hedges any more──▶ idle` */
export class Hedger {
  readonly #options: HedgerOptions;
  readonly #known = new WeakMap<Pool, { readonly at: number; readonly afterMs: number }>();
  #cancel: Cancel | undefined;

  constructor(options: HedgerOptions) {
    this.#options = options;
  }

  /** Somebody may hedge now who did not before. */
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

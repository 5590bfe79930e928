/** The series of every pool and upstream there is, found by their names: once a second for each of them, so no keys are made. */

import { type Due, Series } from "./series.ts";
import type { StoredSeries, SeriesKey } from "./store.ts";
import type { Uptime } from "./uptime.ts";

export class SeriesRegistry {
  /** By pool and upstream; null is the pool itself. */
  readonly #pools = new Map<string, Map<string | null, Series>>();
  readonly #uptimeBefore: (key: SeriesKey) => Uptime;

  /** @param uptimeBefore how long whoever gets a series has been up */
  constructor(uptimeBefore: (key: SeriesKey) => Uptime) {
    this.#uptimeBefore = uptimeBefore;
  }

  /** @param upstream null for the pool's own */
  of(pool: string, upstream: string | null): Series {
    const ofPool = this.#pools.get(pool) ?? this.#open(pool);
    return ofPool.get(upstream) ?? this.#begin(ofPool, { pool, upstream });
  }

  #open(pool: string): Map<string | null, Series> {
    const ofPool = new Map<string | null, Series>();
    this.#pools.set(pool, ofPool);
    return ofPool;
  }

  #begin(ofPool: Map<string | null, Series>, key: SeriesKey): Series {
    const series = new Series(key, this.#uptimeBefore(key));
    ofPool.set(key.upstream, series);
    return series;
  }

  /**
   * Ends the second that ran for all that were looked at in it, and lets go of the others: they are gone.
   * @param at epoch milliseconds at which it ended
   * @param into takes the points for the store
   */
  close(at: number, spanMs: number, due: readonly Due[], into: StoredSeries[]): void {
    for (const [pool, ofPool] of this.#pools) {
      for (const [upstream, series] of ofPool) {
        if (series.lookedAt === at) series.close(at, spanMs, due, into);
        else ofPool.delete(upstream);
      }
      if (ofPool.size === 0) this.#pools.delete(pool);
    }
  }
}

/** What a store of the past offers, and what it is asked to keep. */

import type { Resolution } from "./levels.ts";
import type { Point } from "./point.ts";

/** Whose past: a pool's, or that of one upstream in it. */
export interface SeriesKey {
  readonly pool: string;
  /** Null for the pool itself. */
  readonly upstream: string | null;
}

/** A point of some series at some level, on its way to the store. */
export interface StoredSeries {
  readonly series: SeriesKey;
  readonly level: Resolution;
  readonly point: Point;
  /** How long the series' upstream has been up, in its own words; missing where it is no news. */
  readonly uptime?: string;
}

/** Synchronous; never called on the way of a request. Every call throws what the medium throws. */
export interface HistoryStore {
  /** All or nothing. Each level holds as many points as it keeps, and the newest takes the place of the oldest. */
  write(points: readonly StoredSeries[]): void;
  /** Points of a series at a level that ended after this moment (epoch milliseconds), oldest first. */
  read(series: SeriesKey, level: Resolution, after: number): readonly Point[];
  /** The last one that was written; empty if none ever was. */
  uptime(series: SeriesKey): string;
  /** Does nothing the second time. */
  close(): void;
}

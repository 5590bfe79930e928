/** What a store of the past offers, and what it is asked to keep. */

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

// How finely and how long the past is kept, and which part of it each window shows.

/** One resolution: a point every `stepMs`, the last `retentionMs` of them. */
export interface Resolution {
  readonly stepMs: number;
  readonly retentionMs: number;
}

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const dayMs = 24 * hourMs;

/** From fine to coarse; each step is a multiple of the one before. */
export const resolutions = [
  { stepMs: 1_000, retentionMs: 10 * minuteMs },
  { stepMs: 10_000, retentionMs: 6 * hourMs },
  { stepMs: minuteMs, retentionMs: 7 * dayMs },
] as const satisfies readonly Resolution[];

/** The levels that outlive the process. The finest one is only worth its while it is new, and lives in memory. */
export const storedResolutions: readonly Resolution[] = resolutions.slice(1);

/** How far a reader looks back. */
export interface Window {
  readonly spanMs: number;
  /** The level that it is drawn from, by its step. */
  readonly levelMs: number;
  /** Points nearer to each other than this are put together, so that no window has more than about 1,500. */
  readonly stepMs: number;
}

export const windows = {
  "5m": { spanMs: 5 * minuteMs, levelMs: 1_000, stepMs: 1_000 },
  "1h": { spanMs: hourMs, levelMs: 10_000, stepMs: 10_000 },
  "24h": { spanMs: dayMs, levelMs: minuteMs, stepMs: minuteMs },
  "7d": { spanMs: 7 * dayMs, levelMs: minuteMs, stepMs: 10 * minuteMs },
} as const satisfies Readonly<Record<string, Window>>;

export type WindowName = keyof typeof windows;

export const windowNames = Object.keys(windows) as readonly WindowName[];

/** The window with this name; undefined if there is none. */
export function windowNamed(name: string): WindowName | undefined {
  return windowNames.find((known) => known === name);
}

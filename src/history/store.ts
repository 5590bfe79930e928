/** The history store interface, its resolutions, and the windows that queries can select. */

import type { Point } from "./point.ts";

/** Identifies a series: a pool, or one upstream of it. */
export interface SeriesKey {
  readonly pool: string;
  /** Null for the pool itself. */
  readonly upstream: string | null;
}

/** A point of a series to be written to the store. */
export interface StoredSeries {
  readonly series: SeriesKey;
  readonly resolution: Resolution;
  readonly point: Point;
  /** `Uptime.record` of the upstream; missing if it does not have to be written. */
  readonly uptime?: string;
}

/** Synchronous; never called on the request path. Methods throw the errors of the database. */
export interface HistoryStore {
  /** Writes all points or none. Points older than the retention of their resolution are overwritten. */
  write(points: readonly StoredSeries[]): void;
  /** Points of a series in a resolution that ended in this time, oldest first. */
  read(series: SeriesKey, resolution: Resolution, during: Period): readonly Point[];
  /** Requests a second of the busiest point of a series in a resolution; 0 without points. */
  busiest(series: SeriesKey, resolution: Resolution): number;
  /** The last written uptime; empty if none was written. */
  uptime(series: SeriesKey): string;
  /** Further calls do nothing. */
  close(): void;
}

/** Epoch milliseconds: what ends after `after`, up to and with `until`. */
export interface Period {
  readonly after: number;
  readonly until: number;
}

/** A point every `stepMs` milliseconds, kept for `retentionMs`. */
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
  // Twice a week and a little: so a week can be compared with the one before.
  { stepMs: 5 * minuteMs, retentionMs: 15 * dayMs },
] as const satisfies readonly Resolution[];

/** The resolutions that are stored. The finest one is useful only while it is recent, and stays in memory. */
export const storedResolutions: readonly Resolution[] = resolutions.slice(1);

/** A time range that ends now. */
export interface Window {
  readonly spanMs: number;
  /** Step of the resolution that it is read from. */
  readonly resolutionMs: number;
  /** Points closer to each other than this are merged, so that a window has at most about 1,500 points. */
  readonly stepMs: number;
}

export const windows = {
  "5m": { spanMs: 5 * minuteMs, resolutionMs: 1_000, stepMs: 1_000 },
  "1h": { spanMs: hourMs, resolutionMs: 10_000, stepMs: 10_000 },
  "24h": { spanMs: dayMs, resolutionMs: minuteMs, stepMs: minuteMs },
  "7d": { spanMs: 7 * dayMs, resolutionMs: minuteMs, stepMs: 10 * minuteMs },
} as const satisfies Readonly<Record<string, Window>>;

export type WindowName = keyof typeof windows;

export const windowNames = Object.keys(windows) as readonly WindowName[];

/** Steps of ranges; each is a multiple of the resolution that it is read from. */
const rangeSteps = [1, 10, 60, 300, 600, 1_800, 3_600].map((seconds) => seconds * 1_000);

/** Points of a range, unless a reader wants fewer. */
export const maxRangePoints = 1_500;

/** The step of a range, and the resolution that it is read from, so that it has at most so many points. */
export function rangeStep(
  spanMs: number,
  maxPoints = maxRangePoints,
): Pick<Window, "stepMs" | "resolutionMs"> {
  const stepMs = rangeSteps.find((step) => spanMs / step <= maxPoints) ?? Math.max(...rangeSteps);
  const resolutionMs = resolutions.findLast((resolution) => resolution.stepMs <= stepMs)?.stepMs ?? stepMs;
  return { stepMs, resolutionMs };
}

/** The text as a window name; undefined if it is not one. */
export function windowNamed(text: string): WindowName | undefined {
  return windowNames.find((name) => name === text);
}

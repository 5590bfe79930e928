/** Columns of the past on their way into small pictures: the part that is shown, and several pools as one. */

import type { Columns } from "../history/point.ts";

/** A quantity that is drawn: a column of the history. */
export type Quantity = Exclude<keyof Columns, "at">;

/** One quantity over time. */
export interface Trend {
  /** Epoch milliseconds, growing. */
  readonly at: readonly number[];
  readonly values: readonly (number | null)[];
}

/** Percentiles of several pools do not add up: the slowest stands for all. */
const worstOf: ReadonlySet<Quantity> = new Set(["p50Ms", "p95Ms", "p99Ms"]);

/** One quantity of several series as one; all were measured at the same moments. */
export function trendOf(series: readonly Columns[], quantity: Quantity): Trend {
  const [first, ...others] = series;
  if (!first) return { at: [], values: [] };
  if (others.length === 0) return { at: first.at, values: first[quantity] };
  const byTime = new Map<number, number | null>();
  for (const columns of series) {
    for (const [index, at] of columns.at.entries()) {
      const [known, value] = [byTime.get(at) ?? null, columns[quantity][index] ?? null];
      const both = worstOf.has(quantity) ? Math.max(known ?? 0, value ?? 0) : (known ?? 0) + (value ?? 0);
      byTime.set(at, known === null && value === null ? null : both);
    }
  }
  const at = [...byTime.keys()].toSorted((left, right) => left - right);
  return { at, values: at.map((time) => byTime.get(time) ?? null) };
}

/** A second without an answer has no latency; ten of them mean that there is none. */
const latestPoints = 10;

/** The last value that is known of the last points; null if none is. */
export function latestOf({ values }: Trend): number | null {
  return values.slice(-latestPoints).findLast((value) => value !== null) ?? null;
}

/** The highest value; 0 if none is known. */
export function peakOf({ values }: Trend): number {
  return values.reduce<number>((peak, value) => Math.max(peak, value ?? 0), 0);
}

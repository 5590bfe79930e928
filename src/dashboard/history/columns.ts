/** What the columns of a history say: of several pools together, at a moment, and over the whole time. */

import type { Columns } from "../../history/point.ts";
import { type Quantity, trendOf } from "../charts/sparkline.tsx";

export const quantities = [
  ...(["requestsPerSecond", "errorsPerSecond", "retriesPerSecond", "rescuesPerSecond"] as const),
  ...(["queued", "inFlight", "p50Ms", "p95Ms", "p99Ms"] as const),
] satisfies readonly Quantity[];

/** Counts of several series are added; of percentiles, which cannot be added, the slowest series' value is used. */
export function sumColumns(series: readonly Columns[]): Columns | undefined {
  const [first, ...others] = series;
  if (!first || others.length === 0) return first;
  const trends = quantities.map((quantity) => [quantity, trendOf(series, quantity)] as const);
  const at = trends[0]?.[1].at ?? [];
  return { at, ...Object.fromEntries(trends.map(([quantity, { values }]) => [quantity, values])) } as Columns;
}

/** One point: its interval, and its values. */
export interface PointValues extends Readonly<Record<Quantity, number | null>> {
  /** Epoch milliseconds. */
  readonly from: number;
  readonly to: number;
}

/** The point whose interval has this moment; undefined where nothing was measured. */
export function pointAt(columns: Columns, moment: number, stepMs: number): PointValues | undefined {
  const index = indexAt(columns, moment);
  const to = columns.at[index];
  if (to === undefined || to - moment > 6 * stepMs) return undefined;
  const before = columns.at[index - 1] ?? to - stepMs;
  const values = quantities.map((quantity) => [quantity, columns[quantity][index] ?? null] as const);
  if (values.every(([, value]) => value === null)) return undefined;
  const from = Math.max(before, to - 6 * stepMs);
  return { from, to, ...Object.fromEntries(values) } as PointValues;
}

/** The moments of the points before and after the one at this moment. */
export function neighboursOf(
  columns: Columns,
  moment: number,
): { readonly before: number | undefined; readonly after: number | undefined } {
  const index = indexAt(columns, moment);
  return { before: columns.at[index - 1], after: columns.at[index + 1] };
}

/** A point counts for the time before it. */
function indexAt({ at }: Columns, moment: number): number {
  const index = at.findIndex((end) => end >= moment);
  return index < 0 ? at.length : index;
}

export interface Totals {
  readonly requests: number;
  readonly errors: number;
  readonly retries: number;
  /** How much of the time was measured, milliseconds. */
  readonly measuredMs: number;
  /** Per second, of the time that was measured; null without any. */
  readonly requestsPerSecond: number | null;
  readonly errorsPerSecond: number | null;
  readonly worst: Readonly<Record<"queued" | "inFlight" | "p50Ms" | "p95Ms" | "p99Ms", number | null>>;
}

export interface TotalsOptions {
  /** Of the columns: a longer pause between two points was not measured, and neither is the time before a point without one. */
  readonly stepMs: number;
  /** Start of the process that measures, epoch milliseconds: its first point is shorter than a step. */
  readonly startedAt?: number;
}

export function totalsOf(columns: Columns | undefined, { stepMs, startedAt = 0 }: TotalsOptions): Totals {
  const { at = [] } = columns ?? {};
  let [requests, errors, retries, measuredMs] = [0, 0, 0, 0];
  for (const [index, end] of at.entries()) {
    const rate = columns?.requestsPerSecond[index] ?? null;
    if (rate === null) continue;
    const isFirst = (columns?.requestsPerSecond[index - 1] ?? null) === null;
    const begin = Math.max(at[index - 1] ?? 0, end - (isFirst ? 1 : 6) * stepMs);
    const spanMs = end - (startedAt < end ? Math.max(begin, startedAt) : begin);
    measuredMs += spanMs;
    requests += (rate * spanMs) / 1_000;
    errors += ((columns?.errorsPerSecond[index] ?? 0) * spanMs) / 1_000;
    retries += ((columns?.retriesPerSecond[index] ?? 0) * spanMs) / 1_000;
  }
  const perSecond = (count: number) => (measuredMs > 0 ? (count * 1_000) / measuredMs : null);
  const worstOf = (quantity: Quantity) => {
    const known = (columns?.[quantity] ?? []).filter((value) => value !== null);
    return known.length > 0 ? known.reduce((most, value) => Math.max(most, value), 0) : null;
  };
  return {
    requests: Math.round(requests),
    errors: Math.round(errors),
    retries: Math.round(retries),
    measuredMs,
    requestsPerSecond: perSecond(requests),
    errorsPerSecond: perSecond(errors),
    worst: {
      queued: worstOf("queued"),
      inFlight: worstOf("inFlight"),
      p50Ms: worstOf("p50Ms"),
      p95Ms: worstOf("p95Ms"),
      p99Ms: worstOf("p99Ms"),
    },
  };
}

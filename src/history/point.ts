/** A point is the traffic of one interval; this file merges points and turns them into columns for transport. */

export interface Point {
  /** Epoch milliseconds at which the interval ended. */
  readonly at: number;
  /** Length of the interval, milliseconds. */
  readonly spanMs: number;
  /** Attempts that ended in it, except cancelled ones. For pools also requests that were refused before any attempt. */
  readonly requests: number;
  /** Requests that failed or got a 5xx response. */
  readonly errors: number;
  /** Further attempts after the first one; counted for pools, 0 for upstreams. */
  readonly retries: number;
  /** Retries that were moved off an upstream that went down; counted for pools, 0 for upstreams. */
  readonly rescues: number;
  /** Maximum queue length at any full second; for pools. */
  readonly queued: number;
  /** Maximum attempts in flight at any full second. */
  readonly inFlight: number;
  /** Milliseconds from attempt start to response headers, for responses of this interval; null without any. */
  readonly p50Ms: number | null;
  readonly p95Ms: number | null;
  readonly p99Ms: number | null;
}

/** Points as columns of equal length: a third of the size of a list of objects. */
export interface Columns {
  /** Epoch milliseconds, ascending. */
  readonly at: readonly number[];
  readonly requestsPerSecond: readonly (number | null)[];
  readonly errorsPerSecond: readonly (number | null)[];
  readonly retriesPerSecond: readonly (number | null)[];
  readonly rescuesPerSecond: readonly (number | null)[];
  readonly queued: readonly (number | null)[];
  readonly inFlight: readonly (number | null)[];
  readonly p50Ms: readonly (number | null)[];
  readonly p95Ms: readonly (number | null)[];
  readonly p99Ms: readonly (number | null)[];
}

/**
 * Merges points that end in the same step. Counts are added. Percentiles cannot be added, and their average would be a
 * number that no request had: the maximum is used.
 */
export function downsample(points: readonly Point[], stepMs: number): readonly Point[] {
  const merged: Point[] = [];
  for (const point of points) {
    const last = merged.at(-1);
    if (last && stepOf(last.at, stepMs) === stepOf(point.at, stepMs))
      merged[merged.length - 1] = merge(last, point);
    else merged.push(point);
  }
  return merged;
}

/** An interval that ends exactly at the end of a step belongs to that step. */
function stepOf(at: number, stepMs: number): number {
  return Math.ceil(at / stepMs);
}

function merge(one: Point, other: Point): Point {
  return {
    at: other.at,
    spanMs: one.spanMs + other.spanMs,
    requests: one.requests + other.requests,
    errors: one.errors + other.errors,
    retries: one.retries + other.retries,
    rescues: one.rescues + other.rescues,
    queued: Math.max(one.queued, other.queued),
    inFlight: Math.max(one.inFlight, other.inFlight),
    p50Ms: worst(one.p50Ms, other.p50Ms),
    p95Ms: worst(one.p95Ms, other.p95Ms),
    p99Ms: worst(one.p99Ms, other.p99Ms),
  };
}

function worst(one: number | null, other: number | null): number | null {
  if (one === null || other === null) return one ?? other;
  return Math.max(one, other);
}

/** Factor of the expected distance between two points from which a gap is shown. */
const maxDelay = 2.5;

/**
 * @param points ascending by time. A point that goes back in time, as after a clock correction, is left out. A gap without
 *   points, as while the process was down, gets a row of nulls, so that charts do not draw a line across it.
 */
export function columnsOf(points: readonly Point[]): Columns {
  const rows: (Point | { readonly at: number })[] = [];
  let last: Point | undefined;
  for (const point of points) {
    if (last && point.at <= last.at) continue;
    const expectedMs = Math.max(point.spanMs, last?.spanMs ?? 0);
    if (last && point.at - last.at > maxDelay * expectedMs)
      rows.push({ at: last.at + Math.round(expectedMs) });
    rows.push(point);
    last = point;
  }
  const column = (value: (point: Point) => number | null) =>
    rows.map((row) => ("spanMs" in row ? rounded(value(row)) : null));
  return {
    at: rows.map(({ at }) => at),
    requestsPerSecond: column(({ requests, spanMs }) => (requests * 1_000) / spanMs),
    errorsPerSecond: column(({ errors, spanMs }) => (errors * 1_000) / spanMs),
    retriesPerSecond: column(({ retries, spanMs }) => (retries * 1_000) / spanMs),
    rescuesPerSecond: column(({ rescues, spanMs }) => (rescues * 1_000) / spanMs),
    queued: column(({ queued }) => queued),
    inFlight: column(({ inFlight }) => inFlight),
    p50Ms: column(({ p50Ms }) => p50Ms),
    p95Ms: column(({ p95Ms }) => p95Ms),
    p99Ms: column(({ p99Ms }) => p99Ms),
  };
}

/** Two decimals are finer than the measurements. Small rates have five: one error in ten minutes is 0.00167 a second. */
function rounded(value: number | null): number | null {
  if (value === null) return null;
  const digits = value < 1 ? 100_000 : 100;
  return Math.round(value * digits) / digits;
}

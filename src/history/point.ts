/** One interval of some traffic, how several become one, and the columns in which they travel. */

export interface Point {
  /** Epoch milliseconds at which the interval ended. */
  readonly at: number;
  /** How long it was, milliseconds. */
  readonly spanMs: number;
  /** Attempts that ended in it, cancelled ones excepted; of pools also requests that were answered before any attempt. */
  readonly requests: number;
  /** Those that failed or were answered with 5xx. */
  readonly errors: number;
  /** Attempts that followed a failed one; counted for pools, 0 for upstreams. */
  readonly retries: number;
  /** Those of them that were moved away from an upstream that was found down; of pools. */
  readonly rescues: number;
  /** The most that waited for a place at one of its seconds; of pools. */
  readonly queued: number;
  /** The most that were under way at one of its seconds. */
  readonly inFlight: number;
  /** Milliseconds from start to head, of the answers in this interval alone; null without any. */
  readonly p50Ms: number | null;
  readonly p95Ms: number | null;
  readonly p99Ms: number | null;
}

/** Points side by side, a value for each in every column: a third of the size of a list of objects. */
export interface Columns {
  /** Epoch milliseconds, growing. */
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
 * Puts points together that end in the same step. Counts add up. Percentiles do not, and their average would be a
 * number that no request ever had: the worst of them stands for all.
 */
export function downsample(points: readonly Point[], stepMs: number): readonly Point[] {
  const thin: Point[] = [];
  for (const point of points) {
    const last = thin.at(-1);
    if (last && stepOf(last.at, stepMs) === stepOf(point.at, stepMs))
      thin[thin.length - 1] = joined(last, point);
    else thin.push(point);
  }
  return thin;
}

/** An interval that ends exactly on a step's end belongs to it. */
function stepOf(at: number, stepMs: number): number {
  return Math.ceil(at / stepMs);
}

function joined(one: Point, other: Point): Point {
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

/** An interval may be late by this many of its own lengths before something is taken to be missing. */
const patience = 2.5;

/**
 * @param points in the order of time; what goes back, as after a corrected clock, is left out. Where nothing was
 *   measured for a while, as while the process was down, a row of nulls keeps a chart from drawing a line across.
 */
export function columnsOf(points: readonly Point[]): Columns {
  const rows: (Point | { readonly at: number })[] = [];
  let last: Point | undefined;
  for (const point of points) {
    if (last && point.at <= last.at) continue;
    const usualMs = Math.max(point.spanMs, last?.spanMs ?? 0);
    if (last && point.at - last.at > patience * usualMs) rows.push({ at: last.at + Math.round(usualMs) });
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

/** Two decimals are finer than any of these is measured. */
function rounded(value: number | null): number | null {
  return value === null ? null : Math.round(value * 100) / 100;
}

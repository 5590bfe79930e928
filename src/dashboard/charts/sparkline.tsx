/** Lines of a few numbers as inline SVG, drawn by the server: nothing to load, nothing to run, no style attribute. */
/** @jsxImportSource @kitajs/html */

import type { Columns } from "../../history/point.ts";

interface LineProps {
  readonly trend: Trend;
  /** Class of the line, which gives it its colour. */
  readonly kind: string;
  /** What the left edge stands for, epoch milliseconds. */
  readonly from: number;
  /** What the right edge stands for. */
  readonly to: number;
  /** The value at the top. */
  readonly peak: number;
  /** Whether what lies below the line is tinted. */
  readonly filled?: boolean;
}

/** The field that every line is drawn in; the style sheet stretches it. */
const [width, height] = [300, 100];

/** A place in the field, with as many digits as anyone can see. */
function place(value: number): string {
  return String(Math.round(value * 10) / 10);
}

interface Piece {
  readonly path: string;
  readonly first: string;
  readonly last: string;
}

/** Runs of known values; what is not known is left open. */
function piecesOf({ trend, from, to, peak }: LineProps): readonly Piece[] {
  const pieces: { x: string; y: string }[][] = [];
  let open = false;
  for (const [index, at] of trend.at.entries()) {
    const value = trend.values[index] ?? null;
    if (value === null || at < from || !(to > from)) {
      open = false;
      continue;
    }
    const x = place(((at - from) / (to - from)) * width);
    const y = place(height - (peak > 0 ? Math.min(1, value / peak) : 0) * height);
    if (!open) pieces.push([]);
    open = true;
    pieces.at(-1)?.push({ x, y });
  }
  return pieces.flatMap((piece) => {
    const [first, last] = [piece[0], piece.at(-1)];
    if (!first || !last) return [];
    // A single point would be a line without length, which nobody sees.
    const start = first === last ? `M${place(Number(first.x) - 0.5)} ${first.y}` : "M";
    const path = start + piece.map(({ x, y }) => `${x} ${y}`).join("L");
    return [{ path: first === last ? start + `L${last.x} ${last.y}` : path, first: first.x, last: last.x }];
  });
}

function Line(props: LineProps): JSX.Element {
  const pieces = piecesOf(props);
  return (
    <>
      {props.filled ? (
        <path
          class={`${props.kind} area`}
          d={pieces.map(({ path, first, last }) => `${path}L${last} ${height}L${first} ${height}Z`).join("")}
        />
      ) : (
        ""
      )}
      <path class={`${props.kind} line`} d={pieces.map(({ path }) => path).join("")} />
    </>
  );
}

interface LinesProps {
  readonly lines: readonly LineProps[];
  readonly kind: "spark" | "still";
}

/** Hidden from screen readers: what it shows stands beside it in words. */
export function Lines({ lines, kind }: LinesProps): JSX.Element {
  return (
    <svg class={kind} viewBox={`0 0 ${width} ${height}`} preserveAspectRatio="none" aria-hidden="true">
      {lines.map((line) => (
        <Line {...line} />
      ))}
    </svg>
  );
}

interface SparklineProps {
  readonly trend: Trend;
  readonly kind: string;
  readonly spanMs: number;
}

/** The last stretch of one quantity, without axes: where it comes from, not how much it is. */
export function Sparkline({ trend, kind, spanMs }: SparklineProps): JSX.Element {
  const to = trend.at.at(-1) ?? 0;
  const shown = trend.at.findIndex((at) => at >= to - spanMs);
  const peak = trend.values
    .slice(Math.max(0, shown))
    .reduce<number>((most, value) => Math.max(most, value ?? 0), 0);
  const line = { trend, kind, from: to - spanMs, to, filled: true };
  // A tenth of air, so that the line is not cut at the top.
  return <Lines kind="spark" lines={[{ ...line, peak: peak * 1.1 }]} />;
}

// Columns of the past on their way into small pictures: the part that is shown, and several pools as one.

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

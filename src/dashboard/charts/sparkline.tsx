/** Sparklines and chart lines as inline SVG from the server: no script, no further request, no style attribute. */
/** @jsxImportSource @kitajs/html */

import type { Columns } from "../../history/point.ts";

interface LineProps {
  readonly trend: Trend;
  /** CSS class of the line, which sets its colour. */
  readonly kind: string;
  /** Time at the left edge, epoch milliseconds. */
  readonly from: number;
  /** Time at the right edge, epoch milliseconds. */
  readonly to: number;
  /** The value at the top. */
  readonly peak: number;
  /** Whether the area below the line is filled. */
  readonly filled?: boolean;
}

/** The view box of every line; the style sheet scales it. */
const [width, height] = [300, 100];

/** A coordinate in the view box, rounded to a visible precision. */
function coordinate(value: number): string {
  return String(Math.round(value * 10) / 10);
}

interface Piece {
  readonly path: string;
  readonly first: string;
  readonly last: string;
}

/** Runs of known values; unknown values leave gaps. */
function piecesOf({ trend, from, to, peak }: LineProps): readonly Piece[] {
  const pieces: { x: string; y: string }[][] = [];
  let open = false;
  for (const [index, at] of trend.at.entries()) {
    const value = trend.values[index] ?? null;
    if (value === null || at < from || !(to > from)) {
      open = false;
      continue;
    }
    const x = coordinate(((at - from) / (to - from)) * width);
    const y = coordinate(height - (peak > 0 ? Math.min(1, value / peak) : 0) * height);
    if (!open) pieces.push([]);
    open = true;
    pieces.at(-1)?.push({ x, y });
  }
  return pieces.flatMap((piece) => {
    const [first, last] = [piece[0], piece.at(-1)];
    if (!first || !last) return [];
    // A single point would be a line without length, which is invisible.
    const start = first === last ? `M${coordinate(Number(first.x) - 0.5)} ${first.y}` : "M";
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
  readonly kind: "spark" | "still" | "sea-wave";
  /** Where a vertical line stands, as a share of the width; none without it. */
  readonly markAt?: number | undefined;
}

/** Hidden from screen readers: the text next to it has the same values. */
export function Lines({ lines, kind, markAt }: LinesProps): JSX.Element {
  return (
    <svg class={kind} viewBox={`0 0 ${width} ${height}`} preserveAspectRatio="none" aria-hidden="true">
      {lines.map((line) => (
        <Line {...line} />
      ))}
      {markAt === undefined ? (
        ""
      ) : (
        <path class="line mark" d={`M${coordinate(markAt * width)} 0V${height}`} />
      )}
    </svg>
  );
}

interface SparklineProps {
  readonly trend: Trend;
  readonly kind: string;
  readonly spanMs: number;
}

/** The recent course of one quantity without axes: it shows the direction, not the amount. */
export function Sparkline({ trend, kind, spanMs }: SparklineProps): JSX.Element {
  const to = trend.at.at(-1) ?? 0;
  const shown = trend.at.findIndex((at) => at >= to - spanMs);
  const peak = trend.values
    .slice(Math.max(0, shown))
    .reduce<number>((max, value) => Math.max(max, value ?? 0), 0);
  const line = { trend, kind, from: to - spanMs, to, filled: true };
  // A margin of 10 %, so that the line is not clipped at the top.
  return <Lines kind="spark" lines={[{ ...line, peak: peak * 1.1 }]} />;
}

/** A quantity that can be drawn: a column of the history. */
export type Quantity = Exclude<keyof Columns, "at">;

/** One quantity over time. */
export interface Trend {
  /** Epoch milliseconds, ascending. */
  readonly at: readonly number[];
  readonly values: readonly (number | null)[];
}

/** Percentiles of several pools cannot be added: the slowest pool's value is used. */
const worstOf: ReadonlySet<Quantity> = new Set(["p50Ms", "p95Ms", "p99Ms"]);

/** One quantity of several series merged into one; all series have the same sample times. */
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

/** A second without a response has no latency; after ten of them the latest value is unknown. */
const latestPoints = 10;

/** The last known value of the latest points; null if all are unknown. */
export function latestOf({ values }: Trend): number | null {
  return values.slice(-latestPoints).findLast((value) => value !== null) ?? null;
}

/** The highest value; 0 if all are unknown. */
export function peakOf({ values }: Trend): number {
  return values.reduce<number>((peak, value) => Math.max(peak, value ?? 0), 0);
}

/** The charts of a range: SVG from the server, which the page's script replaces with charts to zoom and point at. */
/** @jsxImportSource @kitajs/html */

import type { Columns } from "../../history/point.ts";
import { formatMs, formatRate, formatCount } from "../../wording/format.ts";
import type { ProblemSpan } from "../../client/decoders.ts";
import { Lines, peakOf, type Quantity, trendOf } from "../charts/sparkline.tsx";
import { attribute } from "../responses.ts";
import { Moment, listForm } from "./moment.tsx";
import type { PointValues } from "./columns.ts";
import type { Mark } from "./marks.ts";

interface Curve {
  readonly quantity: Quantity;
  /** In the legend; empty if the chart has one curve. */
  readonly name: string;
  /** CSS class of the line and of its legend entry. */
  readonly kind: string;
}

export interface RangeChart {
  readonly name: string;
  readonly unit: "rate" | "ms" | "count";
  /** The top of the axis is at least this: nothing that is next to nothing looks like much. */
  readonly least: number;
  readonly curves: readonly Curve[];
}

export const requestsChart: RangeChart = {
  name: "Requests/s",
  unit: "rate",
  least: 1,
  curves: [{ quantity: "requestsPerSecond", name: "", kind: "k-rate" }],
};

export const errorsChart: RangeChart = {
  name: "Errors/s",
  unit: "rate",
  least: 1,
  curves: [{ quantity: "errorsPerSecond", name: "", kind: "k-errors" }],
};

export const latencyChart: RangeChart = {
  name: "Latency",
  unit: "ms",
  least: 1,
  curves: [
    { quantity: "p50Ms", name: "p50", kind: "k-p50" },
    { quantity: "p95Ms", name: "p95", kind: "k-p95" },
    { quantity: "p99Ms", name: "p99", kind: "k-p99" },
  ],
};

const queueChart: RangeChart = {
  name: "Waiting in the queue",
  unit: "count",
  least: 1,
  curves: [{ quantity: "queued", name: "", kind: "k-queued" }],
};

const inFlightChart: RangeChart = {
  name: "In flight",
  unit: "count",
  least: 1,
  curves: [{ quantity: "inFlight", name: "", kind: "k-rate" }],
};

/** An upstream has no queue. */
export const poolCharts: readonly RangeChart[] = [requestsChart, errorsChart, latencyChart, queueChart];
export const upstreamCharts: readonly RangeChart[] = [
  requestsChart,
  errorsChart,
  latencyChart,
  inFlightChart,
];

/** What the legends say while no moment is read. */
export interface RestingLegends {
  readonly values: Readonly<Partial<Record<Quantity, string>>>;
  /** By name of the chart, before its values: "0.4% of all". */
  readonly notes: Readonly<Record<string, string>>;
}

export interface RangeChartsProps {
  readonly charts: readonly RangeChart[];
  readonly from: number;
  readonly to: number;
  readonly isLive: boolean;
  /** Undefined if the history could not be read. */
  readonly columns: Columns | undefined;
  /** The point of the pinned moment. */
  readonly pinned: PointValues | undefined;
  readonly at: number | undefined;
  readonly marks: readonly Mark[];
  /** Problems of this time: bands from their beginning to their end. */
  readonly problems?: readonly ProblemSpan[];
  /** The address of the data, which the script reads. */
  readonly source: string;
  /** Where a click pins a moment: on this page, or on the page of another address. */
  readonly pins?: "here" | (string & {}) | undefined;
  readonly resting?: RestingLegends | undefined;
  /** How many marks the list shows, the last ones; all by default. */
  readonly marksShown?: number;
  /** After the list of marks. */
  readonly marksLink?: JSX.Element;
}

export function RangeCharts(props: RangeChartsProps): JSX.Element {
  const { charts, from, to, isLive, at, problems = [], source, pins = "" } = props;
  return (
    <div
      class="range-charts"
      tabindex="0"
      role="group"
      aria-label="Charts. Arrow keys move the time that is read."
      data-role="range-charts"
      data-from={String(Math.round(from))}
      data-to={String(Math.round(to))}
      data-at={at === undefined ? "" : String(Math.round(at))}
      data-source={attribute(source)}
      data-pins={attribute(pins)}
      data-live={isLive ? "yes" : "no"}
    >
      {charts.map((chart) => (
        <Figure chart={chart} {...props} />
      ))}
      <Marks {...props} />
      <ul data-role="bands" hidden>
        {problems.map(({ level, since, closedAt }) => (
          <li
            data-level={attribute(level)}
            data-from={String(since)}
            data-to={closedAt === null ? "" : String(closedAt)}
          ></li>
        ))}
      </ul>
    </div>
  );
}

/** The script draws all of them, also the ones that are hidden in the list. */
function Marks({
  marks,
  marksShown = marks.length,
  marksLink = "",
  ...range
}: RangeChartsProps): JSX.Element {
  const hidden = marks.length - marksShown;
  return (
    <ol
      class="marks"
      data-role="marks"
      aria-label="Events of this time"
      {...(marks.length === 0 ? { hidden: true } : { tabindex: "0" })}
    >
      {marks.map((mark, index) => (
        <li
          data-at={String(mark.at)}
          data-number={String(mark.number)}
          data-tone={mark.tone}
          {...(index < hidden ? { hidden: true } : {})}
        >
          <span class="mark-number" data-tone={mark.tone}>
            {String(mark.number)}
          </span>{" "}
          <Moment at={mark.at} form={listForm(range)} /> <span safe>{mark.text}</span>
        </li>
      ))}
      {hidden > 0 ? <li>{marksLink}</li> : ""}
    </ol>
  );
}

interface FigureProps extends Pick<
  RangeChartsProps,
  "from" | "to" | "columns" | "pinned" | "marks" | "problems" | "resting"
> {
  readonly chart: RangeChart;
}

const formats: Readonly<Record<RangeChart["unit"], (value: number | null) => string>> = {
  rate: (value) => (value === null ? "–" : formatRate(value)),
  ms: formatMs,
  count: (value) => (value === null ? "–" : formatCount(value)),
};

function Figure({
  chart,
  from,
  to,
  columns,
  pinned,
  marks,
  problems = [],
  resting,
}: FigureProps): JSX.Element {
  const { name, unit, least, curves } = chart;
  const trends = curves.map((curve) => ({
    ...curve,
    trend: trendOf(columns ? [columns] : [], curve.quantity),
  }));
  const peak = Math.max(least, ...trends.map(({ trend }) => peakOf(trend) * 1.1));
  const placeOf = (moment: number) => `${(((moment - from) / (to - from)) * 100).toFixed(2)}%`;
  const hasPoints = columns?.at.some((end) => end > from && end - to <= 0) ?? false;
  return (
    <figure class="range-chart" data-unit={unit} data-least={String(least)} aria-label={name}>
      <figcaption>
        <span class="chart-name">{name}</span>
        <span class="legend">
          {pinned ? (
            <span class="key-at">
              at <Moment at={pinned.to} />
            </span>
          ) : (
            <span class="key-at" safe>
              {resting?.notes[name] ?? ""}
            </span>
          )}
          {curves.map(({ quantity, name: curveName, kind }) => (
            <span class={`key ${kind}`} data-quantity={quantity}>
              {curveName === "" ? "" : <span class="key-name">{curveName}</span>}
              <span class="key-value" safe>
                {pinned ? formats[unit](pinned[quantity]) : (resting?.values[quantity] ?? "")}
              </span>
            </span>
          ))}
        </span>
      </figcaption>
      <div class="range-plot" data-role="plot">
        <Lines
          kind="still"
          lines={trends.map(({ kind, trend }) => ({
            trend,
            // What is zero all the time draws no red.
            kind: peakOf(trend) > 0 ? kind : `${kind} is-zero`,
            peak,
            from,
            to,
            filled: curves.length === 1,
          }))}
        />
        <svg class="range-still" aria-hidden="true">
          {problems.map(({ level, since, closedAt }) => {
            const [begin, end] = [Math.max(from, since), Math.min(to, closedAt ?? to)];
            const width = `${(Math.max(0, (end - begin) / (to - from)) * 100).toFixed(2)}%`;
            return (
              <rect
                class="problem-band"
                data-level={attribute(level)}
                x={placeOf(begin)}
                width={width}
                y="0"
                height="100%"
              />
            );
          })}
          {marks.map(({ at, tone }) => (
            <line class="mark-line" data-tone={tone} x1={placeOf(at)} x2={placeOf(at)} y1="0" y2="100%" />
          ))}
          {pinned ? (
            <line class="crosshair" x1={placeOf(pinned.to)} x2={placeOf(pinned.to)} y1="0" y2="100%" />
          ) : (
            ""
          )}
        </svg>
      </div>
      {hasPoints ? "" : <p class="range-empty">{columns ? "No data in this time" : "History unavailable"}</p>}
      <p class="range-ends" data-role="ends">
        <Moment at={from} />
        <Moment at={to} />
      </p>
    </figure>
  );
}

/** The charts of an upstream: SVG from the server, which the page's script replaces with live charts. */
/** @jsxImportSource @kitajs/html */

import { type WindowName, windowNames, windows } from "../../history/store.ts";
import type { Columns } from "../../history/point.ts";
import { anchorOf, attribute } from "../responses.ts";
import { formatMs, formatRate } from "../../wording/format.ts";
import { latestOf, Lines, peakOf, type Quantity, trendOf } from "./sparkline.tsx";
import { ChartDataTable } from "./data-table.tsx";

interface Curve {
  readonly quantity: Quantity;
  /** In the legend; empty if the chart has one curve. */
  readonly name: string;
  /** CSS class of the line and of its legend entry. */
  readonly kind: string;
}

interface Chart {
  readonly name: string;
  readonly unit: "rate" | "ms";
  readonly curves: readonly Curve[];
}

const charts: readonly Chart[] = [
  { name: "Requests/s", unit: "rate", curves: [{ quantity: "requestsPerSecond", name: "", kind: "k-rate" }] },
  { name: "Errors/s", unit: "rate", curves: [{ quantity: "errorsPerSecond", name: "", kind: "k-errors" }] },
  {
    name: "Latency",
    unit: "ms",
    curves: [
      { quantity: "p50Ms", name: "p50", kind: "k-p50" },
      { quantity: "p95Ms", name: "p95", kind: "k-p95" },
      { quantity: "p99Ms", name: "p99", kind: "k-p99" },
    ],
  },
];

const windowText: Readonly<Record<WindowName, string>> = {
  "5m": "5 minutes",
  "1h": "hour",
  "24h": "24 hours",
  "7d": "7 days",
};

export interface ChartsProps {
  readonly upstream: string;
  readonly window: WindowName;
  /** Undefined if the history could not be read. */
  readonly columns: Columns | undefined;
  /** The address of the page with another window. */
  readonly addressOf: (window: WindowName) => string;
}

/** Excluded from morphing: the script owns the content. */
export function Charts(props: ChartsProps): JSX.Element {
  const { upstream, window, columns, addressOf } = props;
  return (
    <div
      class="charts"
      id={chartsId(upstream)}
      hx-morph-skip
      data-name={attribute(upstream)}
      data-window={window}
    >
      <div class="charts-head">
        <nav class="windows" aria-label={attribute(`Time shown for ${upstream}`)}>
          {windowNames.map((choice) => (
            <a
              href={attribute(addressOf(choice))}
              data-window={choice}
              data-span={String(windows[choice].spanMs)}
              data-step={String(windows[choice].stepMs)}
              {...(choice === window ? { "aria-current": "true" } : {})}
            >
              {choice}
            </a>
          ))}
        </nav>
        <p class="chart-time quiet" data-role="time"></p>
        <a
          class="chart-history"
          href={attribute(`/history?${new URLSearchParams({ upstream, from: "-1h" })}`)}
        >
          History
        </a>
      </div>
      <div class="chart-row">
        {charts.map((chart) => (
          <ChartFigure chart={chart} columns={columns} window={window} />
        ))}
      </div>
      <details class="numbers">
        <summary>
          <span>
            The last <span data-role="window-text">{windowText[window]}</span> as a table
          </span>
        </summary>
        <div data-role="numbers">
          <ChartDataTable columns={columns} spanMs={windows[window].spanMs} />
        </div>
      </details>
    </div>
  );
}

/** A placeholder for the charts in live fragments: the page keeps the charts that it already has. */
export function ChartsStub({ upstream }: { readonly upstream: string }): JSX.Element {
  return <div class="charts" id={chartsId(upstream)} hx-morph-skip></div>;
}

function chartsId(upstream: string): string {
  return anchorOf("charts-upstream", upstream);
}

interface FigureProps {
  readonly chart: Chart;
  readonly columns: Columns | undefined;
  readonly window: WindowName;
}

function ChartFigure({ chart, columns, window }: FigureProps): JSX.Element {
  const trends = chart.curves.map((curve) => ({
    ...curve,
    trend: trendOf(columns ? [columns] : [], curve.quantity),
  }));
  const to = columns?.at.at(-1) ?? 0;
  const field = { from: to - windows[window].spanMs, to };
  const peak = Math.max(...trends.map(({ trend }) => peakOf(trend))) * 1.1;
  const format = chart.unit === "ms" ? formatMs : (value: number | null) => formatRate(value ?? 0);
  return (
    <figure class="chart" data-unit={chart.unit} aria-label={chart.name}>
      <figcaption>
        <span class="chart-name">{chart.name}</span>
        <span class="legend">
          {trends.map(({ quantity, name, kind, trend }) => (
            <span class={`key ${kind}`} data-quantity={quantity}>
              {name === "" ? "" : <span class="key-name">{name}</span>}
              <span class="key-value" safe>
                {format(latestOf(trend))}
              </span>
            </span>
          ))}
        </span>
      </figcaption>
      <div class="plot" data-role="plot">
        <Lines
          kind="still"
          lines={trends.map(({ kind, trend }) => ({
            trend,
            kind,
            peak,
            ...field,
            filled: chart.curves.length === 1,
          }))}
        />
        <span class="empty-plot">{columns && columns.at.length > 0 ? "" : "no data yet"}</span>
      </div>
    </figure>
  );
}

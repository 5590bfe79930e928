/** The history page: charts of a range to zoom, with events, values and requests of a moment beside. */
/** @jsxImportSource @kitajs/html */

import type { ProblemSpan } from "../../client/decoders.ts";
import type { AdminResult } from "../admin-client.ts";
import { carriedQuery, type PageRange, rangeAddress, rangeWords } from "../page-range.ts";
import { attribute } from "../responses.ts";
import { Lines, peakOf, trendOf } from "../charts/sparkline.tsx";
import { eventsErrorSentence } from "../events/feed.ts";
import { RangeBar, RangeProblems, RangeTools } from "../layout/range-bar.tsx";
import { markup, Shell } from "../layout/shell.tsx";
import { isLevel, levelTones, levelWords, ToneMark } from "../layout/tone-mark.tsx";
import type { Columns } from "../../history/point.ts";
import type { Snapshot } from "../../snapshot/snapshot.ts";
import type { HistoryResult } from "../../history/history.ts";
import { formatCount, formatShare, formatSpan, isoTime } from "../../wording/format.ts";
import { adminApiErrorSentence } from "../../wording/verdict.ts";
import type { AdminApiError } from "../../wording/verdict.ts";
import { neighboursOf, pointAt, totalsOf } from "./columns.ts";
import { columnsIn, pointMsOf, type RequestsOfTime } from "./moment-requests.ts";
import type { Mark } from "./marks.ts";
import { EventsPanel, RequestsPanel, ValuesPanel } from "./panels.tsx";
import { listForm, Moment } from "./moment.tsx";
import { poolCharts, RangeCharts, upstreamCharts } from "./range-charts.tsx";

export interface HistoryPageProps {
  readonly range: PageRange;
  readonly history: AdminResult<HistoryResult>;
  /** The same length of time before; undefined if nothing is compared. */
  readonly before: Columns | undefined;
  /** The day around the range; undefined if the range is long. */
  readonly strip: Strip | undefined;
  readonly marks: readonly Mark[];
  readonly problems: readonly ProblemSpan[];
  readonly eventsError: AdminApiError | undefined;
  /** Requests of the pinned moment, or of the whole time. */
  readonly requests: RequestsOfTime;
  /** Undefined before the first successful read. */
  readonly snapshot?: Snapshot | undefined;
  /** Names, for the choice. */
  readonly pools: readonly string[];
}

export interface Strip {
  readonly from: number;
  readonly to: number;
  readonly columns: Columns | undefined;
}

export function renderHistoryPage(props: HistoryPageProps): string {
  const { range, history, before, strip, marks, problems, eventsError, requests } = props;
  const { at, upstream, compareMs, from, to } = range;
  const result = "value" in history ? history.value : undefined;
  const columns = columnsIn(history);
  const stepMs = pointMsOf(history);
  const pinned = at !== undefined && columns ? pointAt(columns, at, stepMs) : undefined;
  const usual = at !== undefined && before ? pointAt(before, at - (compareMs ?? 0), stepMs) : undefined;
  const neighbours = at !== undefined && columns ? neighboursOf(columns, at) : noNeighbours;
  const totals = totalsOf(columns, { stepMs });
  return markup(
    <Shell
      title={`${titleOf(range)} · Evenkeel`}
      here="history"
      carried={carriedQuery(range)}
      snapshot={props.snapshot}
    >
      <main
        class="history"
        data-live={range.isLive ? "yes" : "no"}
        data-every={String(refreshMs(result?.stepMs ?? 0))}
      >
        <RangeProblems problems={range.problems} />
        <header class="plain-head history-head">
          <div>
            <h1>
              <RangeTitle range={range} />
            </h1>
            <p class="quiet" safe>
              {summaryText(props, totals)}
            </p>
          </div>
          <p class="head-actions">
            <span class="range-live" data-role="range-live" role="status" hidden></span>
            <RangeTools path="/history" range={range} />
          </p>
        </header>
        <ProblemList problems={problems} range={range} />
        <section class="pool history-range" aria-label="Time shown">
          <RangeBar path="/history" range={range}>
            <Choices {...props} />
          </RangeBar>
          {strip ? <DayStrip strip={strip} range={range} /> : ""}
        </section>
        {"error" in history ? (
          <p class="notice" role="alert" safe>
            {adminApiErrorSentence(history.error)}
          </p>
        ) : (
          ""
        )}
        <div class="history-cols">
          <section class="pool" aria-label="Charts">
            <RangeCharts
              charts={upstream === undefined ? poolCharts : upstreamCharts}
              from={from}
              to={to}
              isLive={range.isLive}
              columns={columns}
              pinned={pinned}
              at={at}
              marks={marks}
              problems={problems}
              source={rangeAddress("/history.json", range, { change: { at: undefined } })}
              pins="here"
            />
            <p class="chart-notes quiet" safe>
              {notesText(props, result)}
            </p>
          </section>
          <div class="card-stack">
            <ValuesPanel
              range={range}
              pinned={pinned}
              usual={usual}
              totals={totals}
              neighbours={neighbours}
            />
            <EventsPanel
              range={range}
              marks={marks}
              problem={eventsError && eventsErrorSentence(eventsError)}
            />
            <RequestsPanel range={range} {...requests} />
          </div>
        </div>
      </main>
    </Shell>,
  );
}

const noNeighbours = { before: undefined, after: undefined };

/** As often as there is a new point, and not so often that nothing can be read. */
function refreshMs(stepMs: number): number {
  return Math.min(60_000, Math.max(5_000, stepMs));
}

function titleOf(range: PageRange): string {
  return `History, ${rangeWords(range)}`;
}

function RangeTitle({ range }: { readonly range: PageRange }): JSX.Element {
  const { from, to, isLive } = range;
  if (isLive) return <span safe>{rangeWords(range)}</span>;
  const isOneDay = isoTime(from).slice(0, 10) === isoTime(to).slice(0, 10);
  return (
    <>
      <Moment at={from} form="long" /> – <Moment at={to} form={isOneDay ? "short" : "long"} />
    </>
  );
}

function summaryText(
  { range: { pool, upstream }, history, pools }: HistoryPageProps,
  { requests, errors }: ReturnType<typeof totalsOf>,
): string {
  const subject =
    upstream === undefined
      ? pool === undefined
        ? pools.length > 1
          ? "All pools: "
          : ""
        : `Pool ${pool}: `
      : `Upstream ${upstream}: `;
  if ("error" in history) return "";
  if (requests === 0) return `${subject}no requests in this time.`;
  const failed =
    errors === 0
      ? "none failed"
      : `${formatCount(errors)} failed (${formatShare(errors / Math.max(1, requests))})`;
  return `${subject}${formatCount(requests)} requests, ${failed}.`;
}

const longMs = 60_000;

/** What the charts do not show by themselves. */
function notesText({ range, before, pools }: HistoryPageProps, result: HistoryResult | undefined): string {
  const hasPools = pools.length > 1;
  const pointMs = result ? pointMsOf({ value: result }) : 0;
  const each =
    pointMs === longMs ? "minute" : pointMs % longMs === 0 ? `${pointMs / longMs} minutes` : undefined;
  const notes = [
    ...(pointMs >= longMs && each !== undefined ? [`One point each ${each}.`] : []),
    ...(range.route === undefined
      ? []
      : ["Requests beside are those of the route. Charts are not: a route has no history of its own."]),
    ...(range.pool === undefined && range.upstream === undefined && hasPools
      ? ["Latency is that of the slowest pool."]
      : []),
    ...(range.compareMs === undefined
      ? []
      : [
          before && before.at.length > 0
            ? `The grey line is ${agoText(range.compareMs)}.`
            : `There is no history of ${agoText(range.compareMs)}.`,
        ]),
    "Drag to zoom, Shift and drag to move, click to pin a moment.",
  ];
  return notes.join(" ");
}

function agoText(shiftMs: number): string {
  return shiftMs === weekMs ? "a week ago" : shiftMs === dayMs ? "a day ago" : `${formatSpan(shiftMs)} ago`;
}

const dayMs = 86_400_000;
const weekMs = 7 * dayMs;

/** Choices are links: they need no script, and each is an address. */
function Choices({ range, pools }: HistoryPageProps): JSX.Element {
  const { pool, upstream, route, compareMs } = range;
  const link = (change: Parameters<typeof rangeAddress>[2]) =>
    attribute(rangeAddress("/history", range, change));
  const shifts = [
    ["nothing", undefined],
    ["a day ago", dayMs],
    ["a week ago", weekMs],
  ] as const;
  return (
    <>
      {upstream === undefined ? (
        ""
      ) : (
        <a class="button" href={link({ change: { upstream: undefined } })} safe>
          {`Upstream ${upstream} ×`}
        </a>
      )}
      {route === undefined ? (
        ""
      ) : (
        <a class="button" href={link({ change: { route: undefined } })} safe>
          {`Route ${route} ×`}
        </a>
      )}
      {pools.length > 1 && upstream === undefined ? (
        <nav class="windows" aria-label="Pool">
          <a
            href={link({ change: { pool: undefined } })}
            {...(pool === undefined ? { "aria-current": "true" } : {})}
          >
            All pools
          </a>
          {pools.map((name) => (
            <a
              href={link({ change: { pool: name } })}
              {...(name === pool ? { "aria-current": "true" } : {})}
              safe
            >
              {name}
            </a>
          ))}
        </nav>
      ) : (
        ""
      )}
      <nav class="windows" aria-label="Compare with">
        <span class="windows-label" aria-hidden="true">
          Compare with
        </span>
        {shifts.map(([name, shiftMs]) => (
          <a
            href={link({ change: { compareMs: shiftMs } })}
            {...(shiftMs === compareMs ? { "aria-current": "true" } : {})}
          >
            {name}
          </a>
        ))}
      </nav>
    </>
  );
}

const problemsShown = 5;

/** The problems of this time, which are bands in the charts. */
function ProblemList({ problems, range }: Pick<HistoryPageProps, "problems" | "range">): JSX.Element {
  if (problems.length === 0) return "";
  return (
    <ul class="problem-spans" aria-label="Problems of this time">
      {problems.slice(0, problemsShown).map((problem) => (
        <ProblemItem problem={problem} range={range} />
      ))}
      {problems.length > problemsShown ? (
        <li class="quiet" safe>{`and ${formatCount(problems.length - problemsShown)} more`}</li>
      ) : (
        ""
      )}
    </ul>
  );
}

/** The day around the range. With the script, dragging over it chooses another range. */
function DayStrip({ strip, range }: { readonly strip: Strip; readonly range: PageRange }): JSX.Element {
  const { from, to, columns } = strip;
  const line = (quantity: "requestsPerSecond" | "errorsPerSecond", kind: string, filled: boolean) => {
    const trend = trendOf(columns ? [columns] : [], quantity);
    return { trend, kind, from, to, filled, peak: Math.max(1, peakOf(trend) * 1.1) };
  };
  const placeOf = (moment: number) => Math.min(100, Math.max(0, ((moment - from) / (to - from)) * 100));
  const [left, right] = [placeOf(range.from), placeOf(range.to)];
  return (
    <div class="day-strip" data-role="day-strip" data-from={String(from)} data-to={String(to)}>
      <Lines
        kind="still"
        lines={[
          line("requestsPerSecond", "k-rate", true),
          // Against the requests, so that one error does not look like an outage.
          { ...line("errorsPerSecond", "k-errors", true), peak: line("requestsPerSecond", "", false).peak },
        ]}
      />
      <svg class="range-still" aria-hidden="true">
        <rect
          class="brush"
          x={`${left.toFixed(2)}%`}
          width={`${(right - left).toFixed(2)}%`}
          y="0"
          height="100%"
        />
        <line class="brush-edge" x1={`${left.toFixed(2)}%`} x2={`${left.toFixed(2)}%`} y1="0" y2="100%" />
        <line class="brush-edge" x1={`${right.toFixed(2)}%`} x2={`${right.toFixed(2)}%`} y1="0" y2="100%" />
      </svg>
      <p class="range-ends" data-role="ends">
        <Moment at={from} form="day" />
        <Moment at={to} form="day" />
      </p>
    </div>
  );
}

function ProblemItem({
  problem: { title, level, since, closedAt },
  range,
}: {
  readonly problem: ProblemSpan;
  readonly range: PageRange;
}): JSX.Element {
  // A later version may have stored another level.
  const tone = isLevel(level) ? levelTones[level] : "warn";
  return (
    <li data-tone={tone}>
      <ToneMark tone={tone} />
      <span>
        <span class="problem-level" safe>
          {isLevel(level) ? levelWords[level] : level}
        </span>{" "}
        <span safe>{title}</span>{" "}
        <span class="quiet">
          <Moment at={since} form={listForm(range)} />
          {closedAt === null ? (
            " until now"
          ) : (
            <>
              {" – "}
              <Moment at={closedAt} form={listForm(range)} />
            </>
          )}
        </span>
      </span>
    </li>
  );
}

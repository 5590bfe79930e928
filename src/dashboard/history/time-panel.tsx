/** Charts of one time with its range bar above: of all pools on the overview, of one upstream on its page. */
/** @jsxImportSource @kitajs/html */

import type { Columns } from "../../history/point.ts";
import { formatMs, formatRate, formatShare } from "../../wording/format.ts";
import { adminApiErrorSentence } from "../../wording/verdict.ts";
import { ChartDataTable } from "../charts/data-table.tsx";
import { eventsErrorSentence } from "../events/feed.ts";
import { RangeArrow, RangeForm, RangeLengths, RangeProblems, RangeTools } from "../layout/range-bar.tsx";
import { movedRange, type PageRange, rangeAddress } from "../page-range.ts";
import { attribute } from "../responses.ts";
import { pointAt, totalsOf } from "./columns.ts";
import { columnsIn, pointMsOf } from "./moment-requests.ts";
import { listForm, Moment, ZoneName } from "./moment.tsx";
import { type RangeChart, RangeCharts, type RangeChartsProps, type RestingLegends } from "./range-charts.tsx";
import type { RangeData } from "./range-data.ts";

export interface TimePanelProps extends Pick<RangeChartsProps, "pins" | "marksShown" | "marksLink"> {
  readonly title: string;
  /** The page that shows it, and the time of its address. */
  readonly path: string;
  readonly range: PageRange;
  /** Further parameters of the page's address. */
  readonly more?: Readonly<Record<string, string | undefined>>;
  /** The same time with the pool or the upstream that the charts are of. */
  readonly subject: PageRange;
  readonly data: RangeData;
  readonly charts: readonly RangeChart[];
  /** What the legends say of a time that ends now. */
  readonly now: RestingLegends;
  /** Before the links to copy and to take along. */
  readonly tools?: JSX.Element;
}

interface TimeBoxProps {
  /** The sequence number of the newest event that may be marked; undefined without one. */
  readonly newest: number | undefined;
  /** Empty in live fragments: the page keeps the charts that it has. */
  readonly children: JSX.Element;
}

/** The place of the charts of a live page. Excluded from morphing, because the script owns them. */
export function TimeBox({ newest, children }: TimeBoxProps): JSX.Element {
  return (
    <div class="traffic-time" id="traffic-time" hx-morph-skip data-newest={attribute(String(newest ?? ""))}>
      {children}
    </div>
  );
}

export function TimePanel(props: TimePanelProps): JSX.Element {
  const { range, subject, data, charts, now, pins, marksShown, marksLink } = props;
  const { from, to, isLive, at } = range;
  const { history, marks, problems, eventsError } = data;
  const columns = columnsIn(history);
  const stepMs = pointMsOf(history);
  return (
    <>
      <TimeHead {...props} />
      <RangeProblems problems={range.problems} />
      {"error" in history ? (
        <p class="notice" role="alert" data-role="unread" safe>
          {adminApiErrorSentence(history.error)}
        </p>
      ) : (
        ""
      )}
      {eventsError ? (
        <p class="notice heed" role="status" safe>
          {eventsErrorSentence(eventsError)}
        </p>
      ) : (
        ""
      )}
      <RangeCharts
        charts={charts}
        from={from}
        to={to}
        isLive={isLive}
        columns={columns}
        pinned={at !== undefined && columns ? pointAt(columns, at, stepMs) : undefined}
        at={at}
        marks={marks}
        {...(marksShown === undefined ? {} : { marksShown })}
        {...(marksLink === undefined ? {} : { marksLink })}
        problems={problems}
        source={rangeAddress("/history.json", subject, { change: { at: undefined } })}
        pins={pins}
        resting={isLive ? now : pastLegends(columns, stepMs)}
      />
      <details class="numbers" data-role="numbers">
        <summary>
          <span>These numbers as a table</span>
        </summary>
        <div data-source={attribute(rangeAddress("/numbers", subject, { change: { at: undefined } }))}>
          <ChartDataTable columns={columns} spanMs={to - from} />
        </div>
      </details>
    </>
  );
}

/** The legends of a time that has ended: what it was on average, and at its worst. */
function pastLegends(columns: Columns | undefined, stepMs: number): RestingLegends {
  const { requests, errors, requestsPerSecond, errorsPerSecond, worst } = totalsOf(columns, { stepMs });
  if (requestsPerSecond === null) return { values: {}, notes: {} };
  return {
    values: {
      requestsPerSecond: formatRate(requestsPerSecond),
      errorsPerSecond: formatRate(errorsPerSecond ?? 0),
      p50Ms: formatMs(worst.p50Ms),
      p95Ms: formatMs(worst.p95Ms),
      p99Ms: formatMs(worst.p99Ms),
    },
    notes: {
      "Requests/s": "mean",
      "Errors/s": `${formatShare(requests > 0 ? errors / requests : 0)} of all, mean`,
      Latency: "highest",
    },
  };
}

function TimeHead({ title, path, range, more = {}, subject, tools = "" }: TimePanelProps): JSX.Element {
  const place = { path, range: { ...range, at: undefined }, more };
  const { from, to, isLive } = range;
  // Shorter times are read to the second.
  const form = listForm(range) === "stamp" ? "stamp" : to - from < 300_000 ? "time" : "minute";
  return (
    <header class="traffic-head range-bar">
      <h2 id="traffic-name" safe>
        {title}
      </h2>
      <RangeLengths {...place} />
      <details class="range-choice">
        <summary>From – to</summary>
        <RangeForm {...place} />
      </details>
      <span class="range-moved">
        <RangeArrow move="earlier" {...place} />
        <span class="quiet" data-role="range-times">
          <Moment at={from} form={form} /> – <Moment at={to} form={form} /> <ZoneName />
        </span>
        {isLive ? "" : <RangeArrow move="later" {...place} />}
        <a
          class="button"
          href={attribute(rangeAddress(path, place.range, { change: movedRange(range, "out"), more }))}
          data-key="0"
        >
          Zoom out
        </a>
      </span>
      {isLive ? (
        ""
      ) : (
        <span class="range-fixed">
          A fixed time, not live.{" "}
          <a
            href={attribute(rangeAddress(path, place.range, { change: lastHour(range), more }))}
            data-key="l"
          >
            Back to now
          </a>
        </span>
      )}
      <span class="range-tools">
        {tools}
        <RangeTools path={path} range={range} more={more} data={{ path: "/history", range: subject }} />
      </span>
    </header>
  );
}

function lastHour({ now }: PageRange) {
  return { from: now - 3_600_000, to: now, isLive: true };
}

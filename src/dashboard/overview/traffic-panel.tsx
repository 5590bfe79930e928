/** Traffic on the overview: three charts of one time, of all pools or one, and the numbers of now below. */
/** @jsxImportSource @kitajs/html */

import { ChartDataTable } from "../charts/data-table.tsx";
import { eventsErrorSentence } from "../events/feed.ts";
import { sumColumns, totalsOf } from "../history/columns.ts";
import { listForm, Moment, ZoneName } from "../history/moment.tsx";
import { pointMsOf } from "../history/page.tsx";
import {
  errorsChart,
  latencyChart,
  RangeCharts,
  requestsChart,
  type RestingLegends,
} from "../history/range-charts.tsx";
import type { RangeData } from "../history/range-data.ts";
import { RangeArrow, RangeForm, RangeLengths, RangeProblems, RangeTools } from "../layout/range-bar.tsx";
import { HiddenFields } from "../layout/forms.tsx";
import { movedRange, type PageRange, rangeAddress } from "../page-range.ts";
import { attribute } from "../responses.ts";
import type { Columns } from "../../history/point.ts";
import { formatCount, formatMs, formatRate, formatShare } from "../../wording/format.ts";
import { adminApiErrorSentence, type DashboardState } from "../../wording/verdict.ts";
import { viewFields, type View } from "../view.ts";
import { currentLegends, currentTraffic } from "./current-traffic.ts";
import { TrafficNow } from "./traffic-now.tsx";

export interface TrafficTime {
  readonly range: PageRange;
  readonly data: RangeData;
}

interface TrafficProps {
  readonly state: DashboardState;
  readonly view: View;
  /** Undefined in live fragments: the page keeps the charts that it has. */
  readonly time: TrafficTime | undefined;
}

/** The charts are excluded from morphing: the script owns them. The numbers of now come with every fragment. */
export function TrafficPanel({ state, view, time }: TrafficProps): JSX.Element {
  return (
    <section class="pool traffic" id="traffic" aria-labelledby="traffic-name">
      <div
        class="traffic-time"
        id="traffic-time"
        hx-morph-skip
        data-newest={attribute(String(state.snapshot?.events.at(-1)?.seq ?? ""))}
      >
        {time ? <TrafficOfTime state={state} view={view} {...time} /> : ""}
      </div>
      <TrafficNow state={state} view={view} />
    </section>
  );
}

/** Events in the list below the charts. */
const marksShown = 4;

interface OfTimeProps extends TrafficTime {
  readonly state: DashboardState;
  readonly view: View;
}

function TrafficOfTime({ state, view, range, data }: OfTimeProps): JSX.Element {
  const { from, to, isLive, pool } = range;
  const { history, marks, problems, eventsError } = data;
  const result = "value" in history ? history.value : undefined;
  const columns = result && sumColumns(result.series.map((series) => series.columns));
  const stepMs = pointMsOf(history);
  const events = rangeAddress("/events", range);
  return (
    <>
      <TrafficHead state={state} view={view} range={range} />
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
        charts={[requestsChart, errorsChart, latencyChart]}
        from={from}
        to={to}
        isLive={isLive}
        columns={columns}
        pinned={undefined}
        at={undefined}
        marks={marks}
        marksShown={marksShown}
        marksLink={<a href={attribute(events)} safe>{`All ${formatCount(marks.length)} events`}</a>}
        problems={problems}
        source={rangeAddress("/history.json", range)}
        pins="/history"
        resting={isLive ? currentLegends(currentTraffic(state, pool)) : pastLegends(columns, stepMs)}
      />
      <details class="numbers" data-role="numbers">
        <summary>
          <span>These numbers as a table</span>
        </summary>
        <div data-source={attribute(rangeAddress("/numbers", range))}>
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

function TrafficHead({ state, view, range }: Omit<OfTimeProps, "data">): JSX.Element {
  const { charts: _, ...beside } = view;
  const place = { path: "/", range: { ...range, at: undefined }, more: viewFields(beside) };
  const { from, to, isLive } = range;
  // Shorter times are read to the second.
  const form = listForm(range) === "stamp" ? "stamp" : to - from < 300_000 ? "time" : "minute";
  return (
    <header class="traffic-head range-bar">
      <h2 id="traffic-name">Traffic</h2>
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
          href={attribute(
            rangeAddress("/", place.range, { change: movedRange(range, "out"), more: place.more }),
          )}
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
            href={attribute(rangeAddress("/", place.range, { change: lastHour(range), more: place.more }))}
            data-key="l"
          >
            Back to now
          </a>
        </span>
      )}
      <span class="range-tools">
        <span class="quiet range-hint">Drag to zoom, click a moment for its requests</span>
        <PoolChoice state={state} place={place} />
        <RangeTools {...place} data="/history" />
      </span>
    </header>
  );
}

function lastHour({ now }: PageRange) {
  return { from: now - 3_600_000, to: now, isLive: true };
}

interface ChoiceProps {
  readonly state: DashboardState;
  readonly place: {
    readonly range: PageRange;
    readonly more: Readonly<Record<string, string>>;
  };
}

/** A form that works without the script, which sends it at the choice. */
function PoolChoice({ state, place: { range, more } }: ChoiceProps): JSX.Element {
  const pools = state.snapshot?.pools ?? [];
  if (pools.length < 2) return "";
  const { pool, ...others } = Object.fromEntries(
    new URLSearchParams(rangeAddress("", range, { more }).slice(1)),
  );
  return (
    <form class="pool-choice" method="get" action="/" data-role="sends">
      <HiddenFields fields={others} />
      <label class="unseen" for="traffic-pool">
        Pool of the charts
      </label>
      <select id="traffic-pool" name="pool">
        <option value="">All pools</option>
        {pools.map(({ name }) => (
          <option value={attribute(name)} {...(name === pool ? { selected: true } : {})} safe>
            {name}
          </option>
        ))}
      </select>
      <button type="submit" class="button">
        Show
      </button>
    </form>
  );
}

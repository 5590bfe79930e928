/** Time on an upstream's page: its charts under the range bar of all pages, and the moment that is pinned. */
/** @jsxImportSource @kitajs/html */

import type { UpstreamDetail } from "../../snapshot/snapshot.ts";
import { formatCount } from "../../wording/format.ts";
import { slotsInUse } from "../../wording/reasons.ts";
import { eventsErrorSentence } from "../events/feed.ts";
import { neighboursOf, pointAt, totalsOf } from "../history/columns.ts";
import { columnsIn, pointMsOf, type RequestsOfTime } from "../history/moment-requests.ts";
import { EventsPanel, RequestsPanel, ValuesPanel } from "../history/panels.tsx";
import { type RestingLegends, upstreamCharts } from "../history/range-charts.tsx";
import type { RangeData } from "../history/range-data.ts";
import { TimeBox, TimePanel } from "../history/time-panel.tsx";
import type { UpstreamPageState } from "../live/upstream-poller.ts";
import { pageOf } from "../location.ts";
import { trafficLegends } from "../overview/current-traffic.ts";
import { type PageRange, rangeAddress } from "../page-range.ts";
import { attribute } from "../responses.ts";

export interface UpstreamTime {
  /** Of the address of the page. */
  readonly range: PageRange;
  /** The same time with the upstream, for pages and data that take it as a parameter. */
  readonly subject: PageRange;
  readonly data: RangeData;
  /** Of the pinned moment; undefined without one. */
  readonly requests: RequestsOfTime | undefined;
}

interface SectionProps {
  readonly shown: UpstreamPageState;
  /** Undefined in live fragments: the page keeps the charts that it has. */
  readonly time: UpstreamTime | undefined;
}

export function TimeSection({ shown, time }: SectionProps): JSX.Element {
  return (
    <section class="pool traffic tall" id="traffic" aria-labelledby="traffic-name">
      <TimeBox newest={newestEvent(shown)}>{time ? <ChartsOfTime shown={shown} time={time} /> : ""}</TimeBox>
    </section>
  );
}

/** Events in the list below the charts. */
const marksShown = 6;

interface ChartsProps extends SectionProps {
  readonly time: UpstreamTime;
}

function ChartsOfTime({ shown: { id, detail }, time }: ChartsProps): JSX.Element {
  const { range, subject, data } = time;
  const whole = { ...subject, at: undefined };
  return (
    <>
      <TimePanel
        title="Traffic"
        path={pageOf(id)}
        range={range}
        subject={subject}
        data={data}
        charts={upstreamCharts}
        now={detail ? upstreamLegends(detail) : { values: {}, notes: {} }}
        pins="here"
        marksShown={marksShown}
        marksLink={
          <a href={attribute(rangeAddress("/events", whole))} safe>
            {`All ${formatCount(data.marks.length)} events`}
          </a>
        }
      />
      <p class="chart-notes quiet">
        <span class="range-hint">Drag to zoom, click to pin a moment.</span>{" "}
        <a href={attribute(rangeAddress("/requests", whole, { more: { outcome: "failed,slow" } }))}>
          Failed and slow requests
        </a>{" "}
        <a href={attribute(rangeAddress("/history", whole))}>Compare in the history</a>
      </p>
    </>
  );
}

/** The sequence number of the newest event that may be marked; undefined without one. */
export function newestEvent({ id, detail, state }: UpstreamPageState): number | undefined {
  const events = state.snapshot?.pools.find(({ name }) => name === detail?.pool)?.events ?? [];
  const own = events.findLast(({ upstream }) => upstream === id || upstream === null);
  const whole = state.snapshot?.events.at(-1);
  return own || whole ? Math.max(own?.seq ?? 0, whole?.seq ?? 0) : undefined;
}

/** The same numbers as in the tiles above. */
export function upstreamLegends(detail: UpstreamDetail): RestingLegends {
  const { traffic } = detail;
  const { values, notes } = trafficLegends({
    ...traffic,
    errorsPerSecond: traffic.requestsPerSecond * traffic.errorShare,
    ...{ isOfSlowest: false, usualPerSecond: null },
  });
  return { values: { ...values, inFlight: formatCount(slotsInUse(detail)) }, notes };
}

/** Values, events and requests of the pinned moment; a place without content if none is pinned. */
export function PinnedMoment({ shown: { id }, time }: SectionProps): JSX.Element {
  return (
    <div class="pinned-moment" id="pinned-moment" hx-morph-skip>
      {time?.requests ? <MomentPanels id={id} time={time} requests={time.requests} /> : ""}
    </div>
  );
}

interface PanelsProps {
  readonly id: string;
  readonly time: UpstreamTime;
  readonly requests: RequestsOfTime;
}

function MomentPanels({ id, time: { range, subject, data }, requests }: PanelsProps): JSX.Element {
  const { history, marks, eventsError } = data;
  const { at } = range;
  const [columns, stepMs] = [columnsIn(history), pointMsOf(history)];
  const place = { page: pageOf(id), range: subject };
  return (
    <>
      <ValuesPanel
        {...place}
        pinned={at !== undefined && columns ? pointAt(columns, at, stepMs) : undefined}
        usual={undefined}
        totals={totalsOf(columns, { stepMs })}
        neighbours={
          at !== undefined && columns ? neighboursOf(columns, at) : { before: undefined, after: undefined }
        }
      />
      <EventsPanel {...place} marks={marks} problem={eventsError && eventsErrorSentence(eventsError)} />
      <RequestsPanel range={subject} {...requests} />
    </>
  );
}

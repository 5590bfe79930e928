/** The live streams of the pages that live: each message has the fragment, and the newest points for the charts. */

import type { SeriesHistory } from "../../history/history.ts";
import type { Columns } from "../../history/point.ts";
import type { SnapshotPoller } from "./poller.ts";
import { eventOf, renderedOnce, streamOf } from "./sse.ts";
import { renderLive, renderUpstreamLive } from "../overview/page.tsx";
import type { DashboardState } from "../../wording/verdict.ts";
import { type Row, rowSince, wholeRow } from "../overview/upstream-row.tsx";
import type { UpstreamPollers, UpstreamPageState } from "./upstream-poller.ts";
import { queryOf, type View } from "../view.ts";

/** More people than that do not look at one balancer; more streams than that are a mistake or an attack. */
const maxViewers = 200;

/** A page that missed no more than this many seconds needs not ask for the past again. */
const pointsSent = 5;

export interface LiveStreams {
  /** Undefined if there are too many. */
  overview(view: View): Response | undefined;
  upstream(id: string): Response | undefined;
}

export function liveStreams(poller: SnapshotPoller, upstreams: UpstreamPollers): LiveStreams {
  // There are no more views than columns to sort by, in two directions.
  const rendered = new Map<string, (state: DashboardState, seen?: DashboardState) => Uint8Array>();
  const ofView = ({ sort }: View) => {
    const view = { sort, filter: "" };
    const key = queryOf(view);
    const known = rendered.get(key);
    if (known) return known;
    // Who was sent a picture has these rows; a picture that nobody remembers takes its rows with it.
    const rowsOf = new WeakMap<DashboardState, ReadonlyMap<string, Row>>();
    const made = renderedOnce((state: DashboardState, seen) => {
      const before = seen && rowsOf.get(seen);
      const rows = new Map<string, Row>();
      const html = renderLive(state, view, (row) => {
        rows.set(row.attributes.id, row);
        return before ? rowSince(row, before.get(row.attributes.id)) : wholeRow(row);
      });
      rowsOf.set(state, rows);
      return eventOf(html) + pointsEvent(state.trends);
    });
    rendered.set(key, made);
    return made;
  };
  const ofUpstream = renderedOnce(
    (shown: UpstreamPageState) =>
      eventOf(renderUpstreamLive(shown)) + pointsEvent(shown.trend ? [shown.trend] : []),
  );
  const isFull = () => poller.viewers + upstreams.viewers >= maxViewers;
  return {
    overview: (view) => (isFull() ? undefined : respond(streamOf(poller, ofView(view)))),
    upstream: (id) => (isFull() ? undefined : respond(streamOf(upstreams.of(id), ofUpstream))),
  };
}

/** Data only: the page's script knows what to do with it. */
function pointsEvent(trends: readonly SeriesHistory[]): string {
  const series = trends.map(({ pool, upstream, columns }) => ({ pool, upstream, columns: lastOf(columns) }));
  return series.length > 0 ? eventOf(JSON.stringify({ series }), "history") : "";
}

function lastOf(columns: Columns): Columns {
  const last = Object.entries(columns).map(([name, values]) => [name, values.slice(-pointsSent)]);
  return Object.fromEntries(last) as Columns;
}

function respond(stream: ReadableStream<Uint8Array>): Response {
  return new Response(stream, {
    headers: {
      "Content-Type": "text/event-stream",
      "Cache-Control": "no-store",
      "X-Accel-Buffering": "no",
    },
  });
}

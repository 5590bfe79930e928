/** The live streams of the overview, the fleet's page and the upstream pages. Each message holds the fragment and the newest chart points. */

import type { SeriesHistory } from "../../history/history.ts";
import type { Columns } from "../../history/point.ts";
import { renderFleetLive } from "../fleet/page.tsx";
import { eventStreamResponse } from "../responses.ts";
import type { SnapshotPoller } from "./poller.ts";
import { eventOf, renderedOnce, streamOf } from "./sse.ts";
import { currentLegends, currentTraffic } from "../overview/current-traffic.ts";
import { renderLive } from "../overview/page.tsx";
import type { DashboardState } from "../../wording/verdict.ts";
import { type Row, rowSince, wholeRow } from "../overview/upstream-row.tsx";
import type { UpstreamPollers, UpstreamPageState } from "./upstream-poller.ts";
import { renderUpstreamLive } from "../upstream/document.tsx";
import { newestEvent, upstreamLegends } from "../upstream/time.tsx";
import { queryOf, type View } from "../view.ts";

/** One balancer has fewer human viewers than this; more streams are a mistake or an attack. */
const maxViewers = 200;

/** Views that are rendered once for all their viewers. */
const maxRendered = 50;

/** In seconds: a page that missed no more than these does not have to load the history again. */
const pointsSent = 5;

export interface LiveStreams {
  /** Undefined if too many streams are open. */
  overview(view: View): Response | undefined;
  upstream(id: string): Response | undefined;
  fleet(): Response | undefined;
}

export function liveStreams(poller: SnapshotPoller, upstreams: UpstreamPollers): LiveStreams {
  // By the query of the view: viewers of the same share one.
  const rendered = new Map<string, (state: DashboardState, seen?: DashboardState) => Uint8Array>();
  const overviewRenderer = (wanted: View) => {
    const view = { ...wanted, filter: "" };
    const key = queryOf(view);
    const existing = rendered.get(key);
    if (existing) return existing;
    // The rows that a viewer of a state was sent. They are collected together with their state.
    const rowsOf = new WeakMap<DashboardState, ReadonlyMap<string, Row>>();
    const renderer = renderedOnce((state: DashboardState, seen) => {
      const before = seen && rowsOf.get(seen);
      const rows = new Map<string, Row>();
      const writeRow = (row: Row) => {
        rows.set(row.attributes.id, row);
        return before ? rowSince(row, before.get(row.attributes.id)) : wholeRow(row);
      };
      const html = renderLive(state, view, { writeRow, seen });
      rowsOf.set(state, rows);
      const legends = currentLegends(currentTraffic(state, view.charts?.pool));
      const newest = state.snapshot?.events.at(-1)?.seq;
      return eventOf(html) + pointsEvent(state.trends, { legends, newest });
    });
    // The oldest one is given up: its viewers keep it, and new ones get one of their own.
    const [oldest] = rendered.keys();
    if (rendered.size >= maxRendered && oldest !== undefined) rendered.delete(oldest);
    rendered.set(key, renderer);
    return renderer;
  };
  const renderUpstream = renderedOnce((shown: UpstreamPageState) => {
    const { detail, trend } = shown;
    const more = { ...(detail && { legends: upstreamLegends(detail) }), newest: newestEvent(shown) };
    return eventOf(renderUpstreamLive(shown)) + pointsEvent(trend ? [trend] : [], more);
  });
  const renderFleet = renderedOnce((state: DashboardState) => eventOf(renderFleetLive(state)));
  const isFull = () => poller.viewers + upstreams.viewers >= maxViewers;
  return {
    overview: (view) =>
      isFull() ? undefined : eventStreamResponse(streamOf(poller, overviewRenderer(view))),
    upstream: (id) =>
      isFull() ? undefined : eventStreamResponse(streamOf(upstreams.of(id), renderUpstream)),
    fleet: () => (isFull() ? undefined : eventStreamResponse(streamOf(poller, renderFleet))),
  };
}

/** Chart points as an event for the page's script. @param more of the charts of a page */
function pointsEvent(trends: readonly SeriesHistory[], more: Readonly<Record<string, unknown>> = {}): string {
  const series = trends.map(({ pool, upstream, columns }) => ({ pool, upstream, columns: lastOf(columns) }));
  return series.length > 0 ? eventOf(JSON.stringify({ series, ...more }), "history") : "";
}

function lastOf(columns: Columns): Columns {
  const last = Object.entries(columns).map(([name, values]) => [name, values.slice(-pointsSent)]);
  return Object.fromEntries(last) as Columns;
}

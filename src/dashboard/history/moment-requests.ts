/** The kept requests beside charts: those of the pinned moment, or of the whole time. */

import type { Columns } from "../../history/point.ts";
import type { HistoryResult } from "../../history/history.ts";
import { momentText } from "../../lib/time-range.ts";
import type { RequestSummary } from "../../requests/requests.ts";
import type { AdminClient, AdminResult } from "../admin-client.ts";
import { type RouteNames, routeNames } from "../route-list/route-view.ts";
import type { PageRange } from "../page-range.ts";
import type { RequestClient } from "../requests/request-client.ts";
import { pointAt, sumColumns } from "./columns.ts";

export interface RequestsOfTime {
  /** Epoch milliseconds. */
  readonly from: number;
  readonly to: number;
  readonly result: AdminResult<RequestSummary>;
  readonly names: RouteNames;
}

/** What the requests of a time are read with. */
export interface RequestSources {
  readonly requests: Pick<RequestClient, "summary">;
  readonly admin: Pick<AdminClient, "routes">;
}

/** A moment has the requests of at least so much time, because they are sampled. */
const minMomentMs = 10_000;

/** Of the pool, the upstream and the route of the range. */
export async function readRequestsOfTime(
  { requests, admin }: RequestSources,
  range: PageRange,
  history: AdminResult<HistoryResult>,
): Promise<RequestsOfTime> {
  const { from, to } = momentOf(range, history);
  const [result, routes] = await Promise.all([
    requests.summary(summaryQuery({ ...range, from, to })),
    admin.routes(),
  ]);
  return { from, to, result, names: routeNames(routes) };
}

/** In the format of the admin API. */
export function summaryQuery({
  from,
  to,
  pool,
  upstream,
  route,
}: Pick<PageRange, "from" | "to" | "pool" | "upstream" | "route">): URLSearchParams {
  return new URLSearchParams({
    from: momentText(from),
    to: momentText(to),
    ...(pool === undefined ? {} : { pool }),
    ...(upstream === undefined ? {} : { upstream }),
    ...(route === undefined ? {} : { route }),
  });
}

/** The interval of the pinned moment, or the whole time. */
function momentOf(
  { from, to, at }: PageRange,
  history: AdminResult<HistoryResult>,
): Pick<PageRange, "from" | "to"> {
  if (at === undefined) return { from, to };
  const columns = columnsIn(history);
  const point = columns && pointAt(columns, at, pointMsOf(history));
  const [begin, end] = point ? [point.from, point.to] : [at - minMomentMs / 2, at + minMomentMs / 2];
  const missingMs = Math.max(0, minMomentMs - (end - begin));
  return { from: begin - missingMs / 2, to: end + missingMs / 2 };
}

export function columnsIn(result: AdminResult<HistoryResult>): Columns | undefined {
  if ("error" in result) return undefined;
  return sumColumns(result.value.series.map(({ columns }) => columns));
}

/** Milliseconds between two points: those of long ago are fewer. */
export function pointMsOf(history: AdminResult<HistoryResult>): number {
  return "value" in history ? Math.max(history.value.stepMs, history.value.coarsestMs) : 1_000;
}

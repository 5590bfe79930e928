/** Routes of the history page, and of the same rows as CSV and JSON. */

import { Elysia } from "elysia";
import type { AdminClient } from "../admin-client.ts";
import { parsePageRange, type PageRange } from "../page-range.ts";
import type { SnapshotPoller } from "../live/poller.ts";
import { csvFile } from "../csv-file.ts";
import { errorResponse, fresh, htmlResponse, httpStatusOf, textResponse } from "../responses.ts";
import type { RequestClient } from "../requests/request-client.ts";
import type { Columns } from "../../history/point.ts";
import { systemWallClock } from "../../lib/clock.ts";
import { momentText } from "../../lib/time-range.ts";
import { quantities } from "./columns.ts";
import { columnsIn, readRequestsOfTime } from "./moment-requests.ts";
import { renderHistoryPage, type Strip } from "./page.tsx";
import { readHistory, readMoments } from "./range-data.ts";

export interface HistoryRoutesOptions {
  readonly poller: SnapshotPoller;
  readonly admin: AdminClient;
  readonly requests: RequestClient;
}

const dayMs = 86_400_000;

/** Points of the strip of a day, one for about three pixels. */
const stripPoints = 288;

export function historyRoutes({ poller, admin, requests }: HistoryRoutesOptions) {
  const rangeIn = (request: Request) =>
    parsePageRange(Object.fromEntries(new URL(request.url).searchParams), systemWallClock());

  const read = (range: PageRange, shiftMs?: number) => readHistory(admin, range, shiftMs);

  const stripOf = async (range: PageRange): Promise<Strip | undefined> => {
    const day = dayAround(range);
    if (!day) return undefined;
    const { pool, upstream } = range;
    const result = await admin.historyRange({ pool, upstream, ...day, maxPoints: stripPoints });
    return { ...day, columns: columnsIn(result) };
  };

  const page = async (request: Request): Promise<Response> => {
    const range = rangeIn(request);
    const history = await read(range);
    const [before, strip, moments, requestsOfTime, state] = await Promise.all([
      range.compareMs === undefined ? undefined : read(range, range.compareMs),
      stripOf(range),
      readMoments(admin, range),
      readRequestsOfTime({ requests, admin }, range, history),
      poller.current(),
    ]);
    const text = renderHistoryPage({
      range,
      history,
      before: before && columnsIn(before),
      strip,
      ...moments,
      requests: requestsOfTime,
      snapshot: state.snapshot,
      pools: state.snapshot?.pools.map(({ name }) => name) ?? [],
    });
    const status = "error" in history ? httpStatusOf(history.error) : range.problems.length > 0 ? 400 : 200;
    return htmlResponse(text, status);
  };

  /** The columns, or the response with the error. */
  const columnsFor = async (range: PageRange) => {
    const result = await read(range);
    if ("error" in result) return errorResponse(result.error);
    if (range.problems.length > 0) return textResponse(400, range.problems.join(" "));
    const columns = columnsIn(result);
    return { ...result.value, columns: columns ?? emptyColumns };
  };

  return new Elysia({ handler: { standardHostname: false } })
    .get("/history", ({ request }) => page(request))

    .get("/history.json", async ({ request }) => {
      const range = rangeIn(request);
      const [found, before] = await Promise.all([
        columnsFor(range),
        range.compareMs === undefined ? undefined : read(range, range.compareMs),
      ]);
      if (found instanceof Response) return found;
      const { from, to, stepMs, coarsestMs, columns } = found;
      const compared = before && { shiftMs: range.compareMs, columns: columnsIn(before) ?? emptyColumns };
      return Response.json(
        { from, to, stepMs, coarsestMs, columns, ...(compared && { compared }) },
        { headers: fresh },
      );
    })

    .get("/history.csv", async ({ request }) => {
      const found = await columnsFor(rangeIn(request));
      if (found instanceof Response) return found;
      const { columns } = found;
      const values = quantities.map(
        (quantity) => [quantity, (index: number) => columns[quantity][index] ?? null] as const,
      );
      const time = (index: number) => momentText(columns.at[index] ?? 0);
      return csvFile("history", { time, ...Object.fromEntries(values) }, [...columns.at.keys()]);
    });
}

const emptyColumns: Columns = {
  at: [],
  requestsPerSecond: [],
  errorsPerSecond: [],
  retriesPerSecond: [],
  rescuesPerSecond: [],
  queued: [],
  inFlight: [],
  p50Ms: [],
  p95Ms: [],
  p99Ms: [],
};

/** The UTC day of the range, or the day around one that crosses midnight; undefined for a range of more than half a day. */
function dayAround({ from, to, isLive, now }: PageRange): Pick<PageRange, "from" | "to"> | undefined {
  if (to - from > dayMs / 2) return undefined;
  if (isLive) return { from: now - dayMs, to: now };
  const midnight = Math.floor(from / dayMs) * dayMs;
  if (to <= midnight + dayMs) return { from: midnight, to: midnight + dayMs };
  const begin = Math.round((from + to) / 2 - dayMs / 2);
  return { from: begin, to: begin + dayMs };
}

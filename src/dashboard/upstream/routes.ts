/** Routes of the page of an upstream, and of the part of it that is read again by itself. */

import { Elysia } from "elysia";
import { systemWallClock } from "../../lib/clock.ts";
import type { UndoHistory } from "../actions/undo.ts";
import type { AdminClient } from "../admin-client.ts";
import { readRequestsOfTime, summaryQuery } from "../history/moment-requests.ts";
import { readRange, unreadRange } from "../history/range-data.ts";
import type { UpstreamPollers } from "../live/upstream-poller.ts";
import { upstreamLocation } from "../location.ts";
import { type PageRange, parsePageRange } from "../page-range.ts";
import { failingAt, failingShown } from "../requests/failing-card.tsx";
import { listQuery } from "../requests/filter.tsx";
import type { RequestClient } from "../requests/request-client.ts";
import { htmlResponse } from "../responses.ts";
import { viewOfTime } from "./crumb.tsx";
import { renderUpstreamPage } from "./document.tsx";
import { routeNames } from "../route-list/route-view.ts";
import { renderServed, type ServedProps } from "./served-routes.tsx";
import type { UpstreamTime } from "./time.tsx";

export interface UpstreamPageOptions {
  readonly upstreams: UpstreamPollers;
  readonly admin: AdminClient;
  readonly requests: RequestClient;
  readonly undoHistory: UndoHistory;
}

export function upstreamPages({ upstreams, admin, requests, undoHistory }: UpstreamPageOptions) {
  const servedIn = async (subject: PageRange): Promise<ServedProps> => {
    const [result, routes] = await Promise.all([requests.summary(summaryQuery(subject)), admin.routes()]);
    return { subject, result, names: routeNames(routes) };
  };

  /** @param pool events of other pools are not marked; undefined if it is not known */
  const timeOf = async ({ range, subject }: Ranges, pool: string | undefined): Promise<UpstreamTime> => {
    const data = await readRange(admin, { ...subject, pool });
    const isPinned = range.at !== undefined;
    const ofMoment = isPinned
      ? await readRequestsOfTime({ requests, admin }, subject, data.history)
      : undefined;
    return { range, subject, data, requests: ofMoment };
  };

  const page = async (id: string, request: Request): Promise<Response> => {
    const ranges = rangesOf(id, request);
    const shown = await upstreams.of(id).current();
    const { outage } = shown.state;
    // Without the balancer, further readings would let the page wait for their time limits.
    const [time, failing, served] = outage
      ? ([{ ...ranges, data: unreadRange(outage), requests: undefined }, undefined, undefined] as const)
      : await Promise.all([
          timeOf(ranges, shown.detail?.pool),
          requests.list(listQuery(failingAt(id), failingShown)),
          servedIn(ranges.subject),
        ]);
    const undo = undoHistory.of(new URL(request.url).searchParams.get("done") ?? undefined);
    const done = undo && { entry: undo, location: upstreamLocation(id, viewOfTime(ranges.range)) };
    const html = renderUpstreamPage({ shown, time, done, failing, served });
    return htmlResponse(html, shown.error?.reason === "missing" ? 404 : 200);
  };

  return new Elysia({ handler: { standardHostname: false } })
    .get("/upstreams/:id", ({ params: { id }, request }) => page(id, request))

    .get("/upstreams/:id/served", async ({ params: { id }, request }) =>
      htmlResponse(renderServed(await servedIn(rangesOf(id, request).subject))),
    );
}

type Ranges = Pick<UpstreamTime, "range" | "subject">;

/** The address of the page has the upstream in its path. The pool of other pages is carried on, and chooses nothing here. */
function rangesOf(id: string, request: Request): Ranges {
  const query = Object.fromEntries(new URL(request.url).searchParams);
  const given = parsePageRange(query, systemWallClock());
  const range = { ...given, upstream: undefined, route: undefined, compareMs: undefined };
  return { range, subject: { ...range, pool: undefined, upstream: id } };
}

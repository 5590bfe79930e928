/** Routes of the event pages and of the streams that add new events. */

import { Elysia } from "elysia";
import type { AdminClient } from "../admin-client.ts";
import { type CsvColumns, csvFile } from "../csv-file.ts";
import {
  eventStreamResponse,
  fresh,
  htmlResponse,
  httpStatusOf,
  textResponse,
  errorResponse,
} from "../responses.ts";
import { systemWallClock } from "../../lib/clock.ts";
import type { BalancerEvent } from "../../state/event.ts";
import { momentText } from "../../lib/time-range.ts";
import type { SnapshotPoller } from "../live/poller.ts";
import { renderEventsPage, renderNewEvents } from "./page.tsx";
import { type EventsFeed, liveEventStream } from "./feed.ts";
import { apiQueryOf, newestFirst, parseEventFilter } from "./filter.ts";

export interface EventRoutesOptions {
  readonly poller: SnapshotPoller;
  readonly events: EventsFeed;
  readonly admin: AdminClient;
}

/** As many as the admin API gives at a time. */
const maxRows = 2_000;

const columns: CsvColumns<BalancerEvent> = {
  time: ({ at }) => momentText(at),
  kind: ({ kind }) => kind,
  pool: ({ pool }) => pool,
  upstream: ({ upstream }) => upstream,
  from: ({ from }) => from,
  to: ({ to }) => to,
  reason: ({ reason }) => reason,
  by: ({ by }) => by,
  detail: ({ detail }) => detail,
};

/** Upper bound of open streams. */
const maxViewers = 200;

export function eventRoutes({ poller, events, admin }: EventRoutesOptions) {
  const queryIn = (request: Request) => new URL(request.url, "http://dashboard").searchParams;

  const filterIn = (request: Request, isAudit: boolean) =>
    parseEventFilter(queryIn(request), isAudit, systemWallClock());

  /** The events of the page without its pages, newest first; or the response with the error. */
  const rows = async (request: Request, isAudit: boolean) => {
    const filter = filterIn(request, isAudit);
    const problems = filter.range?.problems ?? [];
    if (problems.length > 0) return textResponse(400, problems.join(" "));
    const query = apiQueryOf({ ...filter, before: undefined, after: undefined });
    query.set("limit", String(maxRows));
    const result = await admin.events(query);
    return "value" in result ? newestFirst(result.value) : errorResponse(result.error);
  };

  const csv = async (request: Request, isAudit: boolean): Promise<Response> => {
    const found = await rows(request, isAudit);
    if (found instanceof Response) return found;
    return csvFile(isAudit ? "audit" : "events", columns, found);
  };

  const json = async (request: Request, isAudit: boolean): Promise<Response> => {
    const found = await rows(request, isAudit);
    return found instanceof Response ? found : Response.json({ events: found }, { headers: fresh });
  };

  const page = async (request: Request, isAudit: boolean): Promise<Response> => {
    const filter = filterIn(request, isAudit);
    const [result, { snapshot }] = await Promise.all([admin.events(apiQueryOf(filter)), poller.current()]);
    const status = "error" in result ? httpStatusOf(result.error) : 200;
    const newest = "value" in result ? { value: newestFirst(result.value) } : result;
    return htmlResponse(renderEventsPage({ filter, result: newest, snapshot }), status);
  };

  const live = (request: Request, isAudit: boolean): Response => {
    if (events.viewers >= maxViewers) return textResponse(503, "Too many dashboards are open.");
    const query = queryIn(request);
    const resumed = request.headers.get("last-event-id") ?? query.get("since") ?? "";
    const since = /^\d{1,15}$/.test(resumed) ? Number(resumed) : 0;
    const filter = filterIn(request, isAudit);
    return eventStreamResponse(liveEventStream({ poller: events, filter, since, render: renderNewEvents }));
  };

  return new Elysia({ handler: { standardHostname: false } })
    .get("/events.csv", ({ request }) => csv(request, false))
    .get("/audit.csv", ({ request }) => csv(request, true))
    .get("/events.json", ({ request }) => json(request, false))
    .get("/audit.json", ({ request }) => json(request, true))
    .get("/events", ({ request }) => page(request, false))
    .get("/audit", ({ request }) => page(request, true))
    .get("/live/events", ({ request }) => live(request, false))
    .get("/live/audit", ({ request }) => live(request, true));
}

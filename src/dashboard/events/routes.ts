/** Routes of the event pages and of the streams that add new events. */

import { Elysia } from "elysia";
import type { AdminClient } from "../admin-client.ts";
import { eventStreamResponse, htmlResponse, httpStatusOf, textResponse } from "../responses.ts";
import type { SnapshotPoller } from "../live/poller.ts";
import { renderEventsPage, renderNewEvents } from "./page.tsx";
import { type EventsFeed, liveEventStream } from "./feed.ts";
import { apiQueryOf, newestFirst, parseEventFilter } from "./filter.ts";

export interface EventRoutesOptions {
  readonly poller: SnapshotPoller;
  readonly events: EventsFeed;
  readonly admin: AdminClient;
}

/** Upper bound of open streams. */
const maxViewers = 200;

export function eventRoutes({ poller, events, admin }: EventRoutesOptions) {
  const queryIn = (request: Request) => new URL(request.url, "http://dashboard").searchParams;

  const page = async (request: Request, isAudit: boolean): Promise<Response> => {
    const filter = parseEventFilter(queryIn(request), isAudit);
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
    const filter = parseEventFilter(query, isAudit);
    return eventStreamResponse(liveEventStream({ poller: events, filter, since, render: renderNewEvents }));
  };

  return new Elysia({ handler: { standardHostname: false } })
    .get("/events", ({ request }) => page(request, false))
    .get("/audit", ({ request }) => page(request, true))
    .get("/live/events", ({ request }) => live(request, false))
    .get("/live/audit", ({ request }) => live(request, true));
}

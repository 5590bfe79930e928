/** The pages of events, and the streams that put new ones on top. */

import { Elysia } from "elysia";
import type { AdminClient } from "../admin-client.ts";
import { fresh, markupAnswer, httpStatusOf, textResponse } from "../answers.ts";
import type { SnapshotPoller } from "../feed.ts";
import { renderEventsPage } from "./events-page.tsx";
import { type EventsFeed, liveEventStream } from "./events-feed.ts";
import { renderFresh } from "./render.tsx";
import { apiQueryOf, newestFirst, parseEventFilter } from "./sought.ts";

export interface EventRoutesOptions {
  readonly feed: SnapshotPoller;
  readonly events: EventsFeed;
  readonly admin: AdminClient;
}

/** More people than that do not look at one balancer. */
const mostViewers = 200;

export function eventRoutes({ feed, events, admin }: EventRoutesOptions) {
  const queryIn = (request: Request) => new URL(request.url, "http://dashboard").searchParams;

  const page = async (request: Request, isAudit: boolean): Promise<Response> => {
    const sought = parseEventFilter(queryIn(request), isAudit);
    const [told, { snapshot }] = await Promise.all([admin.events(apiQueryOf(sought)), feed.current()]);
    const status = "trouble" in told ? httpStatusOf(told.trouble) : 200;
    const newest = "value" in told ? { value: newestFirst(told.value) } : told;
    return markupAnswer(renderEventsPage({ sought, told: newest, snapshot }), status);
  };

  const live = (request: Request, isAudit: boolean): Response => {
    if (events.viewers >= mostViewers) return textResponse(503, "Too many dashboards are open.");
    const query = queryIn(request);
    const resumed = request.headers.get("last-event-id") ?? query.get("since") ?? "";
    const since = /^\d{1,15}$/.test(resumed) ? Number(resumed) : 0;
    const sought = parseEventFilter(query, isAudit);
    return new Response(liveEventStream({ feed: events, sought, since, render: renderFresh }), {
      headers: { ...fresh, "Content-Type": "text/event-stream", "X-Accel-Buffering": "no" },
    });
  };

  return new Elysia({ handler: { standardHostname: false } })
    .get("/events", ({ request }) => page(request, false))
    .get("/audit", ({ request }) => page(request, true))
    .get("/live/events", ({ request }) => live(request, false))
    .get("/live/audit", ({ request }) => live(request, true));
}

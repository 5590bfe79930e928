/** The routes of the dashboard: pages, live streams, JSON and assets. */

import { html } from "@elysiajs/html";
import { Elysia } from "elysia";
import { UndoHistory } from "./actions/undo.ts";
import { actionRoutes } from "./actions/routes.ts";
import type { AdminClient } from "./admin-client.ts";
import { fresh, seeOther, textResponse } from "./responses.ts";
import { assetResponse } from "./assets.ts";
import { configPageRoutes } from "./config/routes.ts";
import type { EventsFeed } from "./events/feed.ts";
import { eventRoutes } from "./events/routes.ts";
import { columnsIn } from "./history/moment-requests.ts";
import { readHistory, readRange, unreadRange } from "./history/range-data.ts";
import { parsePageRange } from "./page-range.ts";
import { systemWallClock } from "../lib/clock.ts";
import { historyRoutes } from "./history/routes.ts";
import type { AlertClient } from "./alerts/alert-client.ts";
import { certificatePages } from "./certificates/routes.ts";
import { alertPages } from "./alerts/routes.ts";
import { fleetRoutes } from "./fleet/routes.ts";
import type { SnapshotPoller } from "./live/poller.ts";
import { keyRoutes } from "./keys/routes.ts";
import type { LiveStreams } from "./live/streams.ts";
import { notFoundResponse } from "./layout/not-found.tsx";
import { renderNumbers } from "./charts/data-table.tsx";
import { upstreamFiles } from "./overview/upstream-files.ts";
import { renderPage } from "./overview/page.tsx";
import { pageOf, type PageLocation } from "./location.ts";
import type { RequestClient } from "./requests/request-client.ts";
import { requestPages } from "./requests/routes.ts";
import { routeListPages } from "./route-list/routes.ts";
import type { LiveTails } from "./requests/live-tail.ts";
import type { UpstreamPollers } from "./live/upstream-poller.ts";
import { faultFormRoutes } from "./upstream/fault-routes.ts";
import { upstreamPages } from "./upstream/routes.ts";
import { overallStatus, seenProblems } from "../wording/verdict.ts";
import { soughtSentence } from "./overview/sought-problem.ts";
import { ProblemCount, problemCountAddress } from "./layout/problem-count.tsx";
import { markup } from "./layout/shell.tsx";
import { viewOf } from "./view.ts";

export interface ControlRouteOptions {
  readonly poller: SnapshotPoller;
  readonly upstreams: UpstreamPollers;
  readonly events: EventsFeed;
  readonly live: LiveStreams;
  readonly admin: AdminClient;
  readonly requests: RequestClient;
  readonly alerts: AlertClient;
  readonly tails: LiveTails;
  /** Called with errors that a route throws. */
  readonly bug: (error: unknown) => void;
}

/** A handler in the shape of `fetch`. */
export function routesOf({
  poller,
  upstreams,
  live,
  events,
  admin,
  requests,
  alerts,
  tails,
  bug,
}: ControlRouteOptions): (request: Request) => Promise<Response> {
  const undoHistory = new UndoHistory();
  const doneIn = (query: Query, location: PageLocation) => {
    const undo = undoHistory.of(query["done"]);
    return undo && { entry: undo, location };
  };
  const pageWith = async (query: Query) => {
    const range = { ...parsePageRange(query, systemWallClock()), upstream: undefined };
    const state = await poller.current();
    const data = state.outage ? unreadRange(state.outage) : await readRange(admin, range);
    const view = viewOf(query);
    const done = doneIn(query, { page: "overview", view });
    const notice = await soughtSentence(admin, state, view);
    return renderPage({ state, view, traffic: { range, data }, notice, done });
  };
  const app = new Elysia({ handler: { standardHostname: false } })
    // Without autoDetect: it would treat any response that starts like a tag as a page.
    .use(html({ autoDetect: false, autoDoctype: false, contentType: "text/html; charset=utf-8" }))

    .onError(({ code, error, request }) => {
      if (code === "NOT_FOUND") return notFoundResponse(request, pageNotFound);
      if (code === "PARSE") return textResponse(422, "Cannot parse the form.");
      bug(error);
      return notFoundResponse(request, internalError);
    })

    .get("/", async ({ html, query, set }) => {
      Object.assign(set.headers, fresh);
      return html(await pageWith(query));
    })

    .use(upstreamPages({ upstreams, admin, requests, undoHistory }))
    .use(upstreamFiles({ poller }))
    .use(fleetRoutes({ poller, live }))
    .use(certificatePages({ poller, admin }))
    .use(alertPages({ poller, alerts }))
    .use(configPageRoutes({ poller, admin }))
    .use(eventRoutes({ poller, events, admin }))

    .use(keyRoutes({ poller, admin }))
    .use(routeListPages({ poller, admin }))
    .use(requestPages({ poller, requests, admin, tails }))
    .use(historyRoutes({ poller, admin, requests }))

    .use(formAddresses())

    .get(problemCountAddress, async ({ html, set }) => {
      Object.assign(set.headers, fresh);
      return html(markup(ProblemCount({ problems: seenProblems(await poller.current()) })));
    })

    .get("/live", ({ query }) => live.overview(viewOf(query)) ?? tooMany())
    .get("/live/upstreams/:id", ({ params: { id } }) => live.upstream(id) ?? tooMany())

    .use(actionRoutes({ poller, upstreams, admin, undoHistory }))
    .use(faultFormRoutes({ poller, upstreams, admin, undoHistory }))

    .get("/numbers", async ({ html, query, set }) => {
      Object.assign(set.headers, fresh);
      const range = parsePageRange(query, systemWallClock());
      return html(renderNumbers(columnsIn(await readHistory(admin, range)), range.to - range.from));
    })

    .get("/api/status", async () => {
      const state = await poller.current();
      const { listenerCheck, snapshot = null, outage = null } = state;
      return Response.json(
        { verdict: overallStatus(state), frontDoor: listenerCheck, outage, snapshot },
        { headers: fresh },
      );
    })

    .get("/healthz", () => Response.json({ status: "alive" }, { headers: fresh }))

    .get("/assets/*", ({ path }) => assetResponse(path) ?? textResponse(404, "No such asset."));

  return async (request) => app.fetch(request);
}

const pageNotFound = {
  status: 404,
  title: "Page not found",
  text: "This address is not a page of the dashboard.",
};

const internalError = {
  status: 500,
  title: "Internal error of the dashboard",
  text: "The balancer is not affected and keeps serving. See the dashboard's log for the cause.",
};

/** Without a script, the address of a submitted form stays in the address bar. Reloading it redirects to the form's page. */
function formAddresses() {
  return new Elysia({ handler: { standardHostname: false } })
    .get("/config/preview", () => seeOther("/config"))
    .get("/config/apply", () => seeOther("/config"))
    .get("/upstreams/:id/rehearsal", ({ params: { id } }) => seeOther(pageOf(id)))
    .get("/upstreams/:id/rehearsal/end", ({ params: { id } }) => seeOther(pageOf(id)))
    .get("/problems/dismiss", () => seeOther("/"))
    .get("/undo/:key", () => seeOther("/"))
    .get("/logout", () => seeOther("/"));
}

type Query = Readonly<Record<string, string | undefined>>;

function tooMany(): Response {
  return textResponse(503, "Too many dashboards are open.");
}

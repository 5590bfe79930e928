/** The routes of the dashboard: pages, live streams, JSON and assets. */

import { html } from "@elysiajs/html";
import { Elysia } from "elysia";
import { type WindowName, windowNamed, windows } from "../history/store.ts";
import type { HistoryQuery } from "../history/history.ts";
import { UndoHistory } from "./actions/undo.ts";
import { actionRoutes } from "./actions/routes.ts";
import type { AdminClient } from "./admin-client.ts";
import { fresh, seeOther, textResponse, errorResponse } from "./responses.ts";
import { assetResponse } from "./assets.ts";
import { configPageRoutes } from "./config/routes.ts";
import type { EventsFeed } from "./events/feed.ts";
import { eventRoutes } from "./events/routes.ts";
import { sumColumns } from "./history/columns.ts";
import { readHistory, readMarks, readRange, unreadRange } from "./history/range-data.ts";
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
import { renderPage, renderUpstreamPage } from "./overview/page.tsx";
import { pageOf, type PageLocation } from "./location.ts";
import { failingAt, failingShown } from "./requests/failing-card.tsx";
import type { RequestClient } from "./requests/request-client.ts";
import { requestPages } from "./requests/routes.ts";
import { routeListPages } from "./route-list/routes.ts";
import { listQuery } from "./requests/filter.tsx";
import type { LiveTails } from "./requests/live-tail.ts";
import type { UpstreamPollers } from "./live/upstream-poller.ts";
import { faultFormRoutes } from "./upstream/fault-routes.ts";
import { overallStatus } from "../wording/verdict.ts";
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
    return renderPage({ state, view, traffic: { range, data }, done });
  };
  const hasTime = (query: Query) => query["from"] !== undefined || query["to"] !== undefined;
  const pastOf = async (id: string, query: Query) => {
    const range = parsePageRange(query, systemWallClock());
    const ofUpstream = { ...range, pool: undefined, upstream: id };
    const [history, { marks }] = await Promise.all([
      readHistory(admin, ofUpstream),
      readMarks(admin, ofUpstream),
    ]);
    return { range, history, marks };
  };
  const liveColumnsOf = async (id: string, window: WindowName) => {
    const history = await admin.history({ upstream: id, window });
    return "value" in history ? history.value.series[0]?.columns : undefined;
  };
  const upstreamPageWith = async (id: string, query: Query) => {
    const window = windowIn(query);
    // The charts of a time take the place of the live ones.
    const [shown, past, columns, failing] = await Promise.all([
      upstreams.of(id).current(),
      hasTime(query) ? pastOf(id, query) : undefined,
      hasTime(query) ? undefined : liveColumnsOf(id, window),
      requests.list(listQuery(failingAt(id), failingShown)),
    ]);
    const isMissing = shown.error?.reason === "missing";
    const done = doneIn(query, { page: "upstream", id });
    const html = renderUpstreamPage({ shown, window, columns, done, failing, past });
    return { html, status: isMissing ? 404 : 200 };
  };

  /** The data of a time, or of a window that ends now. */
  const numbersOf = async (query: Query) => {
    if (query["from"] !== undefined) {
      const range = parsePageRange(query, systemWallClock());
      return { result: await readHistory(admin, range), spanMs: range.to - range.from };
    }
    const historyQuery = historyQueryOf(query);
    const result = await admin.history(historyQuery, "patient");
    return { result, spanMs: windows[historyQuery.window].spanMs };
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

    .get("/upstreams/:id", async ({ html, params: { id }, query, set }) => {
      Object.assign(set.headers, fresh);
      const page = await upstreamPageWith(id, query);
      set.status = page.status;
      return html(page.html);
    })

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

    .get("/live", ({ query }) => live.overview(viewOf(query)) ?? tooMany())
    .get("/live/upstreams/:id", ({ params: { id } }) => live.upstream(id) ?? tooMany())

    .use(actionRoutes({ poller, upstreams, admin, undoHistory }))
    .use(faultFormRoutes({ poller, upstreams, admin, undoHistory }))

    .get("/api/history", async ({ query }) => {
      const result = await admin.history(historyQueryOf(query), "patient");
      if ("value" in result) return Response.json(result.value, { headers: fresh });
      return errorResponse(result.error);
    })

    .get("/numbers", async ({ html, query, set }) => {
      Object.assign(set.headers, fresh);
      const { result, spanMs } = await numbersOf(query);
      const series = "value" in result ? result.value.series.map(({ columns }) => columns) : [];
      return html(renderNumbers(sumColumns(series), spanMs));
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

function windowIn(query: Query): WindowName {
  return windowNamed(query["window"] ?? "") ?? "5m";
}

function historyQueryOf(query: Query): HistoryQuery {
  const { pool, upstream, since } = query;
  return {
    pool,
    upstream,
    window: windowIn(query),
    ...(since === undefined ? {} : { since: Number(since) || 0 }),
  };
}

function tooMany(): Response {
  return textResponse(503, "Too many dashboards are open.");
}

/** Routes of the page of routes, and of the same rows as CSV and JSON. */

import { Elysia } from "elysia";
import { systemWallClock } from "../../lib/clock.ts";
import { targetText } from "../../wording/routes.ts";
import type { AdminClient } from "../admin-client.ts";
import { type CsvColumns, csvFile } from "../csv-file.ts";
import type { SnapshotPoller } from "../live/poller.ts";
import { errorResponse, fresh, htmlResponse, httpStatusOf, isForPart } from "../responses.ts";
import { renderRoutesPage, renderRoutesPart, type RoutesPageProps } from "./page.tsx";
import { type ListedRoute, parseRouteView, shownRoutes } from "./route-view.ts";

export interface RouteListOptions {
  readonly poller: SnapshotPoller;
  readonly admin: Pick<AdminClient, "routes">;
}

const columns: CsvColumns<ListedRoute> = {
  route: ({ report }) => report.route,
  name: ({ report }) => report.name,
  place: ({ report }) => report.place,
  leadsTo: ({ report }) => targetText(report.leadsTo),
  requestsPerSecond: ({ report }) => report.recent.requestsPerSecond,
  errorShare: ({ report }) => report.recent.errorShare,
  requests: ({ report }) => report.recent.requests,
  errors: ({ report }) => report.recent.errors,
  p50Ms: ({ report }) => report.recent.p50Ms,
  p95Ms: ({ report }) => report.recent.p95Ms,
  p99Ms: ({ report }) => report.recent.p99Ms,
  retries: ({ report }) => report.recent.retries,
  refusals: ({ report }) => report.recent.refusals,
  requestsInAll: ({ report }) => report.total.requests,
  errorsInAll: ({ report }) => report.total.errors,
  problems: ({ problems }) => problems.map(({ title }) => title).join("; "),
};

export function routeListPages({ poller, admin }: RouteListOptions) {
  const read = async (request: Request): Promise<RoutesPageProps> => {
    const query = Object.fromEntries(new URL(request.url).searchParams);
    const [result, { snapshot }] = await Promise.all([admin.routes(), poller.current()]);
    const readAt = systemWallClock();
    return { view: parseRouteView(query, readAt), result, snapshot, readAt };
  };

  return new Elysia({ handler: { standardHostname: false } })
    .get("/routes", async ({ request }) => {
      const page = await read(request);
      // A part tells of an error in its place: htmx would drop a response with an error status.
      if (isForPart(request)) return htmlResponse(renderRoutesPart(page));
      const { result } = page;
      return htmlResponse(renderRoutesPage(page), "error" in result ? httpStatusOf(result.error) : 200);
    })

    .get("/routes.json", async ({ request }) => {
      const { view, result, snapshot } = await read(request);
      if ("error" in result) return errorResponse(result.error);
      const { routes, others } = result.value;
      const shown = shownRoutes(routes, snapshot?.problems ?? [], view).map(({ report }) => report);
      return Response.json({ routes: shown, others }, { headers: fresh });
    })

    .get("/routes.csv", async ({ request }) => {
      const { view, result, snapshot } = await read(request);
      if ("error" in result) return errorResponse(result.error);
      return csvFile("routes", columns, shownRoutes(result.value.routes, snapshot?.problems ?? [], view));
    });
}

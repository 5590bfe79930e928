/** Routes of the page of routes, and of the same rows as CSV and JSON. */

import { Elysia } from "elysia";
import { csvOf } from "../../lib/csv.ts";
import { systemWallClock } from "../../lib/clock.ts";
import type { RouteReport } from "../../snapshot/route-report.ts";
import { targetText } from "../../wording/routes.ts";
import type { AdminClient } from "../admin-client.ts";
import type { SnapshotPoller } from "../live/poller.ts";
import { csvResponse, errorResponse, fresh, htmlResponse, httpStatusOf, isForPart } from "../responses.ts";
import { renderRoutesPage, renderRoutesPart, type RoutesPageProps } from "./page.tsx";
import { parseRouteView, shownRoutes } from "./route-view.ts";

export interface RouteListOptions {
  readonly poller: SnapshotPoller;
  readonly admin: Pick<AdminClient, "routes">;
}

const columns = [
  ...["route", "name", "place", "leadsTo", "requestsPerSecond", "errorShare", "requests", "errors"],
  ...["p50Ms", "p95Ms", "p99Ms", "retries", "refusals", "requestsInAll", "errorsInAll", "problems"],
];

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
      const shown = shownRoutes(result.value.routes, snapshot?.problems ?? [], view);
      const rows = shown.map(({ report, problems }) => [
        ...cellsOf(report),
        problems.map(({ title }) => title).join("; "),
      ]);
      return csvResponse("routes", csvOf(columns, rows));
    });
}

function cellsOf({ route, name, place, leadsTo, recent, total }: RouteReport) {
  const { requestsPerSecond, errorShare, requests, errors, p50Ms, p95Ms, p99Ms, retries, refusals } = recent;
  return [
    ...[route, name, place, targetText(leadsTo), requestsPerSecond, errorShare, requests, errors],
    ...[p50Ms, p95Ms, p99Ms, retries, refusals, total.requests, total.errors],
  ];
}

/** How a viewer sees the list of routes: order, filter, pool and time. Kept in the address of the page. */

import type { ServiceProblem } from "../../problems/problem.ts";
import { isOpenProblem } from "../../problems/problem.ts";
import type { RouteReport, RoutesReport } from "../../snapshot/route-report.ts";
import type { AdminResult } from "../admin-client.ts";
import { type RouteSortKey, routeSortKeys, sortedRoutes, targetText } from "../../wording/routes.ts";
import { type PageRange, parsePageRange, rangeAddress } from "../page-range.ts";
import { type SortDirection, nextSort, parseSort, type Sort, sortFields } from "../sort.ts";

export interface RouteView {
  /** Undefined: the most failing requests first. */
  readonly sort: Sort<RouteSortKey> | undefined;
  /** Shows only routes whose name, place, host, path or target contains this; empty shows all. */
  readonly filter: string;
  /** Shows only routes that lead to this pool. */
  readonly pool: string | undefined;
  /** Shows only routes with errors or with a problem. */
  readonly onlyProblems: boolean;
  /** The time that links carry on; the numbers are always those of the last minute. */
  readonly range: PageRange | undefined;
}

type Query = Readonly<Record<string, string | undefined>>;

/** Characters of a filter and of a name; the rest is dropped. */
const maxChars = 200;

/** @param now epoch milliseconds */
export function parseRouteView(query: Query, now: number): RouteView {
  const hasTime = query["from"] !== undefined || query["to"] !== undefined;
  return {
    sort: parseSort(query, routeSortKeys, firstDirection),
    filter: (query["filter"] ?? "").trim().slice(0, maxChars),
    pool: (query["pool"] ?? "").slice(0, maxChars) || undefined,
    onlyProblems: query["show"] === "problems",
    range: hasTime ? parsePageRange(query, now) : undefined,
  };
}

/** Numbers sort the highest first, names from A. */
function firstDirection(by: RouteSortKey): SortDirection {
  return by === "name" ? "up" : "down";
}

export function afterHeadClick(view: RouteView, by: RouteSortKey): RouteView {
  return { ...view, sort: nextSort(view.sort, by, firstDirection(by)) };
}

/** The parameters of the view beside its time. */
export function routeViewFields({ sort, filter, pool, onlyProblems }: RouteView): Record<string, string> {
  return {
    ...sortFields(sort),
    ...(filter === "" ? {} : { filter }),
    ...(pool === undefined ? {} : { pool }),
    ...(onlyProblems ? { show: "problems" } : {}),
  };
}

/** The address of the page with this view. @param isFixed whether it has the time of now in the place of a relative one */
export function routesAddress(view: RouteView, { isFixed = false } = {}): string {
  const range = view.range && isFixed ? { ...view.range, isLive: false } : view.range;
  return timedAddress("/routes", range, routeViewFields(view));
}

/** An address with the time of the page, if it has one. */
export function timedAddress(
  path: string,
  range: PageRange | undefined,
  more: Readonly<Record<string, string>>,
): string {
  if (range)
    return rangeAddress(path, { ...range, pool: undefined, upstream: undefined, route: undefined }, { more });
  const query = new URLSearchParams(more);
  return query.size > 0 ? `${path}?${query}` : path;
}

/** A route with the open problems that hit it, the worst first. */
export interface ListedRoute {
  readonly report: RouteReport;
  readonly problems: readonly ServiceProblem[];
}

/** The routes that a view shows, in its order. */
export function shownRoutes(
  routes: readonly RouteReport[],
  problems: readonly ServiceProblem[],
  { sort, filter, pool, onlyProblems }: RouteView,
): readonly ListedRoute[] {
  const wanted = filter.toLowerCase();
  const sorted = sort ? sortedRoutes(routes, sort.by, sort.direction) : routes;
  const hitting = problemsByRoute(problems);
  return sorted
    .filter((report) => pool === undefined || report.leadsTo.pools.includes(pool))
    .filter((report) => wanted === "" || haystackOf(report).includes(wanted))
    .map((report) => ({ report, problems: hitting.get(report.route) ?? [] }))
    .filter((each) => !onlyProblems || each.problems.length > 0 || each.report.recent.errors > 0);
}

function problemsByRoute(problems: readonly ServiceProblem[]): ReadonlyMap<string, ServiceProblem[]> {
  const byRoute = new Map<string, ServiceProblem[]>();
  for (const problem of problems) {
    if (!isOpenProblem(problem)) continue;
    for (const route of problem.hits.routes) {
      const known = byRoute.get(route);
      if (known) known.push(problem);
      else byRoute.set(route, [problem]);
    }
  }
  return byRoute;
}

function haystackOf({ route, place, hosts, path, leadsTo }: RouteReport): string {
  return [route, place, ...hosts, path ?? "", targetText(leadsTo)].join(" ").toLowerCase();
}

/** What kept and recent requests call the route. */
export function requestRoute({ name, place }: RouteReport): string {
  return name ?? place;
}

/** What routes are called that have no name, by their place in the configuration: host and path. */
export type RouteNames = ReadonlyMap<string, string>;

/** Kept requests have only the place of such a route. Empty where the routes could not be read. */
export function routeNames(report: AdminResult<RoutesReport>): RouteNames {
  const routes = "value" in report ? report.value.routes : [];
  return new Map(routes.map((each) => [requestRoute(each), each.route]));
}

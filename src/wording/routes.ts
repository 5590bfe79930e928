/** Words for routes: where one leads, the routes that are counted together, and the order of a list. */

import type { OtherRoutesReport, RouteReport, RouteTarget } from "../snapshot/route-report.ts";
import { countWithNoun } from "./format.ts";

const targetKinds: Readonly<Record<RouteTarget["kind"], string>> = {
  pool: "pool",
  split: "split",
  redirect: "redirect to",
  respond: "responds with",
};

/** "pool main", "redirect to https://new.example" */
export function targetText({ kind, words }: RouteTarget): string {
  return `${targetKinds[kind]} ${words}`;
}

export function otherRoutesText({ routes }: OtherRoutesReport): string {
  return `${countWithNoun(routes, "other route")}, counted together`;
}

export const routeSortKeys = ["name", "rps", "errors", "p50", "p95", "p99", "retries", "refusals"] as const;
export type RouteSortKey = (typeof routeSortKeys)[number];

const valueOf: Readonly<Record<Exclude<RouteSortKey, "name">, (route: RouteReport) => number>> = {
  rps: ({ recent }) => recent.requestsPerSecond,
  errors: ({ recent }) => recent.errorShare,
  p50: ({ recent }) => recent.p50Ms ?? -1,
  p95: ({ recent }) => recent.p95Ms ?? -1,
  p99: ({ recent }) => recent.p99Ms ?? -1,
  retries: ({ recent }) => recent.retries,
  refusals: ({ recent }) => recent.refusals,
};

const alphabet = new Intl.Collator("en", { numeric: true });

/** Equals stay in their order. */
export function sortedRoutes(
  routes: readonly RouteReport[],
  by: RouteSortKey,
  direction: "up" | "down",
): readonly RouteReport[] {
  const sign = direction === "up" ? 1 : -1;
  if (by === "name") return routes.toSorted((one, other) => sign * alphabet.compare(one.route, other.route));
  const value = valueOf[by];
  return routes.toSorted((one, other) => sign * (value(one) - value(other)));
}

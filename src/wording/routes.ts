/** Words for routes: where one leads, the routes that are counted together, and the order of a list. */

import type { OtherRoutesReport, RouteReport, RoutesReport, RouteTarget } from "../snapshot/route-report.ts";
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

/** The routes that lead to one pool. */
export interface LeadingRoutes {
  /** The first one in the configuration, as host and path or by its name. */
  readonly first: string;
  readonly count: number;
  /** Names, hosts and paths of all of them in lower case, for a search. */
  readonly find: string;
}

/** By the name of the pool. */
export type PoolRoutes = ReadonlyMap<string, LeadingRoutes>;

/** In the order of the configuration, in which the first match counts. */
export function routesByPool({ routes }: Pick<RoutesReport, "routes">): PoolRoutes {
  const leading = new Map<string, RouteReport[]>();
  for (const route of routes.toSorted((one, other) => alphabet.compare(one.place, other.place)))
    for (const pool of route.leadsTo.pools) {
      const known = leading.get(pool);
      if (known) known.push(route);
      else leading.set(pool, [route]);
    }
  const entries = [...leading].map(([pool, all]) => {
    const texts = all.map(addressesOf);
    const names = all.flatMap(({ name }) => name ?? []);
    const find = [...texts.flat(), ...names].join(" ").toLowerCase();
    return [pool, { first: texts[0]?.[0] ?? "", count: all.length, find }] as const;
  });
  return new Map(entries);
}

/** A route without hosts and path takes everything. */
function addressesOf({ hosts, path, route }: RouteReport): readonly string[] {
  if (hosts.length === 0) return [path ?? route];
  return hosts.map((host) => `${host}${path === null || path === "/" ? "" : path}`);
}

/** "shop.example.com/checkout", "shop.example.com/checkout +2" */
export function leadingText({ first, count }: LeadingRoutes): string {
  return count > 1 ? `${first} +${count - 1}` : first;
}

/** Reports of routes, for tests of what shows them. */

import type { RouteReport, RoutesReport } from "../../src/snapshot/route-report.ts";

interface Given {
  readonly route: string;
  readonly rps?: number;
  readonly errors?: number;
  readonly change?: Partial<RouteReport>;
}

/** The route of host and path, or of a name, which leads to pool main; its traffic is that of a minute. */
export function routeReport({ route, rps = 0, errors = 0, change = {} }: Given): RouteReport {
  const slash = route.indexOf("/");
  const requests = Math.round(rps * 60);
  const numbers = { requests, errors, retries: 0, refusals: 0 };
  const latency = rps > 0 ? { p50Ms: 12, p95Ms: 48, p99Ms: 130 } : { p50Ms: null, p95Ms: null, p99Ms: null };
  return {
    ...{ route, name: slash < 0 ? route : null, place: "routes[0]" },
    ...{ hosts: slash > 0 ? [route.slice(0, slash)] : [], path: slash < 0 ? null : route.slice(slash) },
    leadsTo: { kind: "pool", words: "main", pools: ["main"] },
    recent: {
      ...{ ...numbers, seconds: 60, requestsPerSecond: rps },
      ...{ errorShare: requests > 0 ? errors / requests : 0, ...latency },
    },
    total: { ...numbers, requests: requests * 90 },
    ...change,
  };
}

/** A shop with one route that fails, a split, a redirect, and 34 routes beyond the limit of counters. */
export function someRoutes(): RoutesReport {
  const checkout = routeReport({ route: "shop.example.com/checkout", rps: 412, errors: 620 });
  const search = routeReport({ route: "www.example.com/search", rps: 118.3, errors: 2 });
  return {
    routes: [
      { ...checkout, recent: { ...checkout.recent, retries: 310, p95Ms: 96, p99Ms: 141 } },
      {
        ...search,
        place: "routes[2]",
        leadsTo: { kind: "split", words: "main (90), canary (10)", pools: ["main", "canary"] },
        recent: { ...search.recent, p50Ms: 240, p95Ms: 1_900, p99Ms: 2_400 },
      },
      routeReport({ route: "login", rps: 9.6, change: { place: "routes[1]", name: "login" } }),
      routeReport({
        route: "old.example.com/",
        rps: 0.4,
        change: {
          place: "routes[3]",
          leadsTo: { kind: "redirect", words: "https://www.example.com", pools: [] },
        },
      }),
      routeReport({
        route: "/closed",
        change: {
          place: "routes[4]",
          leadsTo: { kind: "respond", words: "status 410", pools: [] },
        },
      }),
    ],
    others: {
      routes: 34,
      ...(({ recent, total }) => ({ recent, total }))(routeReport({ route: "", rps: 3 })),
    },
  };
}

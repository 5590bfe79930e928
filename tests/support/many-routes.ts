/** Route tables of any size, and requests for their routes: for measurements. */

import type { Destination, RouteTable } from "../../src/proxy/route.ts";
import { createRouteTable, type RouteEntry } from "../../src/routing/route-table.ts";
import { testHead } from "./request-head.ts";

/** @param perHost routes of each host, with paths of three segments and 24 characters */
export function manyRoutes(count: number, perHost: number): readonly RouteEntry[] {
  return Array.from({ length: count }, (_, index) => ({
    conditions: {
      hosts: [hostOf(index, perHost)],
      path: { kind: "prefix" as const, text: pathOf(index) },
    },
    route: { place: `routes[${index}]`, destination: {} as Destination },
  }));
}

const hostOf = (index: number, perHost: number) => `h${Math.floor(index / perHost)}.shop.example`;
const pathOf = (index: number) =>
  `/a${String(index % 10)}/b${String(Math.floor(index / 10) % 100)}/c${index}`;

/**
 * @param options.distinct so many routes are asked for in turn: with few of them the processor's caches hold what they need
 * @returns nanoseconds for each, the best of several runs
 */
export function lookupNs(
  count: number,
  perHost: number,
  { runs = 200, lookups = 5_000, distinct = 1_000 } = {},
): number {
  const table: RouteTable = createRouteTable(manyRoutes(count, perHost));
  const heads = Array.from({ length: 1_000 }, (_, number) => {
    const index = ((number % distinct) * 7_919) % count;
    return testHead({
      host: hostOf(index, perHost),
      target: pathOf(index).padEnd(24, "/rest-of-the-path"),
    });
  });
  let best = Infinity;
  for (let run = 0; run < runs; run++) {
    const before = performance.now();
    let found = 0;
    for (let i = 0; i < lookups; i++)
      if (table.find(heads[i % 1_000] as (typeof heads)[0])?.route) found += 1;
    if (found !== lookups) throw new Error(`Cannot measure: ${lookups - found} requests have no route`);
    best = Math.min(best, ((performance.now() - before) / lookups) * 1e6);
  }
  return best;
}

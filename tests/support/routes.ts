/** Route tables for tests that begin behind the configuration. */

import type { Destination, Route, ExplainedRouteTable } from "../../src/proxy/route.ts";
import type { RouteConditions } from "../../src/routing/conditions.ts";
import type { RouteLimits } from "../../src/registry/route-destination.ts";
import { createRouteTable, type RouteTableOptions } from "../../src/routing/route-table.ts";

export interface TestRoute extends Partial<Omit<Route, "path">> {
  readonly host?: string;
  /** This path and all below it. */
  readonly path?: string;
  /** More conditions. */
  readonly conditions?: RouteConditions;
  /** In place of those of the destination. */
  readonly limits?: RouteLimits;
  /** It has no destination. */
  readonly isAnswered?: boolean;
}

export function routeTable(routes: readonly TestRoute[], options?: RouteTableOptions): ExplainedRouteTable {
  const entries = routes.map(({ host, path, conditions, limits: _, isAnswered: __, ...route }, index) => ({
    conditions: {
      ...(host !== undefined && { hosts: [host] }),
      ...(path !== undefined && { path: { kind: "prefix" as const, text: path } }),
      ...conditions,
    },
    route: { place: `routes[${index}]`, ...(path !== undefined && { path }), ...route },
  }));
  return createRouteTable(entries, options);
}

/** One route that takes every request. */
export function routeTo(destination: Destination): ExplainedRouteTable {
  return routeTable([{ destination }]);
}

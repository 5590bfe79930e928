/** Builds the routes that run from the configured ones: destinations, filters in their fixed order, and the table. */

import type { Config, RouteConfig } from "../config/config.ts";
import type { RequestFilter } from "../proxy/filter.ts";
import type { Destination, Route, RouteHandling, RouteTable } from "../proxy/route.ts";
import { createRouteTable } from "../routing/route-table.ts";

export interface RouteCompilerOptions {
  readonly config: Config;
  /** By name of the pool. */
  readonly destinations: ReadonlyMap<string, Destination>;
}

export function compileRoutes({ config, destinations }: RouteCompilerOptions): RouteTable {
  const entries = config.routes.map((route) => ({
    conditions: route.conditions,
    route: compiledRoute(route, destinations),
  }));
  return createRouteTable(entries, { takesAmbiguousPaths: config.ambiguousPaths === "pass" });
}

function compiledRoute(config: RouteConfig, destinations: RouteCompilerOptions["destinations"]): Route {
  const { place, name, pool, conditions, isRedirected } = config;
  const destination = pool === undefined ? undefined : destinations.get(pool);
  const handling = handlingOf(config);
  return {
    place,
    ...(name !== undefined && { name }),
    ...(conditions.hosts && { hosts: conditions.hosts }),
    ...(conditions.path && { path: conditions.path.text }),
    ...(isRedirected === false && { isRedirected }),
    ...(destination && { destination }),
    ...(handling && { handling }),
  };
}

/** @returns undefined for a route that only sends its requests to a pool */
function handlingOf(config: RouteConfig): RouteHandling | undefined {
  const filters = filtersOf(config);
  return filters.length > 0 ? { filters } : undefined;
}

/** In the order in which they decide, so that a request that is not served costs nothing more. */
function filtersOf(_config: RouteConfig): readonly RequestFilter[] {
  return [];
}

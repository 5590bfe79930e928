/** Builds the routes that run from the configured ones: destinations, filters in their fixed order, and the table. */

import type { Config, RouteConfig } from "../config/config.ts";
import { filterUseOf } from "../config/extension-checks.ts";
import type { Extensions } from "../extension/extensions.ts";
import type { Deadlines } from "../proxy/deadlines.ts";
import type { RequestFilter } from "../proxy/filter.ts";
import type { Destination, Route, RouteHandling, ExplainedRouteTable } from "../proxy/route.ts";
import { createRouteTable } from "../routing/route-table.ts";
import type { AccessFilters, RouteAccess } from "./access-filters.ts";
import {
  answerFilters,
  corsFilters,
  messageEdits,
  pathFilters,
  unmatchedRequests,
} from "./message-filters.ts";
import { routeDestination } from "./route-destination.ts";

export interface RouteCompilerOptions {
  readonly config: Config;
  /** By name of the pool. */
  readonly destinations: ReadonlyMap<string, Destination>;
  readonly extensions?: Extensions | undefined;
  /** Deadlines of a route that has a total timeout of its own. */
  readonly createDeadlines: () => Deadlines;
  readonly access: AccessFilters;
}

export function compileRoutes({ config, access, ...parts }: RouteCompilerOptions): ExplainedRouteTable {
  const entries = access.compile(config, parts.destinations, (accessOf) =>
    config.routes.map((route) => ({
      conditions: route.conditions,
      route: compiledRoute(route, { ...parts, access: accessOf(route) }),
    })),
  );
  return createRouteTable(entries, {
    takesAmbiguousPaths: config.ambiguousPaths === "pass",
    unmatched: unmatchedRequests(config.defaults),
  });
}

/** What one route is built from. */
interface RouteParts extends Omit<RouteCompilerOptions, "config" | "access"> {
  readonly access: RouteAccess;
}

function compiledRoute(config: RouteConfig, { destinations, createDeadlines, ...parts }: RouteParts): Route {
  const { place, name, pool, conditions, isRedirected, settings } = config;
  const ofPool = pool === undefined ? undefined : destinations.get(pool);
  const destination = ofPool && routeDestination(ofPool, settings, createDeadlines);
  const handling = handlingOf(config, parts);
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

type FilterParts = Partial<Omit<RouteParts, "destinations" | "createDeadlines">>;

/** @returns undefined for a route that only sends its requests to a pool */
export function handlingOf(config: RouteConfig, parts: FilterParts = {}): RouteHandling | undefined {
  const handling = { filters: filtersOf(config, parts), ...messageEdits(config) };
  return handling.filters.length > 0 || Object.keys(handling).length > 1 ? handling : undefined;
}

/** In the order in which they decide, so that a request that is not served costs nothing more. */
function filtersOf(config: RouteConfig, { access, extensions }: FilterParts): readonly RequestFilter[] {
  return [
    ...(access?.byAddress ?? []),
    ...corsFilters(config),
    ...(access?.byClient ?? []),
    ...extensionFiltersOf(config.settings.filters ?? [], extensions),
    ...answerFilters(config),
    ...pathFilters(config),
  ];
}

function extensionFiltersOf(
  uses: NonNullable<RouteConfig["settings"]["filters"]>,
  extensions: Extensions | undefined,
): readonly RequestFilter[] {
  return uses.flatMap((value) => {
    const use = filterUseOf(value);
    return use && extensions ? [extensions.createFilter(use.name, use.settings)] : [];
  });
}

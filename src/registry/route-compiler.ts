/** Builds the routes that run from the configured ones: destinations, filters in their fixed order, and the table. */

import type { Config, RouteConfig } from "../config/config.ts";
import { countedRoutes } from "../config/counted-routes.ts";
import { filterUseOf } from "../config/extension-checks.ts";
import type { Extensions } from "../extension/extensions.ts";
import type { Deadlines } from "../proxy/deadlines.ts";
import type { RequestFilter } from "../proxy/filter.ts";
import type { Destination, Route, RouteHandling, RouteSplit, ExplainedRouteTable } from "../proxy/route.ts";
import { sizeOf } from "../config/values.ts";
import { createCompression, defaultMinBytes, defaultTypes } from "../filter/compression.ts";
import { contentCodings, type ResponseCompression } from "../proxy/compression.ts";
import { createSplit, type StickBy } from "../filter/split.ts";
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
  const counters = countedRoutes(config.routes);
  const entries = access.compile(config, parts.destinations, (accessOf) =>
    config.routes.map((route, index) => ({
      conditions: route.conditions,
      route: compiledRoute(route, { ...parts, access: accessOf(route), counter: counters[index] ?? "" }),
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
  readonly counter: string;
}

function compiledRoute(
  config: RouteConfig,
  { destinations, createDeadlines, counter, ...parts }: RouteParts,
): Route {
  const { place, name, pool, conditions, isRedirected, settings } = config;
  const destinationOf = (poolName: string) => {
    const ofPool = destinations.get(poolName);
    return ofPool && routeDestination(ofPool, settings, createDeadlines);
  };
  const destination = pool === undefined ? undefined : destinationOf(pool);
  const split = splitOf(config, destinationOf);
  const handling = handlingOf(config, parts, split !== undefined || destination?.sticky !== undefined);
  return {
    place,
    counter,
    ...(name !== undefined && { name }),
    ...(conditions.hosts && { hosts: conditions.hosts }),
    ...(conditions.path && { path: conditions.path.text }),
    ...(isRedirected === false && { isRedirected }),
    ...(destination && { destination }),
    ...(split && { split }),
    ...(handling && { handling }),
  };
}

/** @returns undefined for a route that does not split its requests */
function splitOf(
  { split, name, conditions }: RouteConfig,
  destinationOf: (pool: string) => Destination | undefined,
): RouteSplit | undefined {
  if (!split) return undefined;
  const { pools, stickBy, fallback } = split;
  // Not its place in the file: other routes may be written before it.
  const routeId = name ?? `${conditions.hosts?.join(",") ?? ""}${conditions.path?.text ?? ""}`;
  return createSplit({
    routeId,
    pools: Object.entries(pools).flatMap(([pool, weight]) => {
      const destination = destinationOf(pool);
      return destination ? [{ destination, weight }] : [];
    }),
    // The schema has checked its form.
    stickBy: stickBy as StickBy | undefined,
    fallback,
  });
}

type FilterParts = Partial<Omit<RouteParts, "destinations" | "createDeadlines" | "counter">>;

/** @returns undefined for a route that only sends its requests to a pool */
export function handlingOf(
  config: RouteConfig,
  parts: FilterParts = {},
  isNeeded = false,
): RouteHandling | undefined {
  const compression = compressionOf(config);
  const handling = {
    filters: filtersOf(config, parts),
    ...messageEdits(config),
    ...(compression && { compression }),
  };
  const isUsed = isNeeded || handling.filters.length > 0 || Object.keys(handling).length > 1;
  return isUsed ? handling : undefined;
}

function compressionOf({ settings: { compress } }: RouteConfig): ResponseCompression | undefined {
  if (compress === undefined || compress === false) return undefined;
  const { types, minSize, codings, level } = compress === true ? {} : compress;
  return createCompression({
    types: types ?? defaultTypes,
    minBytes: minSize === undefined ? defaultMinBytes : sizeOf(minSize),
    codings: codings ?? contentCodings,
    level,
  });
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

/** Builds the routes that run from the configured ones: destinations, filters in their fixed order, and the table. */

import type { Config, RouteConfig } from "../config/config.ts";
import { filterUseOf } from "../config/extension-checks.ts";
import type { Extensions } from "../extension/extensions.ts";
import type { RequestFilter } from "../proxy/filter.ts";
import { sizeOf } from "../config/values.ts";
import { createCompression, defaultMinBytes, defaultTypes } from "../filter/compression.ts";
import { contentCodings, type ResponseCompression } from "../proxy/compression.ts";
import { createSplit, type StickBy } from "../filter/split.ts";
import type { Destination, Route, RouteHandling, RouteSplit, RouteTable } from "../proxy/route.ts";
import { createRouteTable } from "../routing/route-table.ts";

export interface RouteCompilerOptions {
  readonly config: Config;
  /** By name of the pool. */
  readonly destinations: ReadonlyMap<string, Destination>;
  readonly extensions?: Extensions | undefined;
}

export function compileRoutes({ config, destinations, extensions }: RouteCompilerOptions): RouteTable {
  const entries = config.routes.map((route) => ({
    conditions: route.conditions,
    route: compiledRoute(route, { destinations, extensions }),
  }));
  return createRouteTable(entries, { takesAmbiguousPaths: config.ambiguousPaths === "pass" });
}

type Parts = Omit<RouteCompilerOptions, "config">;

function compiledRoute(config: RouteConfig, { destinations, ...parts }: Parts): Route {
  const { place, name, pool, conditions, isRedirected } = config;
  const destination = pool === undefined ? undefined : destinations.get(pool);
  const split = splitOf(config, destinations);
  const handling = handlingOf(config, parts, split !== undefined || destination?.sticky !== undefined);
  return {
    place,
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
  destinations: RouteCompilerOptions["destinations"],
): RouteSplit | undefined {
  if (!split) return undefined;
  const { pools, stickBy, fallback } = split;
  // Not its place in the file: other routes may be written before it.
  const routeId = name ?? `${conditions.hosts?.join(",") ?? ""}${conditions.path?.text ?? ""}`;
  return createSplit({
    routeId,
    pools: Object.entries(pools).flatMap(([pool, weight]) => {
      const destination = destinations.get(pool);
      return destination ? [{ destination, weight }] : [];
    }),
    // The schema has checked its form.
    stickBy: stickBy as StickBy | undefined,
    fallback,
  });
}

/** @returns undefined for a route that only sends its requests to a pool */
function handlingOf(
  config: RouteConfig,
  parts: Omit<Parts, "destinations">,
  changesRequests: boolean,
): RouteHandling | undefined {
  const filters = filtersOf(config, parts);
  const compression = compressionOf(config);
  if (filters.length === 0 && !changesRequests && !compression) return undefined;
  return { filters, ...(compression && { compression }) };
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
function filtersOf(
  { settings }: RouteConfig,
  { extensions }: Omit<Parts, "destinations">,
): readonly RequestFilter[] {
  return [...extensionFiltersOf(settings.filters ?? [], extensions)];
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

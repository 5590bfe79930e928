/** Routes as a file has them, for tests of engines: conditions, filters and limits come from the configuration. */

import type { RouteFile } from "../../src/config/route-schema.ts";
import { defaultSettingsOf, routeConfigsOf } from "../../src/config/routes.ts";
import type { ConfigFile } from "../../src/config/schema.ts";
import { unmatchedRequests } from "../../src/registry/message-filters.ts";
import { handlingOf } from "../../src/registry/route-compiler.ts";
import type { RouteLimits } from "../../src/registry/route-destination.ts";
import type { TestRoute } from "./routes.ts";

export interface ConfiguredRoute extends TestRoute {
  readonly limits: RouteLimits;
}

export type RouteFiles = Readonly<Record<string, string>>;

/** @param files contents by name */
export function configuredRoutes(
  routes: readonly RouteFile[],
  files: RouteFiles = {},
): readonly ConfiguredRoute[] {
  return routeConfigsOf({ routes: [...routes] }, "main", new Map(Object.entries(files))).map((config) => {
    const handling = handlingOf(config);
    const { conditions, settings, place, name, pool } = config;
    return {
      ...{ conditions, place, limits: settings, isAnswered: pool === undefined },
      ...(name !== undefined && { name }),
      ...(handling && { handling }),
    };
  });
}

/** What `defaults` mean for requests that no route takes. */
export function unmatchedBy(defaults: NonNullable<ConfigFile["defaults"]>, files: RouteFiles = {}) {
  return unmatchedRequests(defaultSettingsOf({ defaults }, new Map(Object.entries(files))));
}

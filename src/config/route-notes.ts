/** What an operator should know about routes that are valid: falls to other pools, and what changed with their precedence. */

import type { RouteConditions } from "../routing/conditions.ts";
import { precedenceChanges } from "../routing/precedence-changes.ts";
import { clientFalls } from "../routing/route-overlaps.ts";
import type { Config, RouteConfig } from "./config.ts";

/** More than people read. */
const maxListed = 20;

/** Warnings about routes: conditions that look like a protection, and are none. Sentences without a full stop. */
export function routeWarnings({ routes, listeners }: Config): readonly string[] {
  const conditions = routes.map((route) => route.conditions);
  const falls = clientFalls(conditions, listeners[0]?.name ?? "").filter(
    ({ index, to }) => endOf(routes[index]) !== endOf(routes[to]),
  );
  return listed(
    falls.map(({ index, to }) => {
      const [route, other] = [routes[index] as RouteConfig, routes[to] as RouteConfig];
      return `${route.place}: clients outside its client list get ${other.place}, which leads to ${endText(other)}; a condition chooses a route and protects nothing, so use allow to refuse them`;
    }),
  );
}

/** Notes for `check`: routes of which an older file may have meant another order. Sentences without a full stop. */
export function precedenceNotes({ routes }: Config): readonly string[] {
  const ordered = routes.map((route) => ({ conditions: route.conditions, end: endOf(route) }));
  const changes = precedenceChanges(ordered).map(({ index, before }) => {
    const [route, other] = [routes[index] as RouteConfig, routes[before] as RouteConfig];
    return `${describeRoute(route)} stands below ${describeRoute(other)}, which took their common requests while the first matching route applied; it is more specific and takes them now`;
  });
  return listed(changes);
}

/** Notes for `plan`, before a file takes effect: also what happens to requests without a route. */
export function routeNotes(config: Config): readonly string[] {
  const { routes, pools } = config;
  const [firstPool] = pools;
  const hasDefault = routes.some(({ conditions }) => takesEverything(conditions));
  return [
    ...precedenceNotes(config),
    ...(hasDefault || !firstPool
      ? []
      : [
          `requests of no route get 404 no_route; they went to pool ${firstPool.name} before: add { pool: ${firstPool.name} } as a route to keep that`,
        ]),
  ];
}

function takesEverything({ path, ...others }: RouteConditions): boolean {
  return (
    Object.keys(others).length === 0 && (path === undefined || (path.kind === "prefix" && path.text === "/"))
  );
}

/** Equal for routes that do the same with a request, as far as it matters here. */
function endOf(route: RouteConfig | undefined): string {
  return JSON.stringify([route?.pool, route?.split, route?.redirect, route?.respond, route?.isRedirected]);
}

function endText({ pool, split, redirect }: RouteConfig): string {
  if (pool !== undefined) return `pool ${pool}`;
  return split ? "a split" : redirect ? "a redirect" : "a response";
}

/** "routes[3] (host shop.example, path /api)" */
export function describeRoute({ place, conditions: { hosts, path } }: RouteConfig): string {
  const parts = [
    ...(hosts ? [`host ${hosts.slice(0, 3).join(", ")}${hosts.length > 3 ? " and more" : ""}`] : []),
    ...(path ? [`path ${path.text}`] : []),
  ];
  return parts.length > 0 ? `${place} (${parts.join(", ")})` : `${place} (every host and path)`;
}

function listed(sentences: readonly string[]): readonly string[] {
  const more = sentences.length - maxListed;
  return more > 0 ? [...sentences.slice(0, maxListed), `and ${more} more routes like these`] : sentences;
}

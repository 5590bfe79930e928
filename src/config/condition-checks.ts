/** Checks of the conditions of routes: paths, listeners, and routes that no request reaches. They skip values of a wrong form. */

import type { RouteConditions } from "../routing/conditions.ts";
import { parsePathPattern } from "../routing/path-pattern.ts";
import { escapeBeyondAscii, hasReadings, writtenPath } from "../proxy/request-path.ts";
import { shadowedRoutes } from "../routing/route-overlaps.ts";
import { defaults } from "./config.ts";
import type { Path, Problem } from "./problem.ts";
import type { RouteFile } from "./route-schema.ts";
import { conditionsOf } from "./routes.ts";
import { type ConfigSources, valueAt } from "./sources.ts";
import { unknownNames, type UsedName } from "./name-checks.ts";

export function conditionChecks(sources: ConfigSources): readonly Problem[] {
  const given = valueAt(sources.value, ["routes"]);
  const routes = (Array.isArray(given) ? given : []).map(readableConditions);
  return [
    ...unreadablePaths(sources, routes),
    ...unknownListeners(sources, routes),
    ...unreachedRoutes(sources, routes),
  ];
}

type Conditions = readonly (RouteConditions | undefined)[];

/** Undefined for a route whose conditions have a wrong form, which the schema rejects. */
function readableConditions(route: unknown): RouteConditions | undefined {
  return isReadable(route) ? conditionsOf(route) : undefined;
}

const isText = (value: unknown): value is string => typeof value === "string";
const isTexts = (value: unknown) => isText(value) || (Array.isArray(value) && value.every(isText));
const isValues = (value: unknown) =>
  typeof value === "object" &&
  value !== null &&
  Object.values(value).every((one) => typeof one === "boolean" || isTexts(one));

function isReadable(route: unknown): route is RouteFile {
  if (typeof route !== "object" || route === null) return false;
  const has = (key: string, isValid: (value: unknown) => boolean) => {
    const value = valueAt(route, [key]);
    return value === undefined || isValid(value);
  };
  return (
    ["host", "method", "listen"].every((key) => has(key, isTexts)) &&
    ["header", "query", "cookie"].every((key) => has(key, isValues)) &&
    has("client", (value) => Array.isArray(value) && value.every(isText)) &&
    has("path", (value) => isText(value) || isText(valueAt(value, ["exact"])))
  );
}

/** Rejects a template that cannot be read, and a path that only refused requests have. */
function unreadablePaths(sources: ConfigSources, routes: Conditions): readonly Problem[] {
  const passes = valueAt(sources.value, ["ambiguousPaths"]) === "pass";
  return routes.flatMap((conditions, index) => {
    const path = conditions?.path;
    if (!path) return [];
    const isExact = path.kind === "exact";
    const place = ["routes", String(index), "path", ...(isExact ? ["exact"] : [])];
    const pattern = parsePathPattern(path);
    const template = "problem" in pattern ? pattern.problem : undefined;
    const why = template ?? (passes ? undefined : ambiguityOf(path.text));
    return why === undefined ? [] : [sources.problemOf({ path: place, why, value: path.text })];
  });
}

function ambiguityOf(path: string): string | undefined {
  const { text, flaw } = writtenPath(escapeBeyondAscii(path));
  if (!flaw && !hasReadings(text)) return undefined;
  const found = flaw?.text ?? "servers read this path in different ways";
  return `no request would match: ${found}; set another path, or ambiguousPaths: pass`;
}

/** Names that the client listeners have, given or by default. */
function listenerNames(value: unknown): readonly string[] {
  const given = valueAt(value, ["listen"]);
  const listeners: readonly unknown[] = Array.isArray(given) ? given : [given];
  return listeners.map((listener, index) => {
    const name = valueAt(listener, ["name"]);
    return isText(name) ? name : index === 0 ? defaults.listen.name : `listen-${index + 1}`;
  });
}

function unknownListeners(sources: ConfigSources, routes: Conditions): readonly Problem[] {
  const used = routes.flatMap((conditions, index) => {
    const path = ["routes", String(index), "listen"];
    const isList = Array.isArray(valueAt(sources.value, path));
    return (conditions?.listeners ?? []).map((name, position): UsedName => ({
      path: isList ? [...path, String(position)] : path,
      name,
    }));
  });
  return unknownNames(sources, "listener", listenerNames(sources.value), used);
}

/** Rejects routes that get no request, and names the earlier ones that get them all. */
function unreachedRoutes(sources: ConfigSources, routes: Conditions): readonly Problem[] {
  return shadowedRoutes(routes).map(({ index, by, host, isSame }) => {
    const other: Path = ["routes", String(by)];
    const source = sources.sourceOf(other).replace(/^file /, "");
    const where = source === "default" ? "" : ` (${source})`;
    const ofHost = host === undefined ? "" : ` of ${host}`;
    const what = isSame
      ? `has the same host, path and conditions, and gets its requests${ofHost}`
      : `gets all of its requests${ofHost}`;
    const path = ["routes", String(index)];
    return sources.problemOf({
      path,
      why: `no request would reach it: ${sources.subjectOf(other)}${where} ${what}`,
    });
  });
}

/** Checks of what routes change in the path, the query and the host of requests. */

import { beginsWith, pathSegmentsOf } from "../filter/path-segments.ts";
import { parseTemplate } from "../filter/template.ts";
import type { Problem } from "./problem.ts";
import {
  capturesOf,
  type PlacedRoute,
  placedRoutes,
  type SettingsOwner,
  templateProblems,
} from "./route-settings.ts";
import { type ConfigSources, entriesOf, valueAt } from "./sources.ts";

export function pathChecks(sources: ConfigSources): readonly Problem[] {
  return placedRoutes(sources).flatMap((route) => [
    ...stripProblems(sources, route),
    ...contradictions(sources, route),
    ...rewriteProblems(sources, route),
    ...addProblems(sources, route.find("addPrefix")),
  ]);
}

function stripProblems(sources: ConfigSources, route: PlacedRoute): readonly Problem[] {
  const strip = route.find("stripPrefix");
  if (!strip || strip.value === false) return [];
  const problem = (why: string) => [sources.problemOf({ ...strip, why })];
  const path = pathOf(route.route);
  const segments = path && pathSegmentsOf(path);
  if (!segments || segments.length === 0)
    return problem(`there is nothing to cut: ${nameOf(sources, route)} has no path`);
  if (typeof strip.value !== "string") return [];
  const prefix = pathSegmentsOf({
    kind: path.kind === "template" ? "template" : "prefix",
    text: strip.value,
  });
  if (beginsWith(segments, prefix)) return [];
  return problem(`expected a beginning of the path ${path.text} of ${nameOf(sources, route)}, up to a slash`);
}

function pathOf(route: unknown) {
  const path = valueAt(route, ["path"]);
  const exact = valueAt(path, ["exact"]);
  if (typeof exact === "string") return { kind: "exact", text: exact } as const;
  if (typeof path !== "string") return undefined;
  return { kind: /[{}]/.test(path) ? ("template" as const) : ("prefix" as const), text: path };
}

function nameOf(sources: ConfigSources, { path }: PlacedRoute): string {
  return sources.subjectOf(path);
}

/** A path that is written whole has no prefix to cut or to add. */
function contradictions(sources: ConfigSources, route: PlacedRoute): readonly Problem[] {
  const rewrite = route.find("rewrite");
  if (valueAt(rewrite?.value, ["path"]) === undefined) return [];
  return ["stripPrefix", "addPrefix"].flatMap((key) => {
    const other = route.find(key);
    if (!other || other.value === false) return [];
    const why = `expected only one of ${key} and rewrite.path in ${nameOf(sources, route)}`;
    return [sources.problemOf({ ...other, why })];
  });
}

function rewriteProblems(sources: ConfigSources, route: PlacedRoute): readonly Problem[] {
  const rewrite = route.find("rewrite");
  if (!rewrite) return [];
  const captures = capturesOf(route.route);
  const at = (...keys: readonly string[]): SettingsOwner => ({
    path: [...rewrite.path, ...keys],
    value: valueAt(rewrite.value, keys),
  });
  const parameters = entriesOf(valueAt(rewrite.value, ["query", "set"])).map(([name]) =>
    at("query", "set", name),
  );
  return [
    ...templateProblems(sources, at("path"), "path", captures),
    ...querySigns(sources, at("path")),
    ...hostProblems(sources, at("host")),
    ...parameters.flatMap((parameter) => templateProblems(sources, parameter, "request", captures)),
  ];
}

function querySigns(sources: ConfigSources, path: SettingsOwner): readonly Problem[] {
  if (typeof path.value !== "string") return [];
  const hasSign = parseTemplate(path.value).parts.some(({ text }) => text !== undefined && /[?#]/.test(text));
  return hasSign ? [sources.problemOf({ ...path, why: "a path has no ? and no #; use rewrite.query" })] : [];
}

const host = /^(?:[a-z\d_-]+(?:\.[a-z\d_-]+)*|\[[\da-f:.]+\])(?::\d{1,5})?$/i;

function hostProblems(sources: ConfigSources, given: SettingsOwner): readonly Problem[] {
  // A space is refused already.
  if (typeof given.value !== "string" || /\s/.test(given.value) || host.test(given.value)) return [];
  return [sources.problemOf({ ...given, why: "expected a host name with an optional port, or upstream" })];
}

function addProblems(sources: ConfigSources, added: SettingsOwner | undefined): readonly Problem[] {
  if (typeof added?.value !== "string" || !/^\/[/\\]/.test(added.value)) return [];
  return [sources.problemOf({ ...added, why: "a path that begins with two slashes names a host" })];
}

/** Why a request has its route: the routes that match it too, and the nearest ones that do not. Looks at every route. */

import { hostNameIn } from "../net/address.ts";
import { pathOf, type RequestHead } from "../proxy/request-head.ts";
import type { ComparedRoute, Route, RouteExplanation } from "../proxy/route.ts";
import { type RequestCheck, requestChecks } from "./condition-checks.ts";
import type { RouteConditions } from "./conditions.ts";
import { comparePatterns, parsePathPattern, type PathPattern } from "./path-pattern.ts";
import { visitReadings, writtenPath } from "../proxy/request-path.ts";

/** More than people read. */
const maxListed = 5;
const maxReadings = 16;

export interface ExplainedEntry {
  readonly conditions: RouteConditions;
  readonly route: Route;
}

/** A route at one of its hosts, compared with a request. */
interface Comparison {
  readonly route: Route;
  readonly index: number;
  readonly host: string | undefined;
  readonly pattern: PathPattern | undefined;
  readonly checks: readonly RequestCheck[];
  /** The conditions that do not hold; empty for a route that matches. */
  readonly failed: readonly string[];
  /** Whether the path matches. */
  readonly matchesPath: boolean;
}

/**
 * @param routeOf the route of a path that is read in this form
 * @returns `over` from the most specific one on; `not` with those first that match the path
 */
export function explainRoute(
  entries: readonly ExplainedEntry[],
  head: RequestHead,
  routeOf: (path: string) => Route | undefined,
): RouteExplanation {
  const path = pathOf(head);
  const { text } = writtenPath(path);
  const compared = comparisonsOf(entries, head, text);
  const matching = compared.filter(({ failed }) => failed.length === 0).toSorted(bySpecificity);
  const [taken, ...others] = matching;
  const isNearer = (one: Comparison, other: Comparison) =>
    Number(other.matchesPath) - Number(one.matchesPath) || bySpecificity(one, other);
  const missed = compared.filter(({ failed }) => failed.length > 0).toSorted(isNearer);
  return {
    over: taken
      ? others.slice(0, maxListed).map((other) => ({ route: other.route, why: whyLess(taken, other) }))
      : [],
    not: missed
      .slice(0, maxListed)
      .map(({ route, failed }): ComparedRoute => ({ route, why: failed.join("; ") })),
    readings: readingsOf(text).map((reading) => ({ path: reading, route: routeOf(reading) })),
  };
}

/** The forms in which servers read a path, the written form first; empty where all read it in one way. */
function readingsOf(written: string): readonly string[] {
  const found = new Set([written]);
  visitReadings(written, (reading) => found.add(reading).size < maxReadings);
  return found.size === 1 ? [] : [...found];
}

/** Each route once, at the most specific of its hosts that matches. A route of other hosts only is left out. */
function comparisonsOf(
  entries: readonly ExplainedEntry[],
  head: RequestHead,
  path: string,
): readonly Comparison[] {
  const name = hostNameIn(head.host);
  return entries.flatMap(({ conditions, route }, index) => {
    const hosts = (conditions.hosts ?? [undefined]).filter((host) => matchesHost(host, name));
    if (hosts.length === 0) return [];
    const [host] = hosts.toSorted((one, other) => hostRank(other) - hostRank(one));
    const pattern = conditions.path && parsePathPattern(conditions.path);
    if (pattern && "problem" in pattern) return [];
    const checks = requestChecks(conditions);
    const matchesPath = !pattern || matchesPattern(pattern, path);
    const failed = [
      ...(matchesPath ? [] : [`path ${conditions.path?.text ?? ""}`]),
      ...checks.filter((check) => !check.holds(head)).map((check) => check.text),
    ];
    return [{ route, index, host, pattern, checks, failed, matchesPath }];
  });
}

function matchesHost(host: string | undefined, name: string): boolean {
  if (host === undefined) return true;
  return host.startsWith("*.") ? name.length >= host.length && name.endsWith(host.slice(1)) : name === host;
}

function hostRank(host: string | undefined): number {
  if (host === undefined) return 0;
  return host.startsWith("*.") ? host.length : Infinity;
}

function matchesPattern({ segments, end }: PathPattern, path: string): boolean {
  if (!path.startsWith("/")) return false;
  const parts = path.split("/").slice(1);
  const isMatch = segments.every(({ text }, index) => {
    const part = parts[index];
    return text === undefined ? part !== undefined && part !== "" : part === text;
  });
  const left = parts.length - segments.length;
  if (!isMatch) return false;
  if (end === "exact") return left === 0;
  if (end === "exactSlash") return left === 1 && parts.at(-1) === "";
  return left >= (end === "prefix" ? 0 : 1);
}

const everyPath: PathPattern = { segments: [], end: "slash" };

/** Below 0 if the first is more specific. */
function bySpecificity(one: Comparison, other: Comparison): number {
  return (
    byRank(hostRank(one.host), hostRank(other.host)) ||
    comparePatterns(one.pattern ?? everyPath, other.pattern ?? everyPath) ||
    Number(one.checks.length === 0) - Number(other.checks.length === 0) ||
    one.index - other.index
  );
}

/** Ranks may be infinite, so they cannot be subtracted. */
function byRank(one: number, other: number): number {
  return one === other ? 0 : one > other ? -1 : 1;
}

function whyLess(taken: Comparison, other: Comparison): string {
  if (hostRank(taken.host) !== hostRank(other.host)) return "its host is less specific";
  if (comparePatterns(taken.pattern ?? everyPath, other.pattern ?? everyPath) !== 0)
    return "its path is less specific";
  if (taken.checks.length > 0 && other.checks.length === 0) return "same host and path, but no condition";
  return "same host and path, but later in the file";
}

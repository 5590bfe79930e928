/** Routes of files that were written when the first matching route applied, and that the most specific one applies to now. */

import type { RouteConditions } from "./conditions.ts";
import { parsePathPattern } from "./path-pattern.ts";

export interface OrderedRoute {
  readonly conditions: RouteConditions;
  /** Where it leads, to compare. */
  readonly end: string;
}

/** A route that takes requests which the earlier one took when the first matching route applied. */
export interface PrecedenceChange {
  readonly index: number;
  readonly before: number;
}

interface SimpleRoute {
  readonly index: number;
  /** Undefined for every host. */
  readonly host: string | undefined;
  /** Without a slash at its end; empty for every path. */
  readonly path: string;
  readonly end: string;
}

/**
 * Only routes that consist of hosts and a path are compared: files from before have no others. Time linear in the routes, and
 * in the labels and segments of each. At most one change is found for each route.
 */
export function precedenceChanges(routes: readonly OrderedRoute[]): readonly PrecedenceChange[] {
  const simple = routes.flatMap(({ conditions, end }, index) => simpleRoutesOf(conditions, index, end));
  const scopes = new Scopes(simple);
  const changes = [...coveredBefore(simple, scopes), ...hiddenNow(simple, scopes)];
  const found = new Map(changes.map((change) => [`${change.index} ${change.before}`, change]));
  return [...found.values()].toSorted((one, other) => one.index - other.index || one.before - other.before);
}

function simpleRoutesOf(conditions: RouteConditions, index: number, end: string): readonly SimpleRoute[] {
  const { hosts = [undefined], path, ...others } = conditions;
  if (Object.keys(others).length > 0 || (path && path.kind !== "prefix")) return [];
  const pattern = path && parsePathPattern(path);
  if (pattern && "problem" in pattern) return [];
  const text = (pattern?.segments ?? []).map((segment) => `/${segment.text}`).join("");
  return hosts.map((host) => ({ index, host, path: text, end }));
}

const keyOf = (host: string | undefined, path: string) => `${host ?? ""} ${path}`;

/** The hosts and paths of the file that are broader than a given one. */
class Scopes {
  readonly #hosts: ReadonlySet<string | undefined>;
  readonly #paths: ReadonlySet<string>;

  constructor(routes: readonly SimpleRoute[]) {
    this.#hosts = new Set(routes.map(({ host }) => host));
    this.#paths = new Set(routes.map(({ path }) => path));
  }

  /** `*.b.c`, `*.c`, every host. */
  broaderHosts(host: string | undefined): readonly (string | undefined)[] {
    if (host === undefined) return [];
    const scopes: (string | undefined)[] = [];
    const name = host.startsWith("*.") ? host.slice(2) : host;
    for (let dot = name.indexOf("."); dot >= 0; dot = name.indexOf(".", dot + 1))
      scopes.push(`*.${name.slice(dot + 1)}`);
    scopes.push(undefined);
    return scopes.filter((scope) => this.#hosts.has(scope));
  }

  pathsAbove(path: string): readonly string[] {
    const scopes: string[] = [];
    for (let at = path.lastIndexOf("/"); at >= 0; at = at === 0 ? -1 : path.lastIndexOf("/", at - 1))
      scopes.push(path.slice(0, at));
    return scopes.filter((scope) => this.#paths.has(scope));
  }
}

/** Routes below a broader one, which took all their requests. */
function coveredBefore(routes: readonly SimpleRoute[], scopes: Scopes): readonly PrecedenceChange[] {
  const first = new Map<string, SimpleRoute>();
  return routes.flatMap((route) => {
    let taker: SimpleRoute | undefined;
    const paths = [route.path, ...scopes.pathsAbove(route.path)];
    for (const host of [route.host, ...scopes.broaderHosts(route.host)])
      for (const path of paths) {
        const found = first.get(keyOf(host, path));
        if (found && found.index < (taker?.index ?? Infinity)) taker = found;
      }
    const key = keyOf(route.host, route.path);
    if (!first.has(key)) first.set(key, route);
    const isChange = taker && taker.end !== route.end && keyOf(taker.host, taker.path) !== key;
    return taker && isChange ? [{ index: route.index, before: taker.index }] : [];
  });
}

/** Routes of a longer path and a broader host, above one of the host itself: that one takes the path on its host now. */
function hiddenNow(routes: readonly SimpleRoute[], scopes: Scopes): readonly PrecedenceChange[] {
  const places = new Set(routes.map(({ host, path }) => keyOf(host, path)));
  /** Later routes by each broader host, and their path: the nearest one, and one that leads elsewhere. */
  const later = new Map<string, readonly (SimpleRoute | undefined)[]>();
  const changes: PrecedenceChange[] = [];
  for (const route of routes.toReversed()) {
    for (const path of scopes.pathsAbove(route.path)) {
      const found = later.get(keyOf(route.host, path))?.find((one) => one && one.end !== route.end);
      if (found && !places.has(keyOf(found.host, route.path)))
        changes.push({ index: found.index, before: route.index });
    }
    for (const host of scopes.broaderHosts(route.host)) {
      const key = keyOf(host, route.path);
      const known = later.get(key)?.find((one) => one && one.end !== route.end);
      later.set(key, [route, known]);
    }
  }
  return changes;
}

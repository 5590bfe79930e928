/** Finds the route of a request. */

import { hostNameIn } from "../net/address.ts";
import { pathOf, type RequestHead } from "../proxy/request-head.ts";
import { isPlainPath, pathViolations, readPath, readPathText } from "../proxy/request-path.ts";
import type { FoundRoute, Route, RouteMatch, RouteTable } from "../proxy/route.ts";
import type { RouteConditions } from "./conditions.ts";

export interface RouteEntry {
  readonly conditions: RouteConditions;
  readonly route: Route;
}

export interface RouteTableOptions {
  /** Whether a path that servers read in different ways is matched in its normal form; by default it is refused. */
  readonly takesAmbiguousPaths?: boolean;
  /** See `RouteTable.unmatched`. */
  readonly unmatched?: FoundRoute | undefined;
}

interface CompiledEntry {
  readonly host: string | undefined;
  readonly path: string | undefined;
  readonly match: RouteMatch;
}

/** The first route that matches, in the order of the configuration. */
class ListedRoutes implements RouteTable {
  readonly routes: readonly Route[];
  readonly unmatched: FoundRoute | undefined;
  readonly #entries: readonly CompiledEntry[];
  readonly #takesAmbiguousPaths: boolean;

  constructor(entries: readonly RouteEntry[], { takesAmbiguousPaths = false, unmatched }: RouteTableOptions) {
    this.unmatched = unmatched;
    this.routes = entries.map(({ route }) => route);
    this.#takesAmbiguousPaths = takesAmbiguousPaths;
    this.#entries = entries.flatMap(({ conditions: { hosts = [undefined], path }, route }) =>
      hosts.map((host) => ({
        host,
        path: path && readPathText(path.text).text,
        match: { route },
      })),
    );
  }

  takesHost(host: string): boolean {
    const name = hostNameIn(host);
    return this.#entries.some((entry) => entry.host === undefined || matchesHost(entry.host, name));
  }

  find(head: RequestHead): RouteMatch | undefined {
    let name: string | undefined;
    let path: string | undefined;
    for (const entry of this.#entries) {
      if (entry.host !== undefined && !matchesHost(entry.host, (name ??= hostNameIn(head.host)))) continue;
      if (entry.path === undefined) return entry.match;
      // Every reading of a path is below it.
      if (entry.path === "/" && pathOf(head).startsWith("/")) return entry.match;
      if (path === undefined) {
        path = pathOf(head);
        if (!isPlainPath(path)) return this.#matchOfOddPath(hostNameIn(head.host), path);
      }
      if (matchesPath(entry.path, path)) return entry.match;
    }
    return undefined;
  }

  /**
   * For a path that is not its own normal form, on a host whose routes tell paths apart. It has no route where its readings
   * lead to different ones: a server behind one of them would serve what belongs behind the other.
   */
  #matchOfOddPath(name: string, path: string): RouteMatch | undefined {
    const { text: matchedPath, violation, others } = readPath(path);
    const match = this.#matchOfPath(name, matchedPath);
    if (!this.#takesAmbiguousPaths && violation) return { violation, matchedPath };
    if (!this.#takesAmbiguousPaths && others.some((other) => this.#matchOfPath(name, other) !== match))
      return { violation: pathViolations.routes, matchedPath };
    return match && (matchedPath === path ? match : { ...match, matchedPath });
  }

  #matchOfPath(name: string, path: string): RouteMatch | undefined {
    return this.#entries.find(
      (entry) =>
        (entry.host === undefined || matchesHost(entry.host, name)) &&
        (entry.path === undefined || matchesPath(entry.path, path)),
    )?.match;
  }
}

export function createRouteTable(
  entries: readonly RouteEntry[],
  options: RouteTableOptions = {},
): RouteTable {
  return new ListedRoutes(entries, options);
}

function matchesHost(pattern: string, name: string): boolean {
  return pattern.startsWith("*.") ? name.endsWith(pattern.slice(1)) : name === pattern;
}

function matchesPath(prefix: string, path: string): boolean {
  return (
    path.startsWith(prefix) &&
    (prefix.endsWith("/") || path.length === prefix.length || path[prefix.length] === "/")
  );
}

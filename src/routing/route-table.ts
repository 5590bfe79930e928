/** Finds the route of a request: by host, then by path, then by its other conditions. */

import { hostNameIn } from "../net/address.ts";
import { pathOf, type RequestHead } from "../proxy/request-head.ts";
import type { ExplainedRouteTable, FoundRoute, Route, RouteExplanation, RouteMatch } from "../proxy/route.ts";
import { requestChecks } from "./condition-checks.ts";
import type { RouteConditions } from "./conditions.ts";
import { captureSegments, hasParameters, parsePathPattern, type PathPattern } from "./path-pattern.ts";
import { isPlainPath, pathViolations, visitReadings, writtenPath } from "../proxy/request-path.ts";
import { firstThatHolds, type TableRoute, withTableRoute } from "./path-ends.ts";
import { lengthBit, PathIndex } from "./path-index.ts";
import { PathTree } from "./path-tree.ts";
import { explainRoute } from "./route-explanation.ts";

export interface RouteEntry {
  readonly conditions: RouteConditions;
  readonly route: Route;
}

export interface RouteTableOptions {
  /** Whether a path that servers read in different ways is matched in its written form; by default it is refused. */
  readonly takesAmbiguousPaths?: boolean;
  /** See `RouteTable.unmatched`. */
  readonly unmatched?: FoundRoute | undefined;
}

/** The routes of one host, or the ones that are for every host. */
class Site {
  readonly #number: number;
  readonly #index: PathIndex;
  /** Present where a path has parameters: then all paths of the host are in it. */
  #tree: PathTree | undefined;
  /** In the order of the file. */
  #added: (readonly [PathPattern | undefined, TableRoute])[] = [];
  /** See `PathIndex.find`. */
  #lengths = 0;
  #pathless: TableRoute | undefined;
  /** Whether a path is needed at all. */
  hasPaths = false;
  /** Whether two paths may have different routes. */
  tellsPathsApart = false;
  /** Where a request is looked for next: a broader host. */
  next: Site | undefined;

  constructor(number: number, index: PathIndex) {
    this.#number = number;
    this.#index = index;
  }

  add(pattern: PathPattern | undefined, placed: TableRoute): void {
    this.#added.push([pattern, placed]);
  }

  /** Call it when all routes have been added. */
  build(): void {
    const patterns = this.#added.flatMap(([pattern]) => pattern ?? []);
    this.hasPaths = patterns.length > 0;
    this.tellsPathsApart = patterns.some(({ segments, end }) => segments.length > 0 || end === "exactSlash");
    if (patterns.some(hasParameters)) this.#tree = new PathTree();
    for (const [pattern, placed] of this.#added) {
      // Only a target without a path, as "*", tells no path from "/".
      if (!pattern) this.#pathless = withTableRoute(this.#pathless, { ...placed });
      if (this.hasPaths) this.#place(pattern ?? rootPattern, placed);
    }
    this.#added = [];
  }

  #place(pattern: PathPattern, placed: TableRoute): void {
    if (this.#tree) return this.#tree.add(pattern, placed);
    const text = pattern.segments.map((segment) => `/${segment.text}`).join("");
    this.#lengths |= lengthBit(text.length);
    this.#index.endsOf(this.#number, text).add(pattern.end, placed);
  }

  find(path: string, head: RequestHead): TableRoute | undefined {
    if (!this.hasPaths || path.charCodeAt(0) !== slash) return firstThatHolds(this.#pathless, head);
    return this.#tree
      ? this.#tree.find(path, head)
      : this.#index.find(this.#number, this.#lengths, path, head);
  }

  /** The route of every request to this host, if one takes them all. */
  get only(): TableRoute | undefined {
    return this.hasPaths || this.#pathless?.checks ? undefined : this.#pathless;
  }
}

const slash = 0x2f;

/** A route without a path takes the same paths. */
const rootPattern: PathPattern = { segments: [], end: "slash" };

/** Sites by host: exact names, then wildcards from the longest to the shortest, then the one for every host. */
class Sites {
  readonly #index = new PathIndex();
  readonly #sites: Site[] = [];
  readonly #exact = new Map<string, Site>();
  /** By the part after "*.". */
  readonly #wildcards = new Map<string, Site>();
  #every: Site | undefined;
  /** Labels of the longest wildcard. */
  #maxLabels = 0;

  siteOf(host: string | undefined): Site {
    if (host === undefined) return (this.#every ??= this.#create());
    const isWildcard = host.startsWith("*.");
    const [map, key] = isWildcard ? [this.#wildcards, host.slice(2)] : [this.#exact, host];
    const existing = map.get(key);
    if (existing) return existing;
    if (isWildcard) this.#maxLabels = Math.max(this.#maxLabels, key.split(".").length);
    const site = this.#create();
    map.set(key, site);
    return site;
  }

  #create(): Site {
    const site = new Site(this.#sites.length, this.#index);
    this.#sites.push(site);
    return site;
  }

  /** Call it when all routes have been added. */
  build(): void {
    for (const site of this.#sites) site.build();
    for (const [key, site] of [...this.#exact, ...this.#wildcards])
      site.next = this.#wildcardOf(key) ?? this.#every;
  }

  get hasHosts(): boolean {
    return this.#exact.size > 0 || this.#wildcards.size > 0;
  }

  get every(): Site | undefined {
    return this.#every;
  }

  /** The first site of a host, which leads to the next ones. */
  find(name: string): Site | undefined {
    return this.#exact.get(name) ?? this.#wildcardOf(name) ?? this.#every;
  }

  #wildcardOf(name: string): Site | undefined {
    if (this.#maxLabels === 0) return undefined;
    // A name of a client may have thousands of labels.
    let from = name.length;
    for (let labels = 0; labels < this.#maxLabels && from > 0; labels++)
      from = name.lastIndexOf(".", from - 1);
    if (from <= 0) from = name.indexOf(".");
    for (; from > 0; from = name.indexOf(".", from + 1)) {
      const site = this.#wildcards.get(name.slice(from + 1));
      if (site) return site;
    }
    return undefined;
  }
}

/**
 * ```
 *  host ──▶ site ──▶ path ──▶ conditions hold: the route
 *             ▲                 └── no route: the next, broader host
 *             └───────────────────────┘
 * ```
 * A route whose conditions do not hold is as if it were not there.
 */
class CompiledTable implements ExplainedRouteTable {
  readonly routes: readonly Route[];
  readonly unmatched: FoundRoute | undefined;
  readonly #entries: readonly RouteEntry[];
  readonly #sites = new Sites();
  readonly #takesAmbiguousPaths: boolean;
  /** The route of every request; undefined for most configurations. */
  readonly #only: RouteMatch | undefined;

  constructor(entries: readonly RouteEntry[], { takesAmbiguousPaths = false, unmatched }: RouteTableOptions) {
    this.unmatched = unmatched;
    this.routes = entries.map(({ route }) => route);
    this.#entries = entries;
    this.#takesAmbiguousPaths = takesAmbiguousPaths;
    for (const entry of entries) this.#add(entry);
    this.#sites.build();
    if (!this.#sites.hasHosts) this.#only = this.#sites.every?.only?.match;
  }

  #add({ conditions, route }: RouteEntry): void {
    const pattern = conditions.path && parsePathPattern(conditions.path);
    // A configuration that was checked has no such path.
    if (pattern && "problem" in pattern) return;
    const found = requestChecks(conditions);
    const checks = found.length > 0 ? found : undefined;
    const captured = pattern && hasParameters(pattern) ? pattern : undefined;
    const match = { route };
    for (const host of conditions.hosts ?? [undefined])
      this.#sites
        .siteOf(host)
        .add(pattern, { checks, next: undefined, tail: undefined, match, captured, route });
  }

  takesHost(host: string): boolean {
    return this.#sites.find(hostNameIn(host)) !== undefined;
  }

  explain(head: RequestHead): RouteExplanation {
    const first = this.#firstSite(head);
    const routeOf = (path: string) => first && findFrom(first, path, head)?.route;
    const explanation = explainRoute(this.#entries, head, routeOf);
    return isTellingPaths(first) ? explanation : { ...explanation, readings: [] };
  }

  #firstSite(head: RequestHead): Site | undefined {
    return this.#sites.hasHosts ? this.#sites.find(hostNameIn(head.host)) : this.#sites.every;
  }

  find(head: RequestHead): RouteMatch | undefined {
    if (this.#only) return this.#only;
    let path: string | undefined;
    for (let site = this.#firstSite(head); site; site = site.next) {
      if (site.hasPaths && path === undefined) path = pathOf(head);
      if (site.tellsPathsApart && path !== undefined && !isPlainPath(path))
        return this.#findOdd(site, head, path);
      const found = site.find(path ?? "", head);
      if (found) return matchOf(found, path ?? "");
    }
    return undefined;
  }

  /**
   * For a path that servers read in different ways, or that is not in its written form, on a host whose routes tell paths
   * apart. It has no route where its readings lead to different ones: a server behind one of them would serve what belongs
   * behind the other.
   */
  #findOdd(site: Site, head: RequestHead, path: string): RouteMatch | undefined {
    const { text: matchedPath, flaw } = writtenPath(path);
    if (flaw && !this.#takesAmbiguousPaths) return { violation: flaw, matchedPath };
    const found = findFrom(site, matchedPath, head);
    if (!this.#takesAmbiguousPaths) {
      let other = found;
      const isClear = visitReadings(matchedPath, (reading) => {
        other = findFrom(site, reading, head);
        return other?.route === found?.route;
      });
      if (!isClear)
        return {
          violation: pathViolations.ambiguous,
          matchedPath,
          candidates: [found?.route, other?.route],
        };
    }
    const match = found && matchOf(found, path);
    return match?.route && matchedPath !== path ? { ...match, matchedPath } : match;
  }
}

/** Whether a host's routes, or those of broader hosts, tell paths apart. */
function isTellingPaths(first: Site | undefined): boolean {
  for (let site = first; site; site = site.next) if (site.tellsPathsApart) return true;
  return false;
}

function findFrom(first: Site, path: string, head: RequestHead): TableRoute | undefined {
  for (let site: Site | undefined = first; site; site = site.next) {
    const found = site.find(path, head);
    if (found) return found;
  }
  return undefined;
}

/** @param path as it arrived: its segments are those of the written form */
function matchOf({ match, route, captured }: TableRoute, path: string): RouteMatch {
  return captured ? { route, captures: captureSegments(captured, path) } : match;
}

export function createRouteTable(
  entries: readonly RouteEntry[],
  options: RouteTableOptions = {},
): ExplainedRouteTable {
  return new CompiledTable(entries, options);
}

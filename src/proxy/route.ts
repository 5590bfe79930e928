/** Routes: which pool a request goes to by host and path, with what settings, and its hash key. */

import { hostNameIn } from "../net/address.ts";
import type { ProxyVersion } from "../net/proxy-protocol.ts";
import type { Pool } from "../pool/pool.ts";
import type { Deadlines } from "./deadlines.ts";
import type { Queue } from "./queue.ts";
import type { ProtocolViolation } from "./refusal.ts";
import { pathOf, type RequestHead } from "./request-head.ts";
import { isPlainPath, pathViolations, readPath } from "./request-path.ts";
import type { RetryBudget } from "./retry-budget.ts";

/** Limits of one pool's traffic, in milliseconds. */
export interface Timeouts {
  readonly connectMs: number;
  /** From the request's last byte to the response's head. */
  readonly headMs: number;
  /** From the request's head to the response's, over all attempts and waits; by default no limit. */
  readonly totalMs?: number;
  /** Between two pieces of a response's body. */
  readonly bodyIdleMs: number;
  /** Without a byte in either direction of an upgraded connection. */
  readonly tunnelIdleMs: number;
  /** Age at which an upstream connection is not reused any more; by default no limit. */
  readonly connectionAgeMs?: number;
}

/** Where a route leads: a pool and the settings of its requests. */
export interface Destination {
  readonly pool: Pool;
  readonly timeouts: Timeouts;
  /** Maximum number of retries. */
  readonly retries: number;
  /** Limits them; by default all are allowed. */
  readonly retryBudget?: RetryBudget;
  /** Present where `timeouts.totalMs` is. */
  readonly deadlines?: Deadlines;
  /** Where requests wait for a slot; without it they are refused. */
  readonly queue?: Queue;
  /** Response statuses that are retried like failures; by default every response is forwarded. */
  readonly retryStatuses?: ReadonlySet<number>;
  /** Whether requests that wait long may be hedged. */
  readonly mayHedge?: boolean;
  /** Version of the PROXY header that begins upstream connections, which then serve one client each; by default none. */
  readonly proxyProtocol?: ProxyVersion;
  /** Maximum size of a request body, bytes; by default no limit. */
  readonly maxRequestBodyBytes?: number;
  /** Present where the pool's policy uses a hash key. */
  readonly keyOf?: HashKeyFn;
}

export interface Route {
  /** Host name without port, lower case; "*.example.com" matches every name below; undefined matches all. */
  readonly host?: string;
  /** In normal form, see `request-path.ts`. Matches this path and all below it; undefined matches all. */
  readonly path?: string;
  /** Whether a path that servers read in different ways is matched in its normal form; by default it is refused. */
  readonly takesAmbiguousPaths?: boolean;
  /** False if its requests are served where a listener redirects the others to https. */
  readonly isRedirected?: boolean;
  /** Whether it was added behind the configured routes, so that every request has one. */
  readonly isImplied?: boolean;
  readonly destination: Destination;
}

/** The route of a request, or why it has none. */
export interface RouteMatch extends Partial<Route> {
  /** The normal form of the path that was matched, where it differs from what arrived. */
  readonly matchedPath?: string;
  /** The routes tell paths apart, and servers do not agree about this one. */
  readonly violation?: ProtocolViolation;
}

/** The first route that matches, in the order of the configuration; undefined if none does. */
export function matchingRoute(routes: readonly Route[], head: RequestHead): RouteMatch | undefined {
  let name: string | undefined;
  let path: string | undefined;
  for (const route of routes) {
    if (route.host !== undefined && !matchesHost(route.host, (name ??= hostNameIn(head.host)))) continue;
    if (route.path === undefined) return route;
    // Every reading of a path is below it.
    if (route.path === "/" && pathOf(head).startsWith("/")) return route;
    if (path === undefined) {
      path = pathOf(head);
      if (!isPlainPath(path)) return routeOfOddPath(routes, hostNameIn(head.host), path);
    }
    if (matchesPath(route.path, path)) return route;
  }
  return undefined;
}

/**
 * For a path that is not its own normal form, on a host whose routes tell paths apart. It has no route where its readings
 * lead to different ones: a server behind one of them would serve what belongs behind the other.
 */
function routeOfOddPath(routes: readonly Route[], name: string, path: string): RouteMatch | undefined {
  const { text: matchedPath, violation, others } = readPath(path);
  const route = routeOfPath(routes, name, matchedPath);
  const isRefused = !routes.some(({ takesAmbiguousPaths }) => takesAmbiguousPaths);
  if (isRefused && violation) return { violation, matchedPath };
  if (isRefused && others.some((other) => routeOfPath(routes, name, other) !== route))
    return { violation: pathViolations.routes, matchedPath };
  return route && (matchedPath === path ? route : { ...route, matchedPath });
}

function routeOfPath(routes: readonly Route[], name: string, path: string): Route | undefined {
  return routes.find(
    (route) =>
      (route.host === undefined || matchesHost(route.host, name)) &&
      (route.path === undefined || matchesPath(route.path, path)),
  );
}

/** Whether a route names this host, given as in a Host header. */
export function namesHost(routes: readonly Route[], host: string): boolean {
  const name = hostNameIn(host);
  return routes.some((route) => route.host !== undefined && matchesHost(route.host, name));
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

/** Where the key comes from: `client-address`, `uri`, `header:Name` or `cookie:name`. */
export type HashBy = "client-address" | "uri" | `header:${string}` | `cookie:${string}`;

export const hashByPattern = "^(client-address|uri|(header|cookie):[!#$%&'*+.^_`|~0-9A-Za-z-]+)$";

/** Computes the hash key of a request. */
export type HashKeyFn = (head: RequestHead) => string;

/**
 * Where a request lacks the header or cookie, or it is empty, the client's address is used: such clients must not all have
 * one key.
 */
export function hashKeyFor(by: HashBy): HashKeyFn {
  if (by === "uri") return (head) => head.target;
  if (by === "client-address") return (head) => head.clientAddress;
  const name = by.slice(by.indexOf(":") + 1);
  if (by.startsWith("cookie:")) {
    return (head) => cookieOf(head.header("cookie") ?? "", name) ?? head.clientAddress;
  }
  const header = name.toLowerCase();
  return (head) => {
    const value = head.header(header);
    return value === undefined || emptyValue.test(value) ? head.clientAddress : value;
  };
}

/** A header without a value, also if it is repeated: then commas join its values (RFC 9110 section 5.3). */
const emptyValue = /^[\t ,]*$/;

/** One cookie's value from a Cookie header (RFC 6265 section 4.2.1): the first that is not empty. */
function cookieOf(header: string, name: string): string | undefined {
  for (const pair of header.split(";")) {
    const equals = pair.indexOf("=");
    if (equals < 0 || pair.slice(0, equals).trim() !== name) continue;
    const value = pair.slice(equals + 1).trim();
    if (value !== "" && value !== '""') return value;
  }
  return undefined;
}

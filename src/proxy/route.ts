/** Which pool a request belongs to, by host and path. */

import type { Pool } from "../pool/pool.ts";
import type { Deadlines } from "./deadlines.ts";
import type { Queue } from "./queue.ts";
import { pathOf, type RequestHead } from "./request-head.ts";
import type { RetryBudget } from "./retry-budget.ts";

/** Limits of one pool's traffic, in milliseconds. */
export interface Timeouts {
  readonly connectMs: number;
  /** From the request's last byte to the answer's head. */
  readonly headMs: number;
  /** From the request's head to the answer's, over all attempts and waits; without it as long as the others allow. */
  readonly totalMs?: number;
  /** Between two pieces of an answer's body. */
  readonly bodyIdleMs: number;
  /** Without a byte in either direction of an upgraded connection. */
  readonly tunnelIdleMs: number;
  /** A connection that was opened so long ago serves no further request; without it as many as it likes. */
  readonly connectionAgeMs?: number;
}

/** Where a route leads: a pool and how its requests are treated. */
export interface Destination {
  readonly pool: Pool;
  readonly timeouts: Timeouts;
  /** Further attempts after the first failed one. */
  readonly retries: number;
  /** What pays for them; without it all are allowed. */
  readonly retryBudget?: RetryBudget;
  /** Present where `timeouts.totalMs` is. */
  readonly deadlines?: Deadlines;
  /** Where requests wait for a place; without it those that find none are refused. */
  readonly queue?: Queue;
  /** Statuses of upstreams that are tried elsewhere like failures; without it every answer is passed on. */
  readonly retryStatuses?: ReadonlySet<number>;
  /** Whether requests that wait for long may have a second attempt beside the first. */
  readonly mayHedge?: boolean;
  /** Longest request body, bytes; without it any is passed on. */
  readonly maxRequestBodyBytes?: number;
  /** Present where the pool's policy looks at a key. */
  readonly keyOf?: HashKeyFn;
}

export interface Route {
  /** Host name without port, lower case; "*.example.com" matches every name below; undefined matches all. */
  readonly host?: string;
  /** Matches this path and all below it; undefined matches all. */
  readonly path?: string;
  readonly destination: Destination;
}

/** Where the first route that matches leads; undefined if none does. */
export function routeOf(routes: readonly Route[], head: RequestHead): Destination | undefined {
  return matchingRoute(routes, head)?.destination;
}

/** The first route that matches, in the order of the configuration; undefined if none does. */
export function matchingRoute(routes: readonly Route[], head: RequestHead): Route | undefined {
  for (const route of routes) {
    if (route.host !== undefined && !matchesHost(route.host, head.host)) continue;
    if (route.path !== undefined && !matchesPath(route.path, pathOf(head))) continue;
    return route;
  }
  return undefined;
}

function matchesHost(pattern: string, host: string): boolean {
  const name = host.replace(/:\d*$/, "").toLowerCase();
  return pattern.startsWith("*.") ? name.endsWith(pattern.slice(1)) : name === pattern;
}

function matchesPath(prefix: string, path: string): boolean {
  return (
    path.startsWith(prefix) &&
    (prefix.endsWith("/") || path.length === prefix.length || path[prefix.length] === "/")
  );
}

// What pins a request to an upstream: turns a head into the key that a keyed policy hashes.

/** Where the key comes from: `client-address`, `uri`, `header:Name` or `cookie:name`. */
export type HashBy = "client-address" | "uri" | `header:${string}` | `cookie:${string}`;

export const hashByPattern = "^(client-address|uri|(header|cookie):[!#$%&'*+.^_`|~0-9A-Za-z-]+)$";

export type HashKeyFn = (head: RequestHead) => string;

/** A header or cookie that a request lacks falls back to the client's address, so that such clients spread too. */
export function hashKeyFor(by: HashBy): HashKeyFn {
  if (by === "uri") return (head) => head.target;
  if (by === "client-address") return (head) => head.clientAddress;
  const name = by.slice(by.indexOf(":") + 1);
  if (by.startsWith("cookie:")) {
    return (head) => cookieOf(head.header("cookie") ?? "", name) ?? head.clientAddress;
  }
  const field = name.toLowerCase();
  return (head) => head.header(field) ?? head.clientAddress;
}

/** One cookie's value from a Cookie field (RFC 6265 section 4.2.1); the first if it is repeated. */
function cookieOf(field: string, name: string): string | undefined {
  for (const pair of field.split(";")) {
    const equals = pair.indexOf("=");
    if (equals >= 0 && pair.slice(0, equals).trim() === name) return pair.slice(equals + 1).trim();
  }
  return undefined;
}

/** Shares the requests of a route among pools by weight. A client stays with its pool without state. */

import { hashPair, hashString } from "../lib/hash.ts";
import { type Random, systemRandom } from "../lib/random.ts";
import { newId } from "../lib/secrets.ts";
import { setCookieText } from "../proxy/cookies.ts";
import type { FilteredRequest } from "../proxy/filter.ts";
import { cookieOf, type HashBy, type HashKeyFn, hashKeyFor } from "../proxy/hash-key.ts";
import { isSecureClient } from "../proxy/request-head.ts";
import type { Destination, RouteSplit } from "../proxy/route.ts";

/** What keeps a client with its pool: `cookie` is a cookie of the balancer's own; `none` decides for each request. */
export type StickBy = "client" | "cookie" | "none" | `header:${string}` | `cookie:${string}`;

export interface SplitSettings {
  /** What the route is called, the same in all processes and balancers: another route shares its clients differently. */
  readonly routeId: string;
  readonly pools: readonly SplitPool[];
  readonly stickBy?: StickBy | undefined;
  /** Whether the others serve where the chosen pool has no available upstream. */
  readonly fallback?: boolean | undefined;
}

export interface SplitPool {
  readonly destination: Destination;
  /** Relative to the other pools; 0 gets no request. */
  readonly weight: number;
}

/** The cookie of `stickBy: cookie`. */
export const splitCookie = "evenkeel_split";

const ownId = /^[\w-]{22}$/;

export function createSplit(settings: SplitSettings, random: Random = systemRandom): RouteSplit {
  const { routeId, stickBy = "client", fallback = false } = settings;
  const pools = settings.pools
    .filter(({ weight }) => weight > 0)
    .map((pool) => ({
      ...pool,
      seed: hashPair(hashString(pool.destination.pool.name), hashString(routeId)),
    }));
  const keyOf = stickBy === "none" || stickBy === "cookie" ? undefined : keyFor(stickBy);
  const hashOf = (request: FilteredRequest): number => {
    if (stickBy === "none") return Math.floor(random() * 2 ** 32);
    return hashString(keyOf?.(request.head) ?? ownIdOf(request));
  };
  return {
    choose(request) {
      const hash = hashOf(request);
      const chosen = highest(pools, hash);
      const fitting = fallback && !isFit(chosen) ? highest(pools.filter(isFit), hash) : undefined;
      const { destination } = fitting ?? chosen ?? noPool();
      request.split = {
        pool: destination.pool.name,
        by: stickBy,
        point: Math.floor((hash / 2 ** 32) * 1e4) / 1e4,
        isFallback: fitting !== undefined,
      };
      return destination;
    },
  };
}

function keyFor(stickBy: Exclude<StickBy, "cookie" | "none">): HashKeyFn {
  return hashKeyFor(stickBy === "client" ? "client-address" : (stickBy satisfies HashBy));
}

interface SeededPool extends SplitPool {
  readonly seed: number;
}

/**
 * Weighted rendezvous hashing, as for the policy `hash`: the highest weight ÷ −ln(u) wins, where u in (0, 1) is drawn from key
 * and pool. Where one weight grows, clients only move to that pool.
 * Source: Schindelhauer and Schomaker, "Weighted distributed hash tables" (2005).
 */
function highest(pools: readonly SeededPool[], hash: number): SeededPool | undefined {
  let best: SeededPool | undefined;
  let bestScore = -1;
  for (const pool of pools) {
    const unit = (hashPair(hash, pool.seed) + 0.5) / 2 ** 32;
    const score = pool.weight / -Math.log(unit);
    if (score > bestScore) [best, bestScore] = [pool, score];
  }
  return best;
}

function isFit(pool: SeededPool | undefined): boolean {
  return pool !== undefined && pool.destination.pool.available.length > 0;
}

function noPool(): never {
  throw new Error("Cannot split requests: every weight is 0");
}

/** The id of the client in a cookie of ours, which it gets with this response if it has none. */
function ownIdOf(request: FilteredRequest): string {
  const { head } = request;
  const given = cookieOf(head.header("cookie") ?? "", splitCookie);
  request.hideCookie(splitCookie);
  if (given !== undefined && ownId.test(given)) return given;
  const id = newId();
  const attributes = { path: "/", sameSite: "Lax", isSecure: isSecureClient(head) } as const;
  request.addResponseField("Set-Cookie", setCookieText(splitCookie, id, attributes));
  return id;
}

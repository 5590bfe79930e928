/** How failures on upstreams reach clients: which share of the requests, how many a second, and whether that is critical. */

import type { ProblemHits, ProblemLevel } from "./problem.ts";
import type { PoolTraffic, RouteTraffic } from "./traffic.ts";
import { countedNoun, countText, sentenceCase, shareOfRequests } from "./wording.ts";

/** From this share of a route's requests on, clients notice: an error budget of two nines is being spent. */
const criticalShare = 0.01;

/** With fewer requests in 30 s, one unlucky request would be an alarm. */
const minimumRequests = 100;

/** What clients get of some failures of a pool. */
export interface ClientHarm {
  /** Requests that fail at the client because of them, each second. */
  readonly failing: number;
  /** As a share of the pool's requests, 0–1; null without requests. */
  readonly share: number | null;
  readonly level: ProblemLevel;
}

/**
 * Harm of failed attempts on some upstreams. Retries hide a part of the pool's failed attempts. Which ones is not counted, so
 * the hidden part is taken to be the same for all upstreams of the pool.
 */
export function harmOfAttempts(pool: PoolTraffic, failedAttempts: number): ClientHarm {
  return harmOf(pool, failedAttempts * pool.visibleShare);
}

/** @param failed requests that failed at the client in the last 30 s */
export function harmOf(pool: PoolTraffic, failed: number): ClientHarm {
  const { requests30, seconds30 } = pool;
  const share = requests30 > 0 ? Math.min(1, failed / requests30) : null;
  return {
    failing: failed / seconds30,
    share,
    level: isNoticed(pool, failed) ? "critical" : "warning",
  };
}

function isNoticed(pool: PoolTraffic, failed: number): boolean {
  if (failed <= 0) return false;
  const { requests30, routes, visibleErrors30, turnedAwayErrors30 } = pool;
  if (requests30 >= minimumRequests && failed >= criticalShare * requests30) return true;
  const all = Math.max(failed, visibleErrors30 + turnedAwayErrors30);
  return routes.some(
    (route) => route.requests30 >= minimumRequests && routeShareOf(route) * (failed / all) >= criticalShare,
  );
}

function routeShareOf({ requests30, errors30 }: RouteTraffic): number {
  return requests30 > 0 ? errors30 / requests30 : 0;
}

const maxRoutes = 5;

/**
 * Routes that lead to a pool: the ones whose requests fail, most failures first; while none fails the ones with most
 * requests. A share would put a route with one request before one on which thousands fail.
 */
export function routesHit(pool: PoolTraffic | undefined): readonly string[] {
  if (!pool) return [];
  const failing = pool.routes.filter(({ errors30 }) => errors30 > 0);
  return (failing.length > 0 ? failing : pool.routes)
    .toSorted((one, other) => other.errors30 - one.errors30 || other.requests30 - one.requests30)
    .slice(0, maxRoutes)
    .map(({ sample }) => sample.label);
}

/**
 * @param failed requests that have failed so far
 * @param otherwise the words while none fails
 */
export function hitsOf(
  pool: PoolTraffic | undefined,
  { failing, share }: Pick<ClientHarm, "failing" | "share">,
  { failed, otherwise }: { readonly failed: number; readonly otherwise: string },
): ProblemHits {
  const requests = Math.round(failed);
  const now = share !== null && share > 0 && failing > 0 ? sentenceCase(shareOfRequests(share)) : "";
  // It is a sum of rates: a first request is less than one.
  const soFar =
    requests === 0
      ? ""
      : now === ""
        ? `${countedNoun(requests, "request")} failed`
        : `${countText(requests)} so far`;
  return {
    words: [now, soFar].filter((part) => part !== "").join(", ") || otherwise,
    routes: routesHit(pool),
    share: share === null ? null : Math.round(share * 100_000) / 100_000,
    perSecond: Math.round(failing * 100) / 100,
    requests,
  };
}

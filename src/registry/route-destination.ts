/** Where the requests of a route go: the destination of its pool, with the limits that the route has in place of the pool's. */

import type { FilterSettings } from "../config/filter-schema.ts";
import { durationOf, sizeOf } from "../config/values.ts";
import type { Deadlines } from "../proxy/deadlines.ts";
import type { Destination, Timeouts } from "../proxy/route.ts";

/** A wait without a limit: longer than any request, and short enough for timers. */
const unlimitedMs = 20 * 86_400_000;

export type RouteLimits = Pick<FilterSettings, "maxRequestBody" | "timeouts" | "retries" | "hedge">;

/**
 * Pool, queue and retry budget stay those of the pool.
 * @param createDeadlines for a route whose total timeout differs: one list of deadlines for each timeout is cheapest
 */
export function routeDestination(
  pool: Destination,
  { maxRequestBody, timeouts, retries, hedge }: RouteLimits,
  createDeadlines: () => Deadlines,
): Destination {
  const isSame = [maxRequestBody, timeouts, retries].every((value) => value === undefined) && hedge !== false;
  if (isSame) return pool;
  const { deadlines: ofPool, mayHedge = false, ...rest } = pool;
  const changed = timeouts ? changedTimeouts(pool.timeouts, timeouts) : pool.timeouts;
  const isPoolTotal = changed.totalMs === pool.timeouts.totalMs && ofPool !== undefined;
  return {
    ...rest,
    timeouts: changed,
    ...(changed.totalMs !== undefined && { deadlines: isPoolTotal ? ofPool : createDeadlines() }),
    ...(mayHedge && hedge !== false && { mayHedge }),
    ...(retries !== undefined && { retries }),
    ...(maxRequestBody !== undefined && { maxRequestBodyBytes: sizeOf(maxRequestBody) }),
  };
}

function changedTimeouts(
  { totalMs, ...pool }: Timeouts,
  { head, total, bodyIdle, tunnelIdle }: NonNullable<RouteLimits["timeouts"]>,
): Timeouts {
  const limitMs = (given: string | 0 | undefined, fallbackMs: number) =>
    given === undefined ? fallbackMs : given === 0 ? unlimitedMs : durationOf(given);
  const chosenTotalMs = total === undefined ? totalMs : total === 0 ? undefined : durationOf(total);
  return {
    ...pool,
    headMs: limitMs(head, pool.headMs),
    bodyIdleMs: limitMs(bodyIdle, pool.bodyIdleMs),
    tunnelIdleMs: limitMs(tunnelIdle, pool.tunnelIdleMs),
    ...(chosenTotalMs !== undefined && { totalMs: chosenTotalMs }),
  };
}

/** How long to wait until an upstream's next probe. */

import type { Random } from "../lib/random.ts";
import type { Pool } from "../pool/pool.ts";
import type { Upstream } from "../pool/upstream.ts";
import type { ProbePlan } from "./probe.ts";

/** The first urgent wait, milliseconds. Each following one is twice as long, up to `changingIntervalMs`. */
const firstUrgentMs = 250;

/** Urgent probes of all pools in a second: a thousand servers that are down must not cost a thousand connects each second. */
const urgentPerSecond = 200;

/**
 * Probes start at multiples of this, so that several start together: each that starts alone loads its code and data into
 * the cache, which with 1,000 upstreams costs a hundredth of a core.
 */
const tickMs = 50;

/** What the wait depends on. */
export interface PacedUpstream {
  readonly upstream: Upstream;
  readonly pool: Pool;
  readonly plan: ProbePlan;
}

/**
 * Whether a pass would bring traffic that waits for it: the upstream has not come up yet, or its pool has no upstream that is up.
 * An upstream that passes and now fails its probes is not urgent: `fall` is meant to bridge short pauses.
 */
export function isUrgent({ upstream, pool }: PacedUpstream): boolean {
  const { activeHealth, mode, weight } = upstream;
  if (mode !== "ready" || weight === 0) return false;
  if (activeHealth.state === "passing" && activeHealth.isChanging) return false;
  return !activeHealth.isEstablished || pool.isDown;
}

/** The next urgent wait. @param before the one before it; 0 after an unexpected result, so that a recovery is seen at once */
export function urgentWaitMs(before: number, { changingIntervalMs, intervalMs }: ProbePlan): number {
  return Math.min(Math.max(firstUrgentMs, 2 * before), changingIntervalMs, intervalMs);
}

/**
 * @param urgentMs the urgent wait; 0 if the upstream is not urgent
 * @param urgentCount how many upstreams are urgent
 */
export function waitMs(
  { upstream, plan }: PacedUpstream,
  random: Random,
  urgentMs: number,
  urgentCount: number,
): number {
  const { intervalMs, changingIntervalMs, jitter } = plan;
  const spread = 2 * jitter * random();
  if (urgentMs > 0) {
    const shared = Math.max(urgentMs, (urgentCount / urgentPerSecond) * 1_000);
    // Never longer than the base: requests wait for it.
    return Math.min(shared, intervalMs) * Math.max(0, 1 - spread);
  }
  const base = upstream.activeHealth.isChanging ? Math.min(changingIntervalMs, intervalMs) : intervalMs;
  return base * (1 - jitter + spread);
}

/** The wait rounded down to a tick, but not to the current one. */
export function untilTick(now: number, delayMs: number): number {
  const tick = Math.floor((now + delayMs) / tickMs);
  return Math.max(tick, Math.floor(now / tickMs) + 1) * tickMs - now;
}

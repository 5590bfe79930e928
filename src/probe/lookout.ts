/** Watches who waits: whom to suspect of having stopped, and whose waiting requests to move. Apart from the prober's schedule. */

import type { Clock } from "../lib/clock.ts";
import type { Attempt } from "../pool/attempt.ts";
import type { Pool } from "../pool/pool.ts";
import type { Upstream } from "../pool/upstream.ts";
import type { Target } from "./prober.ts";

/** A shorter wait is never suspicious, however fast the upstream usually is. */
const leastPatienceMs = 1_000;
/** So many waiting attempts are enough to eject an upstream that a TCP check cannot judge. */
const silentAttempts = 3;

export interface LookoutSetting {
  readonly clock: Clock;
  /** The latency that 99 of 100 answers of this upstream stay below, milliseconds; undefined while unknown. */
  readonly p99Ms: (upstream: Upstream) => number | undefined;
}

/** How long an attempt may wait for its head before its upstream is suspected, milliseconds. */
export function patienceMs(p99Ms = 0): number {
  return Math.max(leastPatienceMs, 3 * p99Ms);
}

/**
 * ```
 *  waits too long ─▶ suspected ──check fails───────────────────────────▶ failing ──┐
 *                        └──TCP only: silent, while others answer──────▶ ejected ──┴─▶ waiting attempts are rescued
 * ```
 * One look goes over upstreams, never over attempts: the longest waiting one speaks for all.
 */
export class Lookout {
  readonly #setting: LookoutSetting;

  constructor(setting: LookoutSetting) {
    this.#setting = setting;
  }

  /** Looks at one upstream; true if it deserves a check at once. */
  look({ pool, upstream, plan }: Target): boolean {
    if (upstream.isDown) {
      rescueAll(upstream);
      return false;
    }
    const now = this.#setting.clock();
    const oldest = upstream.waiting.oldest;
    // The cheap question first: percentiles are worth it only for those who wait long.
    if (!oldest || now - oldest.waitingSince < leastPatienceMs) return false;
    const patience = patienceMs(this.#setting.p99Ms(upstream));
    if (now - oldest.waitingSince < patience) return false;
    if (plan.kind === "tcp" && isSilent(pool, upstream, now - patience)) {
      pool.ejectSilent(upstream);
      if (upstream.isDown) {
        rescueAll(upstream);
        return false;
      }
    }
    return true;
  }
}

/** Lets every attempt that waits there go elsewhere, if its request may. */
export function rescueAll(upstream: Upstream): void {
  for (const attempt of upstream.waiting.all()) {
    // One that is moved can take others along: a client that cannot be written to leaves with all it has.
    if (attempt.isWaiting && attempt.upstream === upstream) attempt.carrier?.rescue(attempt);
  }
}

/**
 * Whether several attempts wait that all began after its last answer, though others of the pool have answered since: slow
 * requests among answered ones make nobody silent.
 * @param before only those count that have waited since then
 */
function isSilent(pool: Pool, upstream: Upstream, before: number): boolean {
  let left = silentAttempts;
  let last: Attempt | undefined;
  for (let attempt = upstream.waiting.oldest; attempt && left > 0; attempt = attempt.next) {
    // Those that began before its last answer are slow, perhaps; those that began after it speak of silence.
    if (attempt.waitingSince < upstream.answeredAt) continue;
    last = attempt;
    left -= 1;
  }
  if (!last || left > 0 || last.waitingSince > before) return false;
  const since = last.waitingSince;
  return pool.upstreams.some((other) => other !== upstream && other.answeredAt > since);
}

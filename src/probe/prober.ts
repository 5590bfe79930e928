/** Probes every upstream, one probe at a time, on a schedule, and at once on suspicion; writes the results into the pool. */

import { type Cancel, type Clock, type Schedule, sleep } from "../lib/clock.ts";
import type { Random } from "../lib/random.ts";
import type { Pool } from "../pool/pool.ts";
import type { ActiveHealthState } from "../pool/active-health.ts";
import type { Upstream } from "../pool/upstream.ts";
import { rescueWaiting } from "../pool/attempt-control.ts";
import type { ProbePlan, ProbeResult } from "./probe.ts";
import { isUnresponsive, type StallSuspicion } from "./stall-detector.ts";

/** One upstream and how it is probed. */
export interface ProbeTarget {
  readonly upstream: Upstream;
  /** Where results are recorded; the upstream may join it later. */
  readonly pool: Pool;
  readonly plan: ProbePlan;
}

export interface ProberOptions {
  readonly probe: (upstream: Upstream, plan: ProbePlan) => Promise<ProbeResult>;
  /** Whether a success on this upstream disproves an ejection for refused connections; by default it does. */
  readonly provesConnect?: (upstream: Upstream) => boolean;
  readonly clock: Clock;
  readonly schedule: Schedule;
  readonly random: Random;
  /** Called with every result, and with the verdict before if the result changed it. */
  readonly onResult: (
    target: ProbeTarget,
    result: ProbeResult,
    changedFrom: ActiveHealthState | undefined,
  ) => void;
}

/** Longest wait for first verdicts: an address that drops packets must not keep the others from serving. */
const firstVerdictsMs = 3_000;

/**
 * Probes start at multiples of this, so that several start together: each that starts alone loads its code and data into
 * the cache, which with 1,000 upstreams costs a hundredth of a core.
 */
const tickMs = 50;

/** Timeout of a probe on suspicion: requests already wait. */
const suspicionMs = 1_000;

/** One target's schedule, until it is replaced or removed. */
interface Watch {
  readonly target: ProbeTarget;
  cancel: Cancel | undefined;
  /** Clock time from which a suspicion is followed up again; Infinity while a probe on suspicion runs. */
  nextSuspicionAt: number;
}

export class Prober {
  readonly #options: ProberOptions;
  readonly #watches = new Map<Upstream, Watch>();
  #isStopped = false;

  constructor(options: ProberOptions) {
    this.#options = options;
  }

  /**
   * Adds targets and probes them at once. A known target is re-probed only if its plan or its pool changed.
   * Resolves with the first verdicts of the new targets, after three seconds at the latest.
   */
  async watch(targets: readonly ProbeTarget[]): Promise<void> {
    const first = targets.flatMap((target) => {
      const known = this.#watches.get(target.upstream);
      if (this.#isStopped || (known && isSame(known.target, target))) return [];
      known?.cancel?.();
      const watch: Watch = { target, cancel: undefined, nextSuspicionAt: -Infinity };
      this.#watches.set(target.upstream, watch);
      return [this.#check(watch)];
    });
    if (first.length > 0) await Promise.race([Promise.all(first), sleep(firstVerdictsMs)]);
  }

  /** Stops probing every other upstream. */
  retain(upstreams: ReadonlySet<Upstream>): void {
    for (const [upstream, watch] of this.#watches) {
      if (upstreams.has(upstream)) continue;
      watch.cancel?.();
      this.#watches.delete(upstream);
    }
  }

  stop(): void {
    this.#isStopped = true;
    this.retain(new Set());
  }

  /** Requests stall on an upstream: probes it at once. Ejects an unresponsive one where a TCP connect proves nothing. */
  investigate({ upstream, evidence }: StallSuspicion): void {
    const watch = this.#watches.get(upstream);
    if (!watch || upstream.isDown) return;
    const { pool, plan } = watch.target;
    const now = this.#options.clock();
    if (plan.kind === "tcp" && isUnresponsive(evidence, now)) pool.ejectUnresponsive(upstream);
    if (upstream.isDown) rescueWaiting(upstream);
    else if (now >= watch.nextSuspicionAt) void this.#probeSuspect(watch);
  }

  async #check(watch: Watch): Promise<void> {
    const { target } = watch;
    const { clock, schedule, random, onResult } = this.#options;
    const begunAt = clock();
    const result = await this.#options.probe(target.upstream, target.plan);
    if (this.#watches.get(target.upstream) !== watch) return;
    const { state } = target.upstream.activeHealth;
    const changed = target.pool.recordProbe(target.upstream, result.success, {
      begunAt,
      provesConnect: this.#provesConnect(target.upstream),
    });
    // Before anything that may throw, so that the schedule continues.
    const wait = untilTick(clock(), waitMs(target, random));
    watch.cancel = schedule(wait, () => void this.#check(watch));
    onResult(target, result, changed ? state : undefined);
    if (target.upstream.isDown) rescueWaiting(target.upstream);
  }

  #provesConnect(upstream: Upstream): boolean {
    return this.#options.provesConnect?.(upstream) ?? true;
  }

  /** In addition to the schedule, whose next probe may be far away, or hang. */
  async #probeSuspect(watch: Watch): Promise<void> {
    const { target } = watch;
    const { pool, upstream, plan } = target;
    watch.nextSuspicionAt = Infinity;
    const timeoutMs = Math.min(plan.timeoutMs, suspicionMs);
    const begunAt = this.#options.clock();
    const result = await this.#options.probe(upstream, { ...plan, timeoutMs });
    watch.nextSuspicionAt = this.#options.clock() + plan.changingIntervalMs;
    if (this.#watches.get(upstream) !== watch) return;
    const { state } = upstream.activeHealth;
    const changed = pool.recordProbe(upstream, result.success, {
      isSuspected: true,
      begunAt,
      provesConnect: this.#provesConnect(upstream),
    });
    const detail = result.success ? result.detail : `${result.detail}; requests are stalled`;
    this.#options.onResult(target, { ...result, detail }, changed ? state : undefined);
    if (upstream.isDown) rescueWaiting(upstream);
  }
}

function isSame(one: ProbeTarget, other: ProbeTarget): boolean {
  if (one.pool !== other.pool) return false;
  const keys = new Set([...Object.keys(one.plan), ...Object.keys(other.plan)]) as Set<keyof ProbePlan>;
  return [...keys].every((key) => one.plan[key] === other.plan[key]);
}

/** The wait until the next probe: short while the verdict is about to change, with jitter. */
function waitMs({ upstream, plan }: ProbeTarget, random: Random): number {
  const base = upstream.activeHealth.isChanging
    ? Math.min(plan.changingIntervalMs, plan.intervalMs)
    : plan.intervalMs;
  return base * (1 - plan.jitter + 2 * plan.jitter * random());
}

/** The wait rounded up to the next tick. */
function untilTick(now: number, delayMs: number): number {
  return Math.ceil((now + delayMs) / tickMs) * tickMs - now;
}

/** Probes every upstream, one probe at a time, on a schedule, and at once on suspicion; writes the results into the pool. */

import { type Cancel, type Clock, type Schedule, sleep } from "../lib/clock.ts";
import type { Random } from "../lib/random.ts";
import type { Pool } from "../pool/pool.ts";
import type { ActiveHealthState } from "../pool/active-health.ts";
import type { Upstream } from "../pool/upstream.ts";
import { rescueWaiting } from "../pool/attempt-control.ts";
import { isUrgent, untilTick, urgentWaitMs, waitMs } from "./pace.ts";
import type { ProbePlan, ProbeResult, UnmadeProbe } from "./probe.ts";
import { isUnresponsive, type StallSuspicion } from "./stall-detector.ts";

/** One upstream and how it is probed. */
export interface ProbeTarget {
  readonly upstream: Upstream;
  /** Where results are recorded; the upstream may join it later. */
  readonly pool: Pool;
  readonly plan: ProbePlan;
}

export interface ProberOptions {
  readonly probe: (upstream: Upstream, plan: ProbePlan) => Promise<ProbeResult | UnmadeProbe>;
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

/** A probe that is later hangs, or its timer does: a busy machine and a slow resolver take less. */
const maxLateMs = 30_000;

/**
 * First probes of many targets begin in groups of this size, so that requests are served in between: each opens a
 * connection, and a thousand at once take a second.
 */
const groupSize = 16;
const groupMs = 4;

/** Timeout of a probe on suspicion: requests already wait. */
const suspicionMs = 1_000;

/** One target's schedule, until it is replaced or removed. */
interface Watch {
  readonly target: ProbeTarget;
  cancel: Cancel | undefined;
  /** Clock time of the next probe; in the past while one runs. */
  dueAt: number;
  /** Clock time of the start of the last one. */
  begunAt: number;
  /** The last urgent wait; 0 while not urgent. */
  urgentMs: number;
  /** Clock time from which a suspicion is followed up again; Infinity while a probe on suspicion runs. */
  nextSuspicionAt: number;
}

export class Prober {
  readonly #options: ProberOptions;
  readonly #watches = new Map<Upstream, Watch>();
  /** How many watches are urgent. */
  #urgentCount = 0;
  /** Pools that were down at the last check. */
  readonly #down = new WeakSet<Pool>();
  #isStopped = false;

  constructor(options: ProberOptions) {
    this.#options = options;
  }

  /**
   * Adds targets and probes them at once. A known target is re-probed only if its plan or its pool changed.
   * Resolves with the first verdicts of the new targets, after three seconds at the latest.
   */
  async watch(targets: readonly ProbeTarget[]): Promise<void> {
    let count = 0;
    const first = targets.flatMap((target) => {
      const known = this.#watches.get(target.upstream);
      if (this.#isStopped || (known && isSame(known.target, target))) return [];
      if (known) this.#drop(known);
      const watch: Watch = {
        target,
        cancel: undefined,
        dueAt: -Infinity,
        begunAt: -Infinity,
        urgentMs: 0,
        nextSuspicionAt: -Infinity,
      };
      this.#watches.set(target.upstream, watch);
      return [this.#checkFirst(watch, count++)];
    });
    // An operator may have taken out the last one that was up.
    for (const pool of new Set(targets.map(({ pool }) => pool))) this.#expedite(pool);
    if (first.length > 0) await Promise.race([Promise.all(first), sleep(firstVerdictsMs)]);
  }

  /** Stops probing every other upstream. */
  retain(upstreams: ReadonlySet<Upstream>): void {
    for (const [upstream, watch] of this.#watches) {
      if (upstreams.has(upstream)) continue;
      this.#drop(watch);
      this.#watches.delete(upstream);
    }
  }

  stop(): void {
    this.#isStopped = true;
    this.retain(new Set());
  }

  /** Whether probes begin and end about when they should: of one upstream at least, if there are any. */
  get isTurning(): boolean {
    const now = this.#options.clock();
    const isLate = ({ dueAt, begunAt, target: { plan } }: Watch) =>
      now > (dueAt > -Infinity ? dueAt : begunAt + plan.timeoutMs) + maxLateMs;
    return this.#watches.size === 0 || !this.#watches.values().every(isLate);
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

  /** @param position among the targets that are new with this one */
  #checkFirst(watch: Watch, position: number): Promise<void> {
    if (position < groupSize) return this.#check(watch);
    const { promise, resolve } = Promise.withResolvers<void>();
    const delayMs = Math.floor(position / groupSize) * groupMs;
    watch.cancel = this.#options.schedule(delayMs, () => void this.#check(watch).then(resolve));
    return promise;
  }

  async #check(watch: Watch): Promise<void> {
    const { target } = watch;
    const { clock, onResult } = this.#options;
    const begunAt = clock();
    [watch.dueAt, watch.begunAt] = [-Infinity, begunAt];
    const result = await this.#options.probe(target.upstream, target.plan);
    if (this.#watches.get(target.upstream) !== watch) return;
    if ("exhausted" in result) {
      this.#scheduleNext(watch, false);
      return;
    }
    const { state } = target.upstream.activeHealth;
    const changed = target.pool.recordProbe(target.upstream, result.success, {
      begunAt,
      provesConnect: this.#provesConnect(target.upstream),
    });
    // Before anything that may throw, so that the schedule continues.
    this.#scheduleNext(watch, changed || target.upstream.activeHealth.isChanging);
    this.#expedite(target.pool);
    onResult(target, result, changed ? state : undefined);
    if (target.upstream.isDown) rescueWaiting(target.upstream);
  }

  /** @param isNews whether the last result was unexpected, so that urgent waits start at the shortest */
  #scheduleNext(watch: Watch, isNews: boolean): void {
    const { target, urgentMs } = watch;
    const { clock, schedule, random } = this.#options;
    this.#setUrgent(watch, isUrgent(target) ? urgentWaitMs(isNews ? 0 : urgentMs, target.plan) : 0);
    const now = clock();
    const wait = untilTick(now, waitMs(target, random, watch.urgentMs, this.#urgentCount));
    watch.dueAt = now + wait;
    watch.cancel = schedule(wait, () => void this.#check(watch));
  }

  /** When a pool goes down: brings the next probes of its upstreams forward. */
  #expedite(pool: Pool): void {
    if (!pool.isDown) return void this.#down.delete(pool);
    if (this.#down.has(pool)) return;
    this.#down.add(pool);
    const watches = [...this.#watches.values()].filter(({ target }) => target.pool === pool);
    const urgent = watches.filter(({ target }) => isUrgent(target));
    // Counted first, because the waits depend on the number.
    for (const watch of urgent) this.#setUrgent(watch, Math.max(1, watch.urgentMs));
    const now = this.#options.clock();
    for (const watch of urgent) {
      if (now + waitMs(watch.target, () => 0, 1, this.#urgentCount) >= watch.dueAt) continue;
      watch.cancel?.();
      this.#scheduleNext(watch, true);
    }
  }

  #drop(watch: Watch): void {
    watch.cancel?.();
    this.#setUrgent(watch, 0);
  }

  #setUrgent(watch: Watch, urgentMs: number): void {
    this.#urgentCount += Number(urgentMs > 0) - Number(watch.urgentMs > 0);
    watch.urgentMs = urgentMs;
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
    if (this.#watches.get(upstream) !== watch || "exhausted" in result) return;
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

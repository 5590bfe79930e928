/** When to look: keeps one check at a time going for every upstream and writes what it saw into the pool. */

import { type Cancel, type Clock, type Schedule, sleep } from "../lib/clock.ts";
import type { Random } from "../lib/random.ts";
import type { Pool } from "../pool/pool.ts";
import type { ActiveHealthState } from "../pool/active-health.ts";
import type { Upstream } from "../pool/upstream.ts";
import { rescueWaiting } from "../pool/attempt-control.ts";
import type { ProbePlan, ProbeResult } from "./probe.ts";
import { isUnresponsive, type StallSuspicion } from "./stall-detector.ts";

/** One upstream to look at, and how. */
export interface ProbeTarget {
  readonly upstream: Upstream;
  /** Hears the results; the upstream may belong to it only later. */
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
  /** Hears of every result, and of the verdict before if the result changed it. */
  readonly onResult: (
    target: ProbeTarget,
    result: ProbeResult,
    changedFrom: ActiveHealthState | undefined,
  ) => void;
}

/** Nobody waits longer than this for first verdicts: a black hole must not keep the rest from serving. */
const firstVerdictsMs = 3_000;

/**
 * Checks begin at multiples of this, those that are due by then together: each that begins alone fetches all that it takes
 * from memory, which with 1,000 upstreams comes to a hundredth of a core.
 */
const tickMs = 50;

/** A check on suspicion has no more time than this: requests already wait. */
const suspicionMs = 1_000;

/** Looking at one target goes on until its watch is replaced or ended. */
interface Watch {
  readonly target: ProbeTarget;
  cancel: Cancel | undefined;
  /** Clock time from which on a suspicion is followed up again; Infinity while one is. */
  heedsFrom: number;
}

export class Prober {
  readonly #options: ProberOptions;
  readonly #watches = new Map<Upstream, Watch>();
  #isStopped = false;

  constructor(options: ProberOptions) {
    this.#options = options;
  }

  /**
   * Looks at these too, at once and from then on; one that is known already is looked at anew only if how has changed.
   * Resolves with the first verdicts of the new ones, after three seconds at the latest.
   */
  async watch(targets: readonly ProbeTarget[]): Promise<void> {
    const first = targets.flatMap((target) => {
      const known = this.#watches.get(target.upstream);
      if (this.#isStopped || (known && isSame(known.target, target))) return [];
      known?.cancel?.();
      const watch: Watch = { target, cancel: undefined, heedsFrom: -Infinity };
      this.#watches.set(target.upstream, watch);
      return [this.#check(watch)];
    });
    if (first.length > 0) await Promise.race([Promise.all(first), sleep(firstVerdictsMs)]);
  }

  /** Looks at nothing but these any more. */
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

  /** Requests wait there for too long: checks at once; ejects who is silent, where a check could not see that. */
  confirmSuspicion({ upstream, evidence }: StallSuspicion): void {
    const watch = this.#watches.get(upstream);
    if (!watch || upstream.isDown) return;
    const { pool, plan } = watch.target;
    const now = this.#options.clock();
    if (plan.kind === "tcp" && isUnresponsive(evidence, now)) pool.ejectUnresponsive(upstream);
    if (upstream.isDown) rescueWaiting(upstream);
    else if (now >= watch.heedsFrom) void this.#probeSuspect(watch);
  }

  async #check(watch: Watch): Promise<void> {
    const { target } = watch;
    const { clock, schedule, random, onResult } = this.#options;
    const begunAt = clock();
    const result = await this.#options.probe(target.upstream, target.plan);
    if (this.#watches.get(target.upstream) !== watch) return;
    const { state } = target.upstream.activeHealth;
    const changed = target.pool.recordProbe(target.upstream, result.success, {
      ...{ begunAt, provesConnect: this.#provesConnect(target.upstream) },
    });
    // First of all: whatever those who hear of it throw, it is looked at again.
    const wait = untilTick(clock(), waitMs(target, random));
    watch.cancel = schedule(wait, () => void this.#check(watch));
    onResult(target, result, changed ? state : undefined);
    if (target.upstream.isDown) rescueWaiting(target.upstream);
  }

  #provesConnect(upstream: Upstream): boolean {
    return this.#options.provesConnect?.(upstream) ?? true;
  }

  /** Beside the schedule, whose next look may be far away, or hangs. */
  async #probeSuspect(watch: Watch): Promise<void> {
    const { target } = watch;
    const { pool, upstream, plan } = target;
    watch.heedsFrom = Infinity;
    const timeoutMs = Math.min(plan.timeoutMs, suspicionMs);
    const begunAt = this.#options.clock();
    const result = await this.#options.probe(upstream, { ...plan, timeoutMs });
    watch.heedsFrom = this.#options.clock() + plan.changingIntervalMs;
    if (this.#watches.get(upstream) !== watch) return;
    const { state } = upstream.activeHealth;
    const changed = pool.recordProbe(upstream, result.success, {
      ...{ isSuspected: true, begunAt, provesConnect: this.#provesConnect(upstream) },
    });
    const detail = result.success ? result.detail : `${result.detail}, and requests wait`;
    this.#options.onResult(target, { ...result, detail }, changed ? state : undefined);
    if (upstream.isDown) rescueWaiting(upstream);
  }
}

function isSame(one: ProbeTarget, other: ProbeTarget): boolean {
  if (one.pool !== other.pool) return false;
  const keys = new Set([...Object.keys(one.plan), ...Object.keys(other.plan)]) as Set<keyof ProbePlan>;
  return [...keys].every((key) => one.plan[key] === other.plan[key]);
}

/** The wait until the next look: short while the verdict is about to change, and never in step with other peers. */
function waitMs({ upstream, plan }: ProbeTarget, random: Random): number {
  const base = upstream.activeHealth.isChanging
    ? Math.min(plan.changingIntervalMs, plan.intervalMs)
    : plan.intervalMs;
  return base * (1 - plan.jitter + 2 * plan.jitter * random());
}

/** As long a wait, up to a tick longer. */
function untilTick(now: number, delayMs: number): number {
  return Math.ceil((now + delayMs) / tickMs) * tickMs - now;
}

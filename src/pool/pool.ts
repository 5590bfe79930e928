/** A named group of upstreams: keeps the list of those that may serve and lets its policy choose among them. */

import type { Clock } from "../lib/clock.ts";
import type { Random } from "../lib/random.ts";
import type { Attempt, AttemptAccounting } from "./attempt.ts";
import type { Signal } from "./outcome.ts";
import {
  ejectionDisabled,
  type OutlierReason,
  type OutlierState,
  type RestoreReason,
} from "./outlier-detector.ts";
import { peek, pick, type Policy, powerOfTwoChoices, selectRetryUpstream } from "./selection.ts";
import { buildServingSet, isEligible, otherUpCount, type ServingSet } from "./serving-set.ts";
import type { Mode, Upstream, UpstreamHealth, UpstreamLimits } from "./upstream.ts";

export class Pool implements AttemptAccounting {
  readonly name: string;
  #upstreams: readonly Upstream[];
  #policy: Policy;
  readonly #random: Random;
  readonly #clock: Clock;
  #maxEjectedShare: number;
  readonly #observer: PoolObserver | undefined;
  #servingSet: ServingSet | undefined;
  #isStale = true;
  /** Told when an upstream may have room again. */
  onCapacity: (() => void) | undefined;

  constructor(spec: PoolSpec) {
    this.name = spec.name;
    this.#upstreams = spec.upstreams;
    this.#policy = spec.policy;
    this.#random = spec.random;
    this.#clock = spec.clock;
    this.#maxEjectedShare = spec.maxEjectedShare ?? 0;
    this.#observer = spec.observer;
  }

  get upstreams(): readonly Upstream[] {
    return this.#upstreams;
  }

  /** Those that may serve now. Rebuilt only after a verdict changed, so a request costs the same with 3 or 3,000. */
  get available(): readonly Upstream[] {
    return this.#current().tiers[0]?.members ?? [];
  }

  /** Whether nothing but passive verdicts was left to go by, so that all of them serve. */
  get isPanicking(): boolean {
    return this.#current().isPanicking;
  }

  /** Whether upstreams are fit but every one is at its limit. */
  get isFull(): boolean {
    const { tiers } = this.#current();
    return tiers.length > 0 && tiers.every((tier) => tier.isFull);
  }

  /** Whether it gets new requests now. */
  serves(upstream: Upstream): boolean {
    const serving = this.#current().tiers.find((tier) => !tier.isFull);
    return serving?.members.includes(upstream) === true && this.#hasRoom(upstream);
  }

  /**
   * Chooses where a request goes; undefined if nothing is left to try.
   * @param key what the request is pinned by; empty where the pool has no key
   * @param tried where it has failed already. A retry is not a turn: it asks no policy, or one dead upstream of
   *   three would push three quarters of the traffic onto one survivor. Nor is what a full upstream leaves to others.
   * @param isImagined nothing is sent: no turn is taken
   */
  select(key: string, tried: readonly Upstream[], isImagined = false): Upstream | undefined {
    if (tried.length > 0) return selectRetryUpstream(this.#current(), tried, this.#random);
    const { tiers } = this.#current();
    const best = tiers[0];
    if (best && !best.isFull) {
      const picked = (isImagined ? peek : pick)(this.#policy, best.members, key);
      return this.#hasRoom(picked) ? picked : powerOfTwoChoices(best.open, this.#random);
    }
    const next = tiers.find((tier) => !tier.isFull);
    return next && powerOfTwoChoices(next.open, this.#random);
  }

  /** Changes who belongs to it. Whoever leaves gets nothing new; what is under way there finishes. */
  setUpstreams(upstreams: readonly Upstream[]): void {
    this.#upstreams = upstreams;
    this.#changed();
  }

  /** From the next choice on. */
  setPolicy(policy: Policy): void {
    this.#policy = policy;
  }

  /** @param share 0–1; whoever is ejected now stays so */
  setMaxEjectedShare(share: number): void {
    this.#maxEjectedShare = share;
  }

  /** Takes a new share and place in; true if they are new. The fit list is a new one then, so that policies see it. */
  adjust(upstream: Upstream, { weight, backup }: Pick<Upstream, "weight" | "backup">): boolean {
    if (upstream.weight === weight && upstream.backup === backup) return false;
    Object.assign(upstream, { weight, backup });
    this.#changed();
    return true;
  }

  /** Takes the operator's intent in; true if it changed anything. */
  setMode(upstream: Upstream, mode: Mode): boolean {
    if (upstream.mode === mode) return false;
    upstream.mode = mode;
    this.#changed();
    return true;
  }

  /** Takes new limits in; verdicts stay. Those of the probes are the streak's own. */
  setLimits(upstream: Upstream, { outlier, slowStartMs, maxInFlight }: Partial<UpstreamLimits>): void {
    upstream.outlier.adjust(outlier ?? ejectionDisabled);
    upstream.slowStart.adjust(slowStartMs ?? 0);
    upstream.maxInFlight = maxInFlight ?? Infinity;
    this.#changed();
  }

  /** Takes over what is known of it elsewhere; the passive verdict only if it is a later one. True if that changed. */
  adoptHealth(upstream: Upstream, { streak: activeHealth, verdict }: UpstreamHealth): boolean {
    const wasFailing = upstream.activeHealth.state === "failing";
    const hasPassed = upstream.activeHealth.adopt(activeHealth) && wasFailing;
    const isChanged = upstream.outlier.adopt(verdict);
    if (hasPassed || (isChanged && upstream.outlier.state === "up")) upstream.slowStart.begin(this.#clock());
    this.#changed();
    return isChanged;
  }

  /** Takes over how many attempts are under way in other processes, in a pool that makes none itself. */
  setInFlight(upstream: Upstream, { inFlight, tunnels }: Pick<Upstream, "inFlight" | "tunnels">): void {
    if (upstream.inFlight === inFlight && upstream.tunnels === tunnels) return;
    Object.assign(upstream, { inFlight, tunnels });
    this.#changed();
  }

  /** Takes a probe's result in; true if its verdict changed. One that recovers starts slowly; one that is new does not. */
  recordProbe(
    upstream: Upstream,
    success: boolean,
    { isSuspected, begunAt = Infinity, provesConnect = true }: ProbeContext = {},
  ): boolean {
    const { activeHealth, slowStart, outlier } = upstream;
    const wasOut =
      activeHealth.state === "failing" ||
      (provesConnect && upstream.isEjectedForRefusedConnect && begunAt > outlier.since);
    const isNew = activeHealth.record(
      success,
      isSuspected === true && otherUpCount(this.#current(), upstream) > 0,
    );
    if (isNew) this.#changed();
    if (!wasOut || !success || activeHealth.state !== "passing") return isNew;
    if (!this.restore(upstream, "probe_passed")) slowStart.begin(this.#clock());
    return isNew;
  }

  /** Ends an ejection or a probation before its time, with a slow start; false if there was none. */
  restore(upstream: Upstream, reason: RestoreReason): boolean {
    const [now, from] = [this.#clock(), upstream.outlier.state];
    if (!upstream.outlier.restore(now, reason)) return false;
    upstream.slowStart.begin(now);
    this.#changed();
    this.#announce(upstream, from);
    return true;
  }

  /** Takes out who answers nothing while others do, unless the pool cannot do without. */
  ejectUnresponsive(upstream: Upstream): void {
    const from = upstream.outlier.state;
    if (from !== "up" || !this.canEject(upstream)) return;
    upstream.outlier.ejectUnresponsive(this.#clock());
    this.#isStale = true;
    this.#announce(upstream, from);
  }

  attemptStarted(upstream: Upstream): void {
    upstream.outlier.attemptStarted();
    if (this.#hasRoom(upstream) || !this.#servingSet) return;
    for (const tier of this.#servingSet.tiers) if (tier.close(upstream)) return;
  }

  /** Called by an attempt alone. An answer's good head is enough to end a probation: its body may last for hours. */
  attemptResponding(attempt: Attempt): void {
    if (attempt.upstream.outlier.state === "probation")
      this.#evaluate(attempt, "success", attempt.responseStartedAt);
    if (attempt.isTunnel) this.#freed(attempt.upstream);
  }

  /** Called by an attempt alone. */
  attemptEnded(attempt: Attempt, sign: Signal): void {
    this.#evaluate(attempt, sign, attempt.endedAt);
    this.#freed(attempt.upstream);
  }

  /** One of its places is free again. */
  #freed(upstream: Upstream): void {
    this.onCapacity?.();
    if (!this.#servingSet || !this.#hasRoom(upstream)) return;
    for (const tier of this.#servingSet.tiers) if (tier.reopen(upstream)) return;
  }

  #evaluate({ upstream, startedAt }: Attempt, sign: Signal, now: number): void {
    const { outlier } = upstream;
    if (startedAt < outlier.since) return;
    const from = outlier.state;
    if (!outlier.record(sign, now, sign === "failure" && this.canEject(upstream))) return;
    this.#isStale = true;
    if (outlier.state === "up") upstream.slowStart.begin(now);
    this.#announce(upstream, from);
  }

  /** At most a share of the pool is ejected, and never the last one that is up. */
  canEject(upstream: Upstream): boolean {
    const servingSet = this.#current();
    if (!isEligible(upstream) || otherUpCount(servingSet, upstream) === 0) return false;
    return servingSet.ejected.length + 1 <= this.#maxEjectedShare * servingSet.eligible;
  }

  #announce(upstream: Upstream, from: OutlierState): void {
    const { state: to, reason } = upstream.outlier;
    this.#observer?.outlierChanged(this, { upstream, from, to, reason });
  }

  #hasRoom(upstream: Upstream): boolean {
    return upstream.hasCapacity && (upstream.outlier.admits || this.#servingSet?.isPanicking === true);
  }

  #current(): ServingSet {
    const servingSet = this.#servingSet;
    if (servingSet && !this.#isStale && (servingSet.dueAt === Infinity || this.#clock() < servingSet.dueAt))
      return servingSet;
    return this.#rebuilt(this.#clock());
  }

  #rebuilt(now: number): ServingSet {
    const before = this.#servingSet;
    const { servingSet, settled } = buildServingSet(this.upstreams, before, now);
    this.#servingSet = servingSet;
    this.#isStale = false;
    for (const [upstream, from] of settled) this.#announce(upstream, from);
    const wasPanicking = before?.isPanicking ?? false;
    if (servingSet.isPanicking !== wasPanicking) this.#observer?.panicChanged(this, servingSet.isPanicking);
    return servingSet;
  }

  /** Somebody may serve now who could not before, or the other way round. */
  #changed(): void {
    this.#isStale = true;
    this.onCapacity?.();
  }
}

// What a pool is made of, and what comes with a probe.

export interface PoolSpec {
  readonly name: string;
  readonly policy: Policy;
  readonly upstreams: readonly Upstream[];
  readonly random: Random;
  readonly clock: Clock;
  /** Share of the wanted upstreams that may be ejected at the same time, 0–1; without it none is. */
  readonly maxEjectedShare?: number;
  readonly observer?: PoolObserver;
}

/** The circumstances of a probe. */
export interface ProbeContext {
  /** Attempts wait there for too long: then one failure is enough, except for the last one that is up. */
  readonly isSuspected?: boolean;
  /** Clock time at which the probe began: what attempts found since is newer. */
  readonly begunAt?: number;
  /** Whether its success disproves an ejection for refused connections; by default true. */
  readonly provesConnect?: boolean;
}

// What a pool tells of itself: apart from the pool, because the listeners live on other floors.

/** A change of an upstream's passive verdict. */
export interface OutlierChange {
  readonly upstream: Upstream;
  readonly from: OutlierState;
  readonly to: OutlierState;
  readonly reason: OutlierReason | undefined;
}

/** Hears of changes that requests and time bring about. Called synchronously on a request's way; must not throw. */
export interface PoolObserver {
  outlierChanged(pool: Pool, change: OutlierChange): void;
  /** The pool began or stopped to serve from everybody for want of an upstream that is up. */
  panicChanged(pool: Pool, isPanicking: boolean): void;
}

/** A named group of upstreams and its policy: keeps the list of available upstreams and selects among them. */

import { throwLater } from "../lib/bugs.ts";
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
import { chooserFor, peek, pick, type Policy, selectRetryUpstream } from "./selection.ts";
import { buildServingSet, isEligible, isUp, otherUpCount, type ServingSet } from "./serving-set.ts";
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
  /** Called when an upstream may have a free slot again. */
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

  /** Upstreams that may serve now. Rebuilt only after a verdict changed, so a request costs the same with 3 or 3,000. */
  get available(): readonly Upstream[] {
    return this.#current().tiers[0]?.members ?? [];
  }

  /** Whether no eligible upstream is up (all are ejected or on probation), so that all of them serve (panic mode). */
  get isPanicking(): boolean {
    return this.#current().isPanicking;
  }

  /** Whether operators let some upstreams serve but none of them is up: all are failing, ejected or on probation. */
  get isDown(): boolean {
    // The prober asks after each check. Building the list of thousands for that would make the first checks of all quadratic.
    if (this.#isStale && !this.#servingSet?.isPanicking && this.#upstreams.some(isUp)) return false;
    const { up, wanted } = this.#current();
    return wanted > 0 && up === 0;
  }

  /** Whether upstreams are available but each is at its limit. */
  get isFull(): boolean {
    const { tiers } = this.#current();
    return tiers.length > 0 && tiers.every((tier) => tier.isFull);
  }

  /** Whether the upstream gets new requests now. */
  serves(upstream: Upstream): boolean {
    const serving = this.#current().tiers.find((tier) => !tier.isFull);
    return serving?.has(upstream) === true && this.#hasSlot(upstream);
  }

  /**
   * Whether the upstream takes a request of a client that it served before. Such a client may stay where new ones do not go:
   * with weight 0, while others have priority, and during a drain. Not on a backup while a primary is available.
   * @returns "full" where it would, but has no slot now
   */
  fitnessForClient(upstream: Upstream, staysWhileDraining: boolean): "fit" | "full" | "unfit" {
    const { mode, outlier, activeHealth, backup, hasCapacity } = upstream;
    const { isPanicking, tiers } = this.#current();
    if (activeHealth.state === "failing" || mode === "maintenance") return "unfit";
    if (mode === "draining" && !(staysWhileDraining && !upstream.isDrainLate)) return "unfit";
    if (outlier.state === "ejected" && !isPanicking) return "unfit";
    if (backup && tiers[0]?.members.some((member) => !member.backup)) return "unfit";
    return hasCapacity && (outlier.admits || isPanicking) ? "fit" : "full";
  }

  /**
   * Selects where a request goes; undefined if nothing is left to try.
   * @param key the request's hash key; empty where the pool has none
   * @param tried upstreams that the request was sent to already. A retry does not change the state of the policy: else one
   *   dead upstream of three would push three quarters of the traffic onto one survivor. Nor does overflow from a full one.
   * @param isDryRun nothing is sent, so the state of the policy does not change
   */
  select(key: string, tried: readonly Upstream[], isDryRun = false): Upstream | undefined {
    const policy = this.#policy;
    if (tried.length > 0)
      return selectRetryUpstream(this.#current(), tried, chooserFor(policy, key, this.#random));
    const { tiers } = this.#current();
    const best = tiers[0];
    if (best && !best.isFull) {
      const picked = (isDryRun ? peek : pick)(policy, best.members, key);
      return this.#hasSlot(picked) ? picked : chooserFor(policy, key, this.#random)(best.open);
    }
    const next = tiers.find((tier) => !tier.isFull);
    return next && chooserFor(policy, key, this.#random)(next.open);
  }

  /** Replaces the members. A removed upstream gets no new requests; those in flight finish. */
  setUpstreams(upstreams: readonly Upstream[]): void {
    this.#upstreams = upstreams;
    this.#invalidate();
  }

  /** Replaces the policy from the next selection on. */
  setPolicy(policy: Policy): void {
    this.#policy = policy;
  }

  /** @param share 0–1; upstreams that are ejected now stay ejected */
  setMaxEjectedShare(share: number): void {
    this.#maxEjectedShare = share;
  }

  /** Sets weight and backup. The list is rebuilt then, so that policies see it. @returns whether anything changed */
  adjust(upstream: Upstream, { weight, backup }: Pick<Upstream, "weight" | "backup">): boolean {
    if (upstream.weight === weight && upstream.backup === backup) return false;
    Object.assign(upstream, { weight, backup });
    this.#invalidate();
    return true;
  }

  /** Sets the operator's intent. @returns whether it changed */
  setMode(upstream: Upstream, mode: Mode): boolean {
    if (upstream.mode === mode) return false;
    upstream.mode = mode;
    this.#invalidate();
    return true;
  }

  /** Sets new limits; verdicts stay. Rise and fall are set on `activeHealth`. */
  setLimits(upstream: Upstream, { outlier, slowStartMs, maxInFlight }: Partial<UpstreamLimits>): void {
    upstream.outlier.adjust(outlier ?? ejectionDisabled);
    upstream.slowStart.adjust(slowStartMs ?? 0);
    upstream.maxInFlight = maxInFlight ?? Infinity;
    this.#invalidate();
  }

  /** Adopts another process's verdicts; the passive one only if it is later. @returns whether the passive state changed */
  adoptHealth(upstream: Upstream, { activeHealth, verdict }: UpstreamHealth): boolean {
    const wasFailing = upstream.activeHealth.state === "failing";
    const hasPassed = upstream.activeHealth.adopt(activeHealth) && wasFailing;
    const isChanged = upstream.outlier.adopt(verdict);
    if (hasPassed || (isChanged && upstream.outlier.state === "up")) upstream.slowStart.begin(this.#clock());
    this.#invalidate();
    return isChanged;
  }

  /** Sets the number of attempts in flight in other processes, for a pool that makes none itself. */
  setInFlight(upstream: Upstream, { inFlight, tunnels, streams }: LoadCounts): void {
    const isSame = upstream.inFlight === inFlight && upstream.tunnels === tunnels;
    if (isSame && upstream.streams === streams) return;
    Object.assign(upstream, { inFlight, tunnels, streams });
    this.#invalidate();
  }

  /** Records a probe's result. A recovery begins a slow start, a first pass does not. @returns whether the verdict changed */
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
      outlier.state === "up",
    );
    if (isNew) this.#invalidate();
    if (!wasOut || !success || activeHealth.state !== "passing") return isNew;
    if (!this.restore(upstream, "probe_passed")) slowStart.begin(this.#clock());
    return isNew;
  }

  /** Ends an ejection or a probation early and begins a slow start. @returns false if the upstream was up */
  restore(upstream: Upstream, reason: RestoreReason): boolean {
    const [now, from] = [this.#clock(), upstream.outlier.state];
    if (!upstream.outlier.restore(now, reason)) return false;
    upstream.slowStart.begin(now);
    this.#invalidate();
    this.#notifyOutlierChange(upstream, from);
    return true;
  }

  /** Ejects an upstream that responds to nothing while others do, unless the pool cannot spare it. */
  ejectUnresponsive(upstream: Upstream): void {
    const from = upstream.outlier.state;
    if (from !== "up" || !this.canEject(upstream)) return;
    upstream.outlier.ejectUnresponsive(this.#clock());
    this.#isStale = true;
    this.#notifyOutlierChange(upstream, from);
  }

  attemptStarted(upstream: Upstream): void {
    upstream.outlier.attemptStarted();
    if (this.#hasSlot(upstream) || !this.#servingSet) return;
    for (const tier of this.#servingSet.tiers) if (tier.close(upstream)) return;
  }

  /** Called by attempts only. The good head of a response ends a probation: its body may last for hours. */
  attemptResponding(attempt: Attempt): void {
    if (attempt.upstream.outlier.state === "probation")
      this.#evaluate(attempt, "success", attempt.responseStartedAt);
    if (attempt.isTunnel) this.slotFreed(attempt.upstream);
  }

  /** Called by attempts only. */
  attemptEnded(attempt: Attempt, signal: Signal): void {
    this.#evaluate(attempt, signal, attempt.endedAt);
    this.slotFreed(attempt.upstream);
  }

  /** A slot may be free again. */
  slotFreed(upstream: Upstream): void {
    this.onCapacity?.();
    if (!this.#servingSet || !this.#hasSlot(upstream)) return;
    for (const tier of this.#servingSet.tiers) if (tier.reopen(upstream)) return;
  }

  #evaluate({ upstream, startedAt }: Attempt, signal: Signal, now: number): void {
    const { outlier } = upstream;
    if (startedAt < outlier.since) return;
    const from = outlier.state;
    if (!outlier.record(signal, now, signal === "failure" && this.canEject(upstream))) return;
    this.#isStale = true;
    if (outlier.state === "up") upstream.slowStart.begin(now);
    this.#notifyOutlierChange(upstream, from);
  }

  /** Whether the pool can spare the upstream: at most a share is ejected, and never the last one that is up. */
  canEject(upstream: Upstream): boolean {
    const servingSet = this.#current();
    if (!isEligible(upstream) || otherUpCount(servingSet, upstream) === 0) return false;
    return servingSet.ejected.length + 1 <= this.#maxEjectedShare * servingSet.wanted;
  }

  #notifyOutlierChange(upstream: Upstream, from: OutlierState): void {
    const { state: to, reason } = upstream.outlier;
    this.#notify((observer) => observer.outlierChanged(this, { upstream, from, to, reason }));
  }

  /** On the path of requests: an observer that throws is a bug to report, and must not leave an attempt half ended. */
  #notify(call: (observer: PoolObserver) => void): void {
    try {
      if (this.#observer) call(this.#observer);
    } catch (error) {
      throwLater(error);
    }
  }

  #hasSlot(upstream: Upstream): boolean {
    return upstream.hasCapacity && (upstream.outlier.admits || this.#servingSet?.isPanicking === true);
  }

  #current(): ServingSet {
    const servingSet = this.#servingSet;
    if (servingSet && !this.#isStale && (servingSet.dueAt === Infinity || this.#clock() < servingSet.dueAt))
      return servingSet;
    return this.#rebuild(this.#clock());
  }

  #rebuild(now: number): ServingSet {
    const before = this.#servingSet;
    const { servingSet, expired } = buildServingSet(this.upstreams, before, now);
    this.#servingSet = servingSet;
    this.#isStale = false;
    for (const [upstream, from] of expired) this.#notifyOutlierChange(upstream, from);
    const wasPanicking = before?.isPanicking ?? false;
    if (servingSet.isPanicking !== wasPanicking)
      this.#notify((observer) => observer.panicChanged(this, servingSet.isPanicking));
    return servingSet;
  }

  /** The serving set has to be rebuilt, and a slot may be free. */
  #invalidate(): void {
    this.#isStale = true;
    this.onCapacity?.();
  }
}

/** Open attempts on an upstream, and which of them take no slot. */
export type LoadCounts = Pick<Upstream, "inFlight" | "tunnels" | "streams">;

export interface PoolSpec {
  readonly name: string;
  readonly policy: Policy;
  readonly upstreams: readonly Upstream[];
  readonly random: Random;
  readonly clock: Clock;
  /** Share of the upstreams that the operator lets serve that may be ejected at the same time, 0–1; by default none. */
  readonly maxEjectedShare?: number;
  readonly observer?: PoolObserver;
}

/** The circumstances of a probe. */
export interface ProbeContext {
  /** Requests stall on the upstream: then one failure is enough, except for the last one that is up. */
  readonly isSuspected?: boolean;
  /** Clock time at which the probe began: what attempts found since is newer. */
  readonly begunAt?: number;
  /** Whether its success disproves an ejection for refused connections; by default true. */
  readonly provesConnect?: boolean;
}

/** A change of an upstream's passive verdict. */
export interface OutlierChange {
  readonly upstream: Upstream;
  readonly from: OutlierState;
  readonly to: OutlierState;
  readonly reason: OutlierReason | undefined;
}

/** Called when a request or the time changes a verdict. Synchronous, on the request path; must not throw. */
export interface PoolObserver {
  outlierChanged(pool: Pool, change: OutlierChange): void;
  /** Panic mode started or ended. */
  panicChanged(pool: Pool, isPanicking: boolean): void;
}

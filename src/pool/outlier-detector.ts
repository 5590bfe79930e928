/** The passive verdict: what the ends of real requests say about an upstream. Separate from the probes, which only knock. */

import { SlidingWindowCounter } from "../lib/rate.ts";
import type { Signal } from "./outcome.ts";

export type OutlierState = "up" | "ejected" | "probation";

/** Why a verdict changed: one vocabulary for log, metrics and dashboard. */
export type EjectionReason = "consecutive_failures" | "failure_ratio" | "probation_failed" | "unresponsive";

/** Who ends an ejection before its time. */
export type RestoreReason = "probe_passed" | "operator";
export type OutlierReason = EjectionReason | "ejection_over" | "answered" | RestoreReason;

export interface OutlierLimits {
  /** Failures in a row that eject. */
  readonly consecutiveFailures: number;
  /** Failures ÷ attempts of the window that eject, 0–1. */
  readonly failureRatio: number;
  /** The ratio counts for nothing with fewer attempts than this in the window. */
  readonly minimumVolume: number;
  readonly windowMs: number;
  /** The first ejection; the n-th lasts n times as long. */
  readonly ejectionMs: number;
  readonly maxEjectionMs: number;
}

/** A passive verdict as it travels between processes that share a clock. */
export interface OutlierVerdict {
  readonly state: OutlierState;
  /** Clock time at which attempts or probes last decided; the mere end of an ejection decides nothing. 0 before. */
  readonly decidedAt: number;
  readonly since: number;
  /** Null while there is no ejection. */
  readonly endsAt: number | null;
  readonly reason?: OutlierReason | undefined;
  readonly cause?: string | undefined;
  readonly ejections: number;
}

/** Limits that nothing reaches: for a pool without passive verdicts. */
export const ejectionDisabled: OutlierLimits = {
  consecutiveFailures: Infinity,
  failureRatio: Infinity,
  minimumVolume: Infinity,
  windowMs: 1_000,
  ejectionMs: 1_000,
  maxEjectionMs: 1_000,
};

/**
 * ```
 *            failures, in a row or by ratio                time
 *       up ───────────────────────────────▶ ejected ─────────────────▶ probation
 *      ▲ ▲                                   │   ▲                      │  │  │
 *      │ └──────── probes bring it back ─────┴───┼──────────────────────┘  │  │
 *      │                                         └──── failure (longer) ───┘  │
 *      └───────────────────────────── an answer ──────────────────────────────┘
 * ```
 * Probation admits one attempt at a time; a cancelled one gives the slot back. Only attempts that began after the last
 * change may speak: what was under way before says nothing new.
 * Sources: Envoy's outlier detection; linkerd's failure accrual, whose probation this is.
 */
export class OutlierDetector {
  #limits: OutlierLimits;
  #attempts: SlidingWindowCounter;
  #failures: SlidingWindowCounter;
  #state: OutlierState = "up";
  #consecutive = 0;
  #admitted = 0;
  #decidedAt = 0;
  #lastFailure: string | undefined;
  /** Clock time of the last change of state. */
  since = 0;
  /** Clock time at which the ejection ends; Infinity while there is none. */
  endsAt = Infinity;
  /** How much later than others this process tries it again: of several one has the first try. Milliseconds. */
  probationDelayMs = 0;
  /** Ejections that count: one more with each, one less for each first ejection's length spent up. */
  ejections = 0;
  /** What the last change followed from; undefined before the first. */
  reason: OutlierReason | undefined;
  /** How the attempt failed that took it out, as a reason word: it stays until the upstream is up again. */
  cause: string | undefined;

  constructor(limits: OutlierLimits) {
    this.#limits = limits;
    this.#attempts = new SlidingWindowCounter(limits.windowMs);
    this.#failures = new SlidingWindowCounter(limits.windowMs);
  }

  /** As of the last `settle`: an ejection that has run out ends only there. */
  get state(): OutlierState {
    return this.#state;
  }

  get verdict(): OutlierVerdict {
    const { state, since, endsAt, reason, cause, ejections } = this;
    const decidedAt = this.#decidedAt;
    return { state, decidedAt, since, endsAt: endsAt === Infinity ? null : endsAt, reason, cause, ejections };
  }

  /** Takes a verdict over that was decided later than this one; true if the state changed. */
  adopt({ state, decidedAt, since, endsAt, reason, cause, ejections }: OutlierVerdict): boolean {
    if (decidedAt <= this.#decidedAt) return false;
    const before = this.#state;
    this.#become(state, reason, since);
    this.#decidedAt = decidedAt;
    this.endsAt = endsAt ?? Infinity;
    this.cause = cause;
    this.ejections = ejections;
    return this.#state !== before;
  }

  /** From the next attempt on; the verdict stays, and a present ejection ends when it would have. */
  adjust(limits: OutlierLimits): void {
    if (limits.windowMs !== this.#limits.windowMs) {
      this.#attempts = new SlidingWindowCounter(limits.windowMs);
      this.#failures = new SlidingWindowCounter(limits.windowMs);
    }
    this.#limits = limits;
  }

  /** Clock time from which on it is on probation here; Infinity while it is not ejected. */
  get probationStartsAt(): number {
    return this.endsAt + this.probationDelayMs;
  }

  /** Whether it lets one more attempt in. */
  get admits(): boolean {
    return this.#state === "up" || (this.#state === "probation" && this.#admitted === 0);
  }

  /** Whether an attempt that began then was left behind by the present ejection. */
  ejectedAfter(startedAt: number): boolean {
    return this.#state === "ejected" && startedAt <= this.since;
  }

  /** An attempt begins. */
  attemptStarted(): void {
    if (this.#state === "probation") this.#admitted += 1;
  }

  /** Names the failure that is recorded next. @param failure a reason word */
  setFailureLabel(failure: string): void {
    this.#lastFailure = failure;
  }

  /**
   * Takes the end of an attempt in, or the good head of its answer.
   * @param mayEject whether the pool can do without this upstream
   * @returns whether the state changed
   */
  record(sign: Signal, now: number, mayEject: boolean): boolean {
    if (this.#state === "ejected") return false;
    if (this.#state === "probation") return this.#recordInProbation(sign, now, mayEject);
    if (sign === "cancelled") return false;
    this.#attempts.add(now);
    if (sign === "success") {
      this.#consecutive = 0;
      return false;
    }
    this.#consecutive += 1;
    this.#failures.add(now);
    const reason = this.#suspicion(now);
    if (reason === undefined || !mayEject) return false;
    this.#resetFailures(now);
    return this.#eject(reason, now);
  }

  /** Takes it out for answering nothing at all. */
  ejectUnresponsive(now: number): void {
    this.#lastFailure = undefined;
    this.#resetFailures(now);
    this.#eject("unresponsive", now);
  }

  /** Ends an ejection that has run out; true if the state changed. */
  expireEjection(now: number): boolean {
    if (this.#state !== "ejected" || now < this.probationStartsAt) return false;
    return this.#become("probation", "ejection_over", now);
  }

  /** Somebody vouches for it. Source: in Envoy, checks that pass end an ejection likewise. */
  restore(now: number, reason: RestoreReason): boolean {
    return this.#state !== "up" && this.#become("up", reason, now);
  }

  #recordInProbation(sign: Signal, now: number, mayEject: boolean): boolean {
    this.#admitted = Math.max(0, this.#admitted - 1);
    if (sign === "success") return this.#become("up", "answered", now);
    return sign === "failure" && mayEject && this.#eject("probation_failed", now);
  }

  #suspicion(now: number): EjectionReason | undefined {
    const { consecutiveFailures, failureRatio, minimumVolume } = this.#limits;
    if (this.#consecutive >= consecutiveFailures) return "consecutive_failures";
    const attempts = this.#attempts.sum(now);
    if (attempts < minimumVolume) return undefined;
    return this.#failures.sum(now) / attempts >= failureRatio ? "failure_ratio" : undefined;
  }

  #resetFailures(now: number): void {
    const forgiven = Math.floor((now - this.since) / this.#limits.ejectionMs);
    this.ejections = Math.max(0, this.ejections - forgiven);
  }

  #eject(reason: EjectionReason, now: number): boolean {
    const { ejectionMs, maxEjectionMs } = this.#limits;
    this.ejections = Math.min(this.ejections + 1, Math.ceil(maxEjectionMs / ejectionMs));
    this.#become("ejected", reason, now);
    this.cause = this.#lastFailure;
    this.endsAt = now + Math.min(ejectionMs * this.ejections, maxEjectionMs);
    return true;
  }

  #become(state: OutlierState, reason: OutlierReason | undefined, now: number): true {
    this.#state = state;
    if (reason !== "ejection_over") this.#decidedAt = now;
    this.reason = reason;
    if (state === "up") this.cause = undefined;
    this.since = now;
    this.endsAt = Infinity;
    this.#consecutive = 0;
    this.#admitted = 0;
    this.#attempts.clear();
    this.#failures.clear();
    return true;
  }
}

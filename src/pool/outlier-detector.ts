/** Passive health of one upstream: ejects it when real requests fail, and restores it. */

import { SlidingWindowCounter } from "../lib/rate.ts";
import type { Signal } from "./outcome.ts";

export type OutlierState = "up" | "ejected" | "probation";

/** Why a verdict changed: one vocabulary for log, metrics and dashboard. */
export type EjectionReason = "consecutive_failures" | "failure_ratio" | "probation_failed" | "unresponsive";

/** What ends an ejection before its time. */
export type RestoreReason = "probe_passed" | "operator";
export type OutlierReason = EjectionReason | "ejection_over" | "answered" | RestoreReason;

export interface OutlierLimits {
  /** Failures in a row that eject. */
  readonly consecutiveFailures: number;
  /** Failures ÷ attempts of the window that eject, 0–1. */
  readonly failureRatio: number;
  /** Attempts in the window below which the ratio is ignored. */
  readonly minimumVolume: number;
  readonly windowMs: number;
  /** Length of the first ejection; the n-th lasts n times as long. */
  readonly ejectionMs: number;
  readonly maxEjectionMs: number;
}

/** The verdict as processes that share a clock send it to each other. */
export interface OutlierVerdict {
  readonly state: OutlierState;
  /** Clock time of the last decision by attempts or probes; 0 before the first. The end of an ejection is no decision. */
  readonly decidedAt: number;
  readonly since: number;
  /** Clock time; null while not ejected. */
  readonly endsAt: number | null;
  readonly reason?: OutlierReason | undefined;
  readonly cause?: string | undefined;
  readonly ejections: number;
}

/** Limits that nothing reaches, for a pool without outlier detection. */
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
 *      │ └──────── probes restore it ────────┴───┼──────────────────────┘  │  │
 *      │                                         └──── failure (longer) ───┘  │
 *      └───────────────────────────── a response ─────────────────────────────┘
 * ```
 * Probation admits one attempt at a time; a cancelled one gives the slot back. The pool does not report
 * attempts that started before the last change of state: they say nothing new.
 * Sources: Envoy's outlier detection; the probation is that of linkerd's failure accrual.
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
  /** Clock time at which the ejection ends; Infinity while not ejected. */
  endsAt = Infinity;
  /** How much later than other processes this one starts the probation, so that one of them tries first. Milliseconds. */
  probationDelayMs = 0;
  /** Multiplies the length of the next ejection: grows with each, shrinks by one for each `ejectionMs` spent up. */
  ejections = 0;
  /** Reason of the last change; undefined before the first. */
  reason: OutlierReason | undefined;
  /** Reason word of the failure that ejected it; kept until the upstream is up again. */
  cause: string | undefined;

  constructor(limits: OutlierLimits) {
    this.#limits = limits;
    this.#attempts = new SlidingWindowCounter(limits.windowMs);
    this.#failures = new SlidingWindowCounter(limits.windowMs);
  }

  /** As of the last `expireEjection`: an ejection whose time is over ends only there. */
  get state(): OutlierState {
    return this.#state;
  }

  /** See {@link OutlierVerdict}. */
  get decidedAt(): number {
    return this.#decidedAt;
  }

  get verdict(): OutlierVerdict {
    const { state, since, endsAt, reason, cause, ejections } = this;
    const decidedAt = this.#decidedAt;
    return { state, decidedAt, since, endsAt: endsAt === Infinity ? null : endsAt, reason, cause, ejections };
  }

  /** Adopts a verdict that was decided later than this one. @returns whether the state changed */
  adopt({ state, decidedAt, since, endsAt, reason, cause, ejections }: OutlierVerdict): boolean {
    if (decidedAt <= this.#decidedAt) return false;
    const before = this.#state;
    this.#setState(state, reason, since);
    this.#decidedAt = decidedAt;
    this.endsAt = endsAt ?? Infinity;
    this.cause = cause;
    this.ejections = ejections;
    return this.#state !== before;
  }

  /** Sets new limits from the next attempt on. The verdict stays; a current ejection ends at its original time. */
  adjust(limits: OutlierLimits): void {
    if (limits.windowMs !== this.#limits.windowMs) {
      this.#attempts = new SlidingWindowCounter(limits.windowMs);
      this.#failures = new SlidingWindowCounter(limits.windowMs);
    }
    this.#limits = limits;
  }

  /** Clock time at which this process starts the probation; Infinity while not ejected. */
  get probationStartsAt(): number {
    return this.endsAt + this.probationDelayMs;
  }

  /** Whether one more attempt is admitted. */
  get admits(): boolean {
    return this.#state === "up" || (this.#state === "probation" && this.#admitted === 0);
  }

  /** Whether an attempt that started then was open when the current ejection began. */
  ejectedAfter(startedAt: number): boolean {
    return this.#state === "ejected" && startedAt <= this.since;
  }

  /** Counts an attempt in. */
  attemptStarted(): void {
    if (this.#state === "probation") this.#admitted += 1;
  }

  /** Sets the reason word of the failure that is recorded next. */
  setFailureLabel(failure: string): void {
    this.#lastFailure = failure;
  }

  /**
   * Records the end of an attempt, or the good head of its response.
   * @param mayEject whether the pool can spare this upstream
   * @returns whether the state changed
   */
  record(signal: Signal, now: number, mayEject: boolean): boolean {
    if (this.#state === "ejected") return false;
    if (this.#state === "probation") return this.#recordInProbation(signal, now, mayEject);
    if (signal === "cancelled") return false;
    this.#attempts.add(now);
    if (signal === "success") {
      this.#consecutive = 0;
      return false;
    }
    this.#consecutive += 1;
    this.#failures.add(now);
    const reason = this.#ejectionReason(now);
    if (reason === undefined || !mayEject) return false;
    this.#decayEjections(now);
    return this.#eject(reason, now);
  }

  /** Ejects it because it responds to nothing. */
  ejectUnresponsive(now: number): void {
    this.#lastFailure = undefined;
    this.#decayEjections(now);
    this.#eject("unresponsive", now);
  }

  /** Starts the probation if the ejection's time is over. @returns whether the state changed */
  expireEjection(now: number): boolean {
    if (this.#state !== "ejected" || now < this.probationStartsAt) return false;
    return this.#setState("probation", "ejection_over", now);
  }

  /**
   * Ends an ejection or a probation early. Source: in Envoy, a passing health check ends an ejection.
   * @returns whether the state changed
   */
  restore(now: number, reason: RestoreReason): boolean {
    return this.#state !== "up" && this.#setState("up", reason, now);
  }

  #recordInProbation(signal: Signal, now: number, mayEject: boolean): boolean {
    this.#admitted = Math.max(0, this.#admitted - 1);
    if (signal === "success") return this.#setState("up", "answered", now);
    return signal === "failure" && mayEject && this.#eject("probation_failed", now);
  }

  #ejectionReason(now: number): EjectionReason | undefined {
    const { consecutiveFailures, failureRatio, minimumVolume } = this.#limits;
    if (this.#consecutive >= consecutiveFailures) return "consecutive_failures";
    const attempts = this.#attempts.sum(now);
    if (attempts < minimumVolume) return undefined;
    return this.#failures.sum(now) / attempts >= failureRatio ? "failure_ratio" : undefined;
  }

  #decayEjections(now: number): void {
    const reduction = Math.floor((now - this.since) / this.#limits.ejectionMs);
    this.ejections = Math.max(0, this.ejections - reduction);
  }

  #eject(reason: EjectionReason, now: number): boolean {
    const { ejectionMs, maxEjectionMs } = this.#limits;
    this.ejections = Math.min(this.ejections + 1, Math.ceil(maxEjectionMs / ejectionMs));
    this.#setState("ejected", reason, now);
    this.cause = this.#lastFailure;
    this.endsAt = now + Math.min(ejectionMs * this.ejections, maxEjectionMs);
    return true;
  }

  #setState(state: OutlierState, reason: OutlierReason | undefined, now: number): true {
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

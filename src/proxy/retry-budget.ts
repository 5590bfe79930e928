/** Retry budget: limits retries to a share of recent traffic, so that they cannot double the load of failing upstreams. */

import type { Clock } from "../lib/clock.ts";
import { SlidingWindowCounter } from "../lib/rate.ts";

export interface RetryAllowance {
  /** Retries for each recent request, 0–1. */
  readonly share: number;
  /** Retries a second that are always allowed, for pools with little traffic. */
  readonly perSecond: number;
  /** Rescues that are always allowed, in ten seconds; by default `rescueReserve`. Not a setting. */
  readonly rescues?: number;
}

/** Rescues of all workers together that are always allowed: as many slow requests may wait on one upstream of a quiet pool. */
export const rescueReserve = 256;

/** Deposits expire after this long: Finagle's ten seconds. */
const retentionMs = 10_000;

/**
 * The balance is share × requests + perSecond × 10 − retries, all of the last ten seconds. So a busy pool has a reserve of two
 * seconds of traffic for the moment when an upstream dies and all of its requests have to move.
 * Source: Finagle's RetryBudget (20 %, ten seconds), which linkerd adopted.
 */
export class RetryBudget {
  readonly #allowance: RetryAllowance;
  readonly #clock: Clock;
  readonly #requests = new SlidingWindowCounter(retentionMs);
  readonly #retries = new SlidingWindowCounter(retentionMs);
  readonly #rescues = new SlidingWindowCounter(retentionMs);

  constructor(allowance: RetryAllowance, clock: Clock) {
    this.#allowance = allowance;
    this.#clock = clock;
  }

  /** Counts a request. */
  deposit(): void {
    this.#requests.add(this.#clock());
  }

  /** Pays for one retry. @returns false if the balance is below one */
  tryWithdraw(): boolean {
    if (this.balance < 1) return false;
    this.#retries.add(this.#clock());
    return true;
  }

  /**
   * Pays for one rescue, which costs no retry: one for each request of the last ten seconds and a reserve, so that every
   * request that waits on an upstream can leave it once, but none is moved again and again.
   */
  tryWithdrawRescue(): boolean {
    const now = this.#clock();
    const { rescues = rescueReserve } = this.#allowance;
    if (this.#rescues.sum(now) >= this.#requests.sum(now) + rescues) return false;
    this.#rescues.add(now);
    return true;
  }

  /** How many retries could be paid for now; may be fractional. */
  get balance(): number {
    const now = this.#clock();
    const { share, perSecond } = this.#allowance;
    const earned = share * this.#requests.sum(now) + (perSecond * retentionMs) / 1000;
    return Math.max(0, earned - this.#retries.sum(now));
  }
}

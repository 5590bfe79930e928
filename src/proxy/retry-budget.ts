/** How many further attempts recent requests pay for: keeps retries from doubling the load of upstreams that falter. */

import type { Clock } from "../lib/clock.ts";
import { SlidingWindowCounter } from "../lib/rate.ts";

export interface RetryAllowance {
  /** Retries for each recent request, 0–1. */
  readonly share: number;
  /** Retries a second that are always allowed, for pools with little traffic. */
  readonly perSecond: number;
}

/** So many rescues are always allowed: what may be in flight on one upstream by default, all of which may wait there. */
const rescueReserve = 256;

/** What is earned and not spent is kept this long: Finagle's ten seconds. */
const retentionMs = 10_000;

/**
 * The balance is share × requests + perSecond × 10 − retries, all of the last ten seconds. So a pool at work has a reserve
 * of two seconds' traffic for the moment when an upstream dies and everything under way there has to move.
 * Source: Finagle's RetryBudget (20 %, ten seconds), which linkerd took over.
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

  /** A request has come. */
  deposit(): void {
    this.#requests.add(this.#clock());
  }

  /** Pays for one retry; false if there is nothing left. */
  tryWithdraw(): boolean {
    if (this.balance < 1) return false;
    this.#retries.add(this.#clock());
    return true;
  }

  /**
   * Allows one rescue, which takes nothing from retries: one for each request of the last ten seconds and a reserve, so
   * that all who wait on an upstream can leave it once, but nobody is moved round and round.
   */
  tryWithdrawRescue(): boolean {
    const now = this.#clock();
    if (this.#rescues.sum(now) >= this.#requests.sum(now) + rescueReserve) return false;
    this.#rescues.add(now);
    return true;
  }

  /** How many retries could be paid for now; not always whole. */
  get balance(): number {
    const now = this.#clock();
    const { share, perSecond } = this.#allowance;
    const earned = share * this.#requests.sum(now) + (perSecond * retentionMs) / 1000;
    return Math.max(0, earned - this.#retries.sum(now));
  }
}

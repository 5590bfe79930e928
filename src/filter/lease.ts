/** What one process knows of one key of a shared limit, and what it may admit without asking. */

import type { BudgetAnswer, BudgetAsk } from "./budget.ts";

/** The limit of a key, over the whole fleet. */
export interface LeaseRate {
  /** In which the bucket gets one token. */
  readonly intervalMs: number;
  /** In which an empty bucket fills. */
  readonly capacityMs: number;
  /** Processes that share the bucket, about. */
  readonly askers: number;
  /** A lease is at most what a process may use in this time, and at most half of what it used in the last. */
  readonly windowMs: number;
}

/** Tokens that were not used for this long go back. */
export const leaseMs = 500;

/**
 * What a process admits at once for a key that it has not asked for lately: a page with its parts. Refusing them would be wrong
 * for nearly all clients; if it was too much, the bucket is in debt afterwards.
 */
const unknownKeyCredit = 50;

function maxLease({ intervalMs, askers, windowMs }: LeaseRate): number {
  return Math.max(1, Math.floor(windowMs / intervalMs / askers));
}

/** Numbers must not lose a request to rounding. */
const toleranceMs = 1e-6;

/** Until the next answer, when nothing else says how long to wait. */
const askMs = 10;

/**
 * Tokens come ahead of requests. A request without one is admitted on credit, if the bucket should have a token by what was
 * heard last; the next ask tells of it. While the buckets cannot be reached, the process goes on with its share of what it knew.
 */
export class Lease {
  readonly key: string;
  /** Granted and not used. */
  tokens = 0;
  /** Admitted without a token and not told; below 0 for tokens to give back. */
  #credit = 0;
  /** Of the credit, what the ask under way tells. */
  #told = 0;
  #tokensUntil = 0;
  /** When the bucket is full, by what was heard and used since. */
  #fullAt = -Infinity;
  #heardAt = -Infinity;
  /** Something was admitted while the buckets could not be reached. */
  #wasAlone = false;
  #windowStart = -Infinity;
  #demand = 0;
  #lastDemand = 0;
  /** Whether it waits for its turn to ask, or for the answer. */
  isQueued = false;

  constructor(key: string) {
    this.key = key;
  }

  /** @returns 0 if a request may be admitted, else milliseconds */
  waitMs(now: number, rate: LeaseRate, isAlone: boolean): number {
    if (this.tokens > 0 && now < this.#tokensUntil) return 0;
    const { intervalMs, capacityMs, askers } = rate;
    // The same time until the bucket is full means a share of the tokens, because each takes as much longer.
    const costMs = isAlone ? intervalMs * askers : intervalMs;
    const waitMs = Math.max(now, this.#fullAt) + costMs - Math.max(capacityMs, costMs) - now;
    if (waitMs > toleranceMs) return waitMs;
    return isAlone || this.#credit < this.#creditLimit(now, rate) ? 0 : askMs;
  }

  /** Admits the request that `waitMs` was asked for. */
  take(now: number, rate: LeaseRate, isAlone: boolean): void {
    const { intervalMs, askers } = rate;
    this.#count(now, rate);
    if (this.tokens > 0 && now < this.#tokensUntil) {
      this.tokens -= 1;
      return;
    }
    this.#credit += 1;
    this.#wasAlone ||= isAlone;
    this.#fullAt = Math.max(now, this.#fullAt) + (isAlone ? intervalMs * askers : intervalMs);
  }

  /** A request was refused: it counts as demand. */
  missed(now: number, rate: LeaseRate): void {
    this.#count(now, rate);
  }

  /** Whether it should ask soon, and not just tell some time what was used. */
  isUrgent(now: number, rate: LeaseRate): boolean {
    if (this.#credit * 2 >= this.#creditLimit(now, rate)) return true;
    return this.#isKnown(now) && this.#recent(now, rate) > 1 && this.tokens * 2 < this.#size(now, rate);
  }

  /** Whether something was used, or is to be given back, that was not told. */
  get hasNews(): boolean {
    return this.#credit !== 0;
  }

  /** Whole requests that are left. */
  left(now: number, { intervalMs, capacityMs }: LeaseRate): number {
    const leftMs = capacityMs - Math.max(0, this.#fullAt - now);
    return this.tokens + Math.max(0, Math.floor((leftMs + toleranceMs) / intervalMs));
  }

  fullInMs(now: number): number {
    return Math.max(0, this.#fullAt - now);
  }

  /** Tokens whose time is over go back with the next ask. @returns whether there were any */
  expire(now: number): boolean {
    if (this.tokens === 0 || now < this.#tokensUntil) return false;
    this.#credit -= this.tokens;
    this.tokens = 0;
    return true;
  }

  ask(now: number, rate: LeaseRate): BudgetAsk {
    this.expire(now);
    const { intervalMs, capacityMs, askers } = rate;
    this.#told = this.#credit;
    // The bucket has filled meanwhile: what was used long ago does not count any more.
    const missingShare = Math.max(0, this.#fullAt - now) / (intervalMs * askers);
    const spent = this.#wasAlone ? Math.min(this.#credit, Math.ceil(missingShare)) : this.#credit;
    const isHot = this.isUrgent(now, rate) && this.#recent(now, rate) > 1;
    const wanted = isHot ? Math.max(0, this.#size(now, rate) - this.tokens) : 0;
    return { key: this.key, intervalMs, capacityMs, spent, wanted };
  }

  answered({ granted, fullInMs }: BudgetAnswer, now: number, { intervalMs }: LeaseRate): void {
    this.expire(now);
    this.tokens += granted;
    this.#tokensUntil = now + leaseMs;
    this.#credit -= this.#told;
    this.#told = 0;
    this.#wasAlone = false;
    this.#heardAt = now;
    this.#fullAt = now + fullInMs + Math.max(0, this.#credit) * intervalMs;
  }

  #creditLimit(now: number, rate: LeaseRate): number {
    const lease = maxLease(rate);
    if (this.#isKnown(now)) return lease;
    const burst = rate.capacityMs / rate.intervalMs;
    return Math.max(lease, Math.min(burst, Math.max(Math.ceil(burst / rate.askers), unknownKeyCredit)));
  }

  #isKnown(now: number): boolean {
    return now - this.#heardAt < leaseMs;
  }

  /** Tokens to hold: no more than are used soon. */
  #size(now: number, rate: LeaseRate): number {
    return Math.max(1, Math.min(maxLease(rate), Math.floor(this.#recent(now, rate) / 2)));
  }

  #count(now: number, { windowMs }: LeaseRate): void {
    this.#turn(now, windowMs);
    this.#demand += 1;
  }

  /** Requests of the last window, refused ones too: a process that is refused everything would ask for nothing. */
  #recent(now: number, { windowMs }: LeaseRate): number {
    this.#turn(now, windowMs);
    return Math.max(this.#demand, this.#lastDemand);
  }

  #turn(now: number, windowMs: number): void {
    const passed = now - this.#windowStart;
    if (passed < windowMs) return;
    this.#lastDemand = passed < 2 * windowMs ? this.#demand : 0;
    this.#demand = 0;
    this.#windowStart = now;
  }
}

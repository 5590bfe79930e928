/** The attempts of one exchange: one at a time, or two while the request is hedged. */

import type { Clock } from "../lib/clock.ts";
import { Attempt, type AttemptObserver } from "../pool/attempt.ts";
import { cancelled, type Failure, type Outcome, superseded } from "../pool/outcome.ts";
import type { Pool } from "../pool/pool.ts";
import type { Upstream } from "../pool/upstream.ts";
import type { AttemptFilter, Interception } from "./interception.ts";
import type { ExchangeObserver } from "./record.ts";
import { httpResponseClassifier } from "./response-class.ts";

/**
 * ```
 *  first alone ──hedge──▶ first and second ──one fails, or gets a bad status──▶ the other alone
 *                              └──one gets a good response──▶ that one; the other ends as superseded
 * ```
 */
export class ExchangeAttempts implements AttemptObserver {
  readonly #clock: Clock;
  readonly #observer: ExchangeObserver;
  readonly #first: Attempt;
  /** Made for the first request that is hedged. */
  #second: Attempt | undefined;
  readonly #filters: readonly AttemptFilter[] | undefined;
  #firstInterception: Interception | undefined;
  #secondInterception: Interception | undefined;
  /** The pool whose hedge has no result yet. */
  #undecided: Pool | undefined;
  /** The attempt of the current request that ended last. */
  #lastEnded: Attempt | undefined;
  /** Whether the current request was hedged. */
  isHedged = false;

  constructor(clock: Clock, observer: ExchangeObserver, filters?: readonly AttemptFilter[]) {
    this.#clock = clock;
    this.#observer = observer;
    this.#filters = filters;
    this.#first = new Attempt(clock, this, httpResponseClassifier);
  }

  /** An open attempt. */
  get open(): Attempt | undefined {
    if (this.#first.isOpen) return this.#first;
    return this.#second?.isOpen ? this.#second : undefined;
  }

  /** The open attempt whose response has begun. */
  get responding(): Attempt | undefined {
    if (this.#first.isOpen && this.#first.status > 0) return this.#first;
    return this.#second?.isOpen && this.#second.status > 0 ? this.#second : undefined;
  }

  /** The attempt that a retry would follow: the open one, whose response has begun, or the one that ended last. */
  get last(): Attempt {
    return this.open ?? this.#lastEnded ?? this.#first;
  }

  /** Called by attempts only. */
  attemptEnded(attempt: Attempt, outcome: Outcome): void {
    this.#lastEnded = attempt;
    this.#observer.attemptEnded(attempt, outcome);
  }

  /** The other open attempt. */
  otherThan(attempt: Attempt | undefined): Attempt | undefined {
    const other = attempt === this.#first ? this.#second : this.#first;
    return attempt && other?.isOpen ? other : undefined;
  }

  start(upstream: Upstream, pool: Pool): Attempt {
    this.#first.start(upstream, pool);
    this.#firstInterception = this.#intercept(this.#first);
    return this.#first;
  }

  /** Starts a second attempt while the first is open. */
  hedge(upstream: Upstream, pool: Pool): Attempt {
    this.isHedged = true;
    this.#undecided = pool;
    const second = (this.#second ??= new Attempt(this.#clock, this, httpResponseClassifier));
    second.start(upstream, pool);
    this.#secondInterception = this.#intercept(second);
    return second;
  }

  interceptionOf(attempt: Attempt): Interception | undefined {
    return attempt === this.#first ? this.#firstInterception : this.#secondInterception;
  }

  #intercept(attempt: Attempt): Interception | undefined {
    if (!this.#filters) return undefined;
    // An index and no iterator: this runs for every attempt.
    for (let i = 0; i < this.#filters.length; i++) {
      const interception = this.#filters[i]?.intercept(attempt.upstream, attempt.startedAt);
      if (!interception) continue;
      attempt.isIntercepted = true;
      return interception;
    }
    return undefined;
  }

  /** The response of this attempt goes to the client. */
  commit(attempt: Attempt): void {
    this.otherThan(attempt)?.end(superseded);
    this.#decide(attempt);
  }

  /** Ends all open attempts without blaming their upstreams. @param as the failure that the engine reports */
  abandon(as: Failure): void {
    for (let open = this.open; open; open = this.open) {
      const { driver } = open;
      open.end(cancelled);
      driver?.abort(open, as);
    }
  }

  /** At the end of the request: an attempt that is still open then was left open by a bug. */
  cancelOpen(): void {
    for (let open = this.open; open; open = this.open) open.end(cancelled);
  }

  /** Prepares for the next request. */
  reset(): void {
    this.isHedged = false;
    this.#lastEnded = undefined;
    this.#decide(undefined);
  }

  #decide(winner: Attempt | undefined): void {
    const pool = this.#undecided;
    this.#undecided = undefined;
    if (pool) this.#observer.hedged(pool.name, winner && winner === this.#second ? "won" : "lost");
  }
}

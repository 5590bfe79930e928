/** One try of a request against one upstream: the only writer of load, latency and all that follows from how it ends. */

import type { Interception } from "../fault/fault.ts";
import type { Clock } from "../lib/clock.ts";
import { type Failure, failureLabel, type Outcome, type Signal, signalOf } from "./outcome.ts";
import { isGatewayFailure } from "../proxy/response-class.ts";
import type { Upstream } from "./upstream.ts";

/** Keeps a pool's books: limits and verdicts that follow from its attempts, and from nothing else. */
export interface AttemptAccounting {
  attemptStarted(upstream: Upstream): void;
  /** The head of an answer that speaks for the upstream has come. */
  attemptResponding(attempt: Attempt): void;
  attemptEnded(attempt: Attempt, sign: Signal): void;
}

/** Hears of every attempt's end, after the pool: metrics. Called synchronously; must not throw. */
export interface AttemptObserver {
  attemptEnded(attempt: Attempt, outcome: Outcome): void;
}

/** Moves an attempt's bytes: what befalls its upstream reaches the engine through it, without a closure. */
export interface AttemptDriver {
  /** The upstream was found down while the attempt waits: it may go elsewhere, or stay. */
  rescue(attempt: Attempt): void;
  /**
   * What waits fails there, what is being answered breaks off: the operator wants nothing to be left on the upstream.
   * @param failed as what it fails, where that is something else
   */
  abort(attempt: Attempt, failed?: Failure): void;
  /** The attempt waits for longer than nearly all do: it may have company elsewhere. Missing where it may not. */
  hedge?(attempt: Attempt): void;
  /** Others wait for its place: ends the request if its client sends it too slowly, and says whether. */
  yieldSlot?(attempt: Attempt, now: number): boolean;
}

/** What a failed attempt counts as, in milliseconds: a server that refuses at once must not look fast. */
const failureLatencyMs = 1_000;

/**
 * ```
 *  idle ──start──▶ waiting ──head──▶ answering ──end──▶ idle
 *                   │ ▲ └────────────end─────────────────▲
 *        clientTurn ▼ │ upstreamTurn                     │
 *                  sending ─────────────end──────────────┘
 * ```
 * While it waits it stands in its upstream's list of those that do. It is reused by the exchange that owns it: start again only after the end.
 */
export class Attempt {
  readonly kind = "attempt";
  readonly #clock: Clock;
  readonly #observer: AttemptObserver;
  #upstream: Upstream | undefined;
  #accounting: AttemptAccounting | undefined;
  #list: AttemptList | undefined;
  /** Neighbours in that list, which alone writes them. */
  next: Attempt | undefined;
  previous: Attempt | undefined;
  /** Named by the engine once it follows this attempt; undefined where it cannot be moved. */
  driver: AttemptDriver | undefined;
  /** What a rehearsal on its upstream does to it: engines play that instead of sending, or before. */
  interception: Interception | undefined;
  /** Whether anything was in store for it. */
  isIntercepted = false;
  /** How long a rehearsal held it back before anything was sent, milliseconds. */
  heldMs = 0;
  /** Clock time at which this attempt began. */
  startedAt = 0;
  /** Clock time since which it is the upstream's turn. */
  waitingSince = 0;
  /** Clock time at which a connection was opened for it; 0 on a kept one, and where the engine cannot tell. */
  connectedAt = 0;
  /** Clock time at which the answer's head arrived; 0 before. */
  responseStartedAt = 0;
  /** Clock time at which it ended. */
  endedAt = 0;
  /** Status of the answer; 0 before its head arrived. */
  status = 0;

  constructor(clock: Clock, observer: AttemptObserver) {
    this.#clock = clock;
    this.#observer = observer;
  }

  /** Where this attempt goes, or went. Throws before the first start. */
  get upstream(): Upstream {
    if (!this.#upstream) throw new Error("Cannot name the upstream of an attempt: it was never started");
    return this.#upstream;
  }

  /** Milliseconds from start to head; undefined before the head. */
  get timeToHeadersMs(): number | undefined {
    return this.responseStartedAt > 0 ? this.responseStartedAt - this.startedAt : undefined;
  }

  /** Milliseconds that a fresh connection took; undefined on a kept one, and where the engine cannot tell. */
  get connectTimeMs(): number | undefined {
    return this.connectedAt > 0 ? this.connectedAt - this.startedAt - this.heldMs : undefined;
  }

  get isOpen(): boolean {
    return this.#upstream !== undefined && this.endedAt === 0;
  }

  /** Whether it is the upstream's turn to answer. */
  get isWaiting(): boolean {
    return this.#list !== undefined && this.#list === this.#upstream?.waiting;
  }

  /** Whether its protocol was switched. */
  get isTunnel(): boolean {
    return this.status === 101;
  }

  /** Counts itself in, also with its pool. Throws if it is still open: every start needs its end. */
  start(upstream: Upstream, ledger?: AttemptAccounting): void {
    if (this.isOpen) throw new Error(`Cannot start an attempt on ${upstream.id}: it is still open`);
    this.#upstream = upstream;
    this.#accounting = ledger;
    this.driver = undefined;
    this.startedAt = this.#clock();
    this.waitingSince = this.startedAt;
    this.connectedAt = 0;
    this.interception = upstream.fault?.intercept(this.startedAt);
    this.isIntercepted = this.interception !== undefined;
    this.heldMs = 0;
    this.responseStartedAt = 0;
    this.endedAt = 0;
    this.status = 0;
    upstream.inFlight += 1;
    this.#join(upstream.waiting);
    ledger?.attemptStarted(upstream);
  }

  /** It has all that came of the request: the client sends more of it, and that wait is not the upstream's. */
  awaitClient(): void {
    if (this.isWaiting) this.#join(this.upstream.responding);
  }

  /** More of the request, or its end, went out. */
  awaitUpstream(): void {
    if (!this.isOpen || this.responseStartedAt > 0 || this.isWaiting) return;
    this.waitingSince = this.#clock();
    this.#join(this.upstream.waiting);
  }

  /** A connection was opened for it. */
  connectionOpened(): void {
    this.connectedAt = this.#clock();
  }

  /** The final answer's head has arrived (1xx heads do not count). */
  responseStarted(status: number): void {
    this.responseStartedAt = this.#clock();
    this.status = status;
    this.upstream.lastResponseAt = this.responseStartedAt;
    if (this.isTunnel) this.upstream.tunnels += 1;
    this.#join(this.upstream.responding);
    this.upstream.latency.record(this.responseStartedAt - this.startedAt, this.responseStartedAt);
    if (!isGatewayFailure(status)) this.#accounting?.attemptResponding(this);
  }

  /** Ends it, once: a second call does nothing, since an engine may learn of one end in two ways. */
  end(outcome: Outcome): void {
    if (!this.isOpen) return;
    const upstream = this.upstream;
    this.endedAt = this.#clock();
    upstream.inFlight -= 1;
    if (this.isTunnel) upstream.tunnels -= 1;
    this.#list?.remove(this);
    this.#list = undefined;
    this.driver = undefined;
    if (outcome.kind === "failure" && this.responseStartedAt === 0) {
      upstream.latency.record(Math.max(failureLatencyMs, this.endedAt - this.startedAt), this.endedAt);
    } else if (outcome.kind === "cancelled" && outcome.isOutrun && this.responseStartedAt === 0) {
      upstream.latency.record(this.endedAt - this.startedAt, this.endedAt);
    }
    const sign = signalOf(outcome, this.status);
    if (sign === "failure") upstream.outlier.setFailureLabel(failureLabel(outcome, this.status));
    this.#accounting?.attemptEnded(this, sign);
    this.#observer.attemptEnded(this, outcome);
  }

  #join(list: AttemptList): void {
    this.#list?.remove(this);
    this.#list = list;
    list.add(this);
  }
}

// Attempts in the order in which they joined: a list through the attempts themselves, so that joining allocates nothing.

export class AttemptList {
  #oldest: Attempt | undefined;
  #newest: Attempt | undefined;

  /** Who joined first; undefined if nobody is there. */
  get oldest(): Attempt | undefined {
    return this.#oldest;
  }

  /** At its end; an attempt is in one list at most. */
  add(attempt: Attempt): void {
    attempt.previous = this.#newest;
    attempt.next = undefined;
    if (this.#newest) this.#newest.next = attempt;
    else this.#oldest = attempt;
    this.#newest = attempt;
  }

  remove(attempt: Attempt): void {
    const { previous, next } = attempt;
    if (previous) previous.next = next;
    else this.#oldest = next;
    if (next) next.previous = previous;
    else this.#newest = previous;
    attempt.previous = undefined;
    attempt.next = undefined;
  }

  /** A copy, for whoever moves attempts while going through them. */
  all(): Attempt[] {
    const all: Attempt[] = [];
    for (let attempt = this.#oldest; attempt; attempt = attempt.next) all.push(attempt);
    return all;
  }
}

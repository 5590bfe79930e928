/** One try of a request against one upstream. Its start, response head and end update the load, latency and verdict of the upstream. */

import type { Clock } from "../lib/clock.ts";
import {
  type Failure,
  exhaustedCode,
  failureLabel,
  isAnswerRefused,
  type Outcome,
  type ResponseClassifier,
  type Signal,
  signalOf,
} from "./outcome.ts";
import type { Upstream } from "./upstream.ts";

/** What a pool updates when its attempts start, respond and end: slots and verdicts. */
export interface AttemptAccounting {
  attemptStarted(upstream: Upstream): void;
  /** The head of a response arrived that speaks for the upstream. */
  attemptResponding(attempt: Attempt): void;
  attemptEnded(attempt: Attempt, signal: Signal): void;
  /** The attempt continues, but takes no slot any more. */
  slotFreed(upstream: Upstream): void;
}

/** Called at the end of every attempt, after the pool. Synchronous; must not throw. */
export interface AttemptObserver {
  attemptEnded(attempt: Attempt, outcome: Outcome): void;
}

/** The engine's side of an attempt: how timers, operators and other requests reach it, without a closure. */
export interface AttemptDriver {
  /** The upstream went down while the attempt waits: the request may move to another upstream, or stay. */
  rescue(attempt: Attempt): void;
  /**
   * Ends the attempt by force: a waiting request fails or is retried, a response that has begun is truncated.
   * @param failed what it fails as, where that is not an operator's abort
   */
  abort(attempt: Attempt, failed?: Failure): void;
  /** The attempt has waited longer than nearly all do: the request may get a second one. Missing where it may not. */
  hedge?(attempt: Attempt): void;
  /**
   * Others wait for its slot. Ends a request whose client uploads too slowly; a response whose client reads too slowly gives
   * up its slot, and ends if others still wait long after. Returns whether a slot became free.
   */
  yieldSlot?(attempt: Attempt, now: number): boolean;
}

/** A failed attempt counts as at least this slow, milliseconds: an upstream that refuses at once must not look fast. */
const failureLatencyMs = 1_000;

/**
 * ```
 *  idle ──start──▶ waiting ──responseStarted──▶ responding ──end──▶ idle
 *                   │ ▲ └──────────────end─────────────────────────▲
 *       awaitClient ▼ │ awaitUpstream                              │
 *                  uploading ──────────────end─────────────────────┘
 * ```
 * A waiting attempt is in `upstream.waiting`, the others are in `upstream.responding`. The exchange that owns an attempt
 * reuses it: `start` is legal again after the end.
 */
export class Attempt {
  readonly kind = "attempt";
  readonly #clock: Clock;
  readonly #observer: AttemptObserver;
  readonly #classifier: ResponseClassifier;
  #upstream: Upstream | undefined;
  #accounting: AttemptAccounting | undefined;
  #list: AttemptList | undefined;
  /** Neighbours in that list. Only the list writes them. */
  next: Attempt | undefined;
  previous: Attempt | undefined;
  /** Set by the engine that drives this attempt; undefined where it cannot be moved. */
  driver: AttemptDriver | undefined;
  /** Counts the starts: tells a reused attempt from the one that a list held before. */
  generation = 0;
  /** Whether something held, failed or answered it in place of its upstream. Set by the exchange. */
  isIntercepted = false;
  /** How long it was held before anything was sent, milliseconds. */
  heldMs = 0;
  /** Clock time of the start. */
  startedAt = 0;
  /** Clock time since which the upstream has been due to respond. */
  waitingSince = 0;
  /** Clock time at which a connection was opened for it; 0 on a reused one, and where the engine cannot tell. */
  connectedAt = 0;
  /** Clock time at which the response's head arrived; 0 before. */
  responseStartedAt = 0;
  /** Clock time of the end; 0 while open. */
  endedAt = 0;
  /** Status code of the response; 0 before its head arrived. */
  status = 0;
  /** Whether its connection became a tunnel. */
  isTunnel = false;
  /** Whether its response continues without a slot: a stream of events, or one that its client reads too slowly. */
  isStream = false;

  constructor(clock: Clock, observer: AttemptObserver, classifier: ResponseClassifier) {
    this.#clock = clock;
    this.#observer = observer;
    this.#classifier = classifier;
  }

  /** Where this attempt goes, or went. Throws before the first start. */
  get upstream(): Upstream {
    if (!this.#upstream) throw new Error("Cannot name the upstream of an attempt: it was never started");
    return this.#upstream;
  }

  /** Milliseconds from the start to the response's head; undefined before the head. */
  get timeToHeadersMs(): number | undefined {
    return this.responseStartedAt > 0 ? this.responseStartedAt - this.startedAt : undefined;
  }

  /** Milliseconds that a new connection took; undefined on a reused one, and where the engine cannot tell. */
  get connectTimeMs(): number | undefined {
    return this.connectedAt > 0 ? this.connectedAt - this.startedAt - this.heldMs : undefined;
  }

  get isOpen(): boolean {
    return this.#upstream !== undefined && this.endedAt === 0;
  }

  /** Whether the upstream is due to respond. */
  get isWaiting(): boolean {
    return this.#list !== undefined && this.#list === this.#upstream?.waiting;
  }

  /** Counts itself in, also with its pool. Throws if it is still open: every start needs its end. */
  start(upstream: Upstream, accounting?: AttemptAccounting): void {
    if (this.isOpen) throw new Error(`Cannot start an attempt on ${upstream.id}: it is still open`);
    this.#upstream = upstream;
    this.#accounting = accounting;
    this.driver = undefined;
    this.generation += 1;
    this.startedAt = this.#clock();
    this.waitingSince = this.startedAt;
    this.connectedAt = 0;
    this.isIntercepted = false;
    this.heldMs = 0;
    this.responseStartedAt = 0;
    this.endedAt = 0;
    this.status = 0;
    this.isTunnel = false;
    this.isStream = false;
    upstream.inFlight += 1;
    this.#join(upstream.waiting);
    accounting?.attemptStarted(upstream);
  }

  /** All that arrived of the request was sent: the client has to send more, and that wait is not the upstream's. */
  awaitClient(): void {
    if (this.isWaiting) this.#join(this.upstream.responding);
  }

  /** More of the request, or its end, was sent. */
  awaitUpstream(): void {
    if (!this.isOpen || this.responseStartedAt > 0 || this.isWaiting) return;
    this.waitingSince = this.#clock();
    this.#join(this.upstream.waiting);
  }

  /** The upstream reported that it works on the request: its wait starts again. */
  interimReceived(): void {
    if (!this.isWaiting) return;
    this.waitingSince = this.#clock();
    this.#join(this.upstream.waiting);
  }

  /** A connection was opened for this attempt. */
  connectionOpened(): void {
    this.connectedAt = this.#clock();
  }

  /** The final response's head arrived (interim 1xx heads do not count). */
  responseStarted(status: number): void {
    this.responseStartedAt = this.#clock();
    this.status = status;
    this.isTunnel = this.#classifier.isTunnel(status);
    this.upstream.lastResponseAt = this.responseStartedAt;
    if (this.isTunnel) this.upstream.tunnels += 1;
    this.#join(this.upstream.responding);
    this.upstream.latency.record(this.responseStartedAt - this.startedAt, this.responseStartedAt);
    if (!this.#classifier.isFailure(status)) this.#accounting?.attemptResponding(this);
  }

  /** Its response continues at the pace of events or of a slow client: like a tunnel, it takes no slot from now on. */
  freeSlot(): void {
    if (!this.isOpen || this.responseStartedAt === 0 || this.isTunnel || this.isStream) return;
    this.isStream = true;
    this.upstream.streams += 1;
    this.#accounting?.slotFreed(this.upstream);
  }

  /** Ends the attempt, once. A second call does nothing: an engine may learn of one end in two ways. */
  end(outcome: Outcome): void {
    if (!this.isOpen) return;
    const upstream = this.upstream;
    this.endedAt = this.#clock();
    upstream.inFlight -= 1;
    if (this.isTunnel) upstream.tunnels -= 1;
    if (this.isStream) upstream.streams -= 1;
    this.#list?.remove(this);
    this.#list = undefined;
    this.driver = undefined;
    if (isAnswerRefused(outcome) && this.responseStartedAt === 0) {
      upstream.latency.record(this.endedAt - this.startedAt, this.endedAt);
    } else if (
      outcome.kind === "failure" &&
      this.responseStartedAt === 0 &&
      exhaustedCode(outcome) === undefined
    ) {
      upstream.latency.record(Math.max(failureLatencyMs, this.endedAt - this.startedAt), this.endedAt);
      if (outcome.phase === "connect") upstream.endpoints.suspect();
    } else if (outcome.kind === "cancelled" && outcome.isSuperseded && this.responseStartedAt === 0) {
      upstream.latency.record(this.endedAt - this.startedAt, this.endedAt);
    }
    const signal = signalOf(outcome, this.status, this.#classifier);
    if (signal === "failure") upstream.outlier.setFailureLabel(failureLabel(outcome, this.status));
    this.#accounting?.attemptEnded(this, signal);
    this.#observer.attemptEnded(this, outcome);
  }

  #join(list: AttemptList): void {
    this.#list?.remove(this);
    this.#list = list;
    list.add(this);
  }
}

/** Attempts in the order in which they joined. Linked through the attempts themselves, so that joining allocates nothing. */
export class AttemptList {
  #oldest: Attempt | undefined;
  #newest: Attempt | undefined;

  /** The first to join; undefined if the list is empty. */
  get oldest(): Attempt | undefined {
    return this.#oldest;
  }

  /** Appends. An attempt is in one list at most. */
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
}

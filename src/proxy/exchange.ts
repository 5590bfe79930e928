/** One client request's whole journey: decides where it goes, and where it goes next if that fails. Moves no bytes. */

import type { Clock } from "../lib/clock.ts";
import type { Attempt } from "../pool/attempt.ts";
import { completed, deadlineExceeded, type Failure, rescued } from "../pool/outcome.ts";
import type { Pool } from "../pool/pool.ts";
import type { Upstream } from "../pool/upstream.ts";
import type { DeadlineHolder } from "./deadlines.ts";
import type { AttemptFilter, Interception } from "./interception.ts";
import { isGatewayFailure } from "./response-class.ts";
import {
  hedged,
  type RetryCause,
  type RetryContext,
  upstreamForHedge,
  upstreamForRescue,
  upstreamForRetry,
} from "./retry.ts";
import { ExchangeAttempts } from "./exchange-attempts.ts";
import type { ExchangeObserver, ExchangeSummary, RecordSink } from "./record.ts";
import { type ParkedRequest, type Queue, type QueueMember, wait, type Wait } from "./queue.ts";
import { Recorder } from "./recorder.ts";
import { refusal, type Refusal, type RetryVeto } from "./refusal.ts";
import type { RequestHead } from "./request-head.ts";
import { type Destination, type Route, routeOf } from "./route.ts";
import type { TraceContext, Tracer } from "./trace-context.ts";

/**
 * ```
 *  open ──▶ next ──▶ Attempt ──(it fails, and is ended)───────▶ again ─────▶ Attempt …
 *             │         ├──(a head that may be tried elsewhere)──▶ answered ──▶ Attempt …
 *             │         ├──(it waits on one that is down)────────▶ rescue ────▶ Attempt …
 *             │         └──(it waits for longer than most)───────▶ hedge ─────▶ Attempt, beside it
 *             ├────▶ Refusal ◀────────────────────────────────── again         or "pass"
 *             └────▶ Wait ──(park)──▶ resume with an Attempt or a Refusal
 * ```
 * The engine ends each failed attempt before it asks again. While two are under way, what follows one of them is the other:
 * `again`, `answered` and `rescue` return it then, and the engine goes on with it. A connection may reuse its exchange.
 */
export class Exchange implements QueueMember, DeadlineHolder {
  readonly #options: ExchangeOptions;
  readonly #recorder: Recorder;
  readonly #attempts: ExchangeAttempts;
  readonly #tried: Upstream[] = [];
  #head: RequestHead | undefined;
  #destination: Destination | undefined;
  #key = "";
  /** Status of the last answer that was tried elsewhere and that the engine keeps; 0 without one. */
  #heldStatus = 0;
  /** Attempts that are not among the retries: rescues, and a hedge. */
  #extra = 0;
  readonly #ticket = new QueueTicket();
  /** Where it stands in a trace that upstreams shall go on with; undefined where `traceparent` passes as it came. */
  trace: TraceContext | undefined;

  constructor(options: ExchangeOptions) {
    this.#options = options;
    this.#recorder = new Recorder(options);
    this.#attempts = new ExchangeAttempts(options.clock, this.#recorder, options.attemptFilters);
  }

  /** Where the route led; undefined if none matched. */
  get destination(): Destination | undefined {
    return this.#destination;
  }

  /** Begins the journey of one request. */
  open(head: RequestHead): this {
    this.reset();
    this.#head = head;
    this.#destination = routeOf(this.#options.routes(), head);
    this.#key = this.#destination?.keyOf?.(head) ?? "";
    this.trace = this.#options.trace?.(head.header("traceparent"));
    this.#recorder.opened(head, this.#destination?.pool, this.#key);
    return this;
  }

  /** Forgets the last request: also before `refuse` for a head that is not acceptable, which blames no pool. */
  reset(): void {
    this.#attempts.reset();
    this.#destination?.deadlines?.remove(this);
    this.#recorder.begin();
    this.#head = this.#destination = this.trace = undefined;
    this.#key = "";
    while (this.#tried.pop()); // Setting the length would be a call into the runtime.
    this.#heldStatus = this.#extra = 0;
    this.leaveQueue();
  }

  /** The journey is over, once, and so are its attempts: writes the record if somebody wants it, and forgets the request. */
  close(end: ExchangeSummary): void {
    this.#attempts.cancelOpen();
    this.#recorder.ended(end, this.trace);
    this.reset();
  }

  /** The first attempt, already counted in; or why there is none, or none yet. */
  next(): Attempt | Refusal | Wait {
    const destination = this.#destination;
    if (!destination || !this.#head) return this.refuse(refusal("no_route"));
    if (this.#options.load?.isShed) return this.refuse(refusal("overloaded"));
    const isLimited = destination.maxRequestBodyBytes !== undefined;
    if (isLimited && !this.allowsBodySize(Number(this.#head.header("content-length") ?? 0)))
      return this.refuse(refusal("request_too_large"));
    destination.retryBudget?.deposit();
    const { pool, queue, deadlines, timeouts } = destination;
    deadlines?.add(this, timeouts.totalMs ?? Infinity);
    // Whoever comes while others wait goes behind them.
    const isLast = queue !== undefined && queue.size > 0;
    const upstream = isLast ? undefined : pool.select(this.#key, this.#tried);
    if (upstream) return this.#start(pool, upstream);
    const isFull = isLast ? pool.available.length > 0 : pool.isFull;
    if (!isFull && !queue?.limits.whenNoneFit) return this.refuse(refusal("no_upstream"));
    if (!this.#ticket.join(queue, this)) return this.refuse(refusal("queue_full"));
    this.#recorder.queued();
    return wait;
  }

  /** After `next` gave "wait". A request whose client leaves does `leaveQueue`, or is closed. */
  park(parked: ParkedRequest): void {
    this.#ticket.park(parked);
  }

  /** Called by the queue alone. */
  retry(): boolean {
    return this.#ticket.leaveWith(this, () => {
      const { pool, queue } = this.#destination ?? {};
      const upstream = pool?.select(this.#key, this.#tried);
      if (pool && upstream) return this.#start(pool, upstream);
      const waitsOn = pool?.isFull || queue?.limits.whenNoneFit;
      return waitsOn ? undefined : this.refuse(refusal("no_upstream"));
    });
  }

  /** Also by the queue alone. */
  queueTimedOut(): void {
    this.#ticket.leaveWith(this, () => this.refuse(refusal("queue_timeout")));
  }

  /** Called by the deadlines alone. An answer that has begun may go on. */
  deadlineExpired(): void {
    if (this.#ticket.isQueued) this.#ticket.leaveWith(this, () => this.refuse(refusal("total_timeout")));
    else if (!this.#attempts.responding) this.#attempts.abandon(deadlineExceeded);
  }

  /** For a client that leaves before its turn. */
  leaveQueue(): ParkedRequest | undefined {
    return this.#ticket.leave(this);
  }

  /** Whether the pool takes a request body of this size: engines ask as a body of unknown length grows. */
  allowsBodySize(bodyBytes: number): boolean {
    return !(bodyBytes > (this.#destination?.maxRequestBodyBytes ?? Infinity));
  }

  /** After a failed and ended attempt: another one elsewhere, already counted in; or what to answer. */
  retryAfter(failed: Failure, isReplayable: boolean): Attempt | Refusal {
    if (this.#attempts.open) return this.#attempts.open;
    const step = this.#retry(failed, isReplayable);
    if (typeof step !== "string") return step;
    const refused = { ...refusal(failed.reason), notRetried: step };
    if (this.#heldStatus > 0) return { ...refused, status: this.#heldStatus, usesHeldResponse: true };
    return this.refuse(refused);
  }

  /**
   * After the head of an answer, which the attempt has been told: whether it goes to the client. If not, its attempt was
   * ended here, and the one returned is counted in. The engine keeps the answer then: should the new attempt fail, `again`
   * may ask for it with `usesHeldResponse`; else it is dropped. An engine that cannot keep it passes it on without asking.
   */
  responseReceived(status: number, isReplayable: boolean): Attempt | "pass" {
    if (!this.isRetriable(status)) return "pass";
    const answered = this.#attempts.responding;
    const other = this.#attempts.otherThan(answered);
    if (other) answered?.end(completed);
    const step = other ?? this.#retry({ kind: "answer", reason: `status_${status}` }, isReplayable);
    if (typeof step === "string") return "pass";
    this.#heldStatus = status;
    return step;
  }

  /** Whether `answered` may ask for a better answer than this one: then the engine has to be able to keep it. */
  isRetriable(status: number): boolean {
    if (this.#destination?.retryStatuses?.has(status)) return true;
    return isGatewayFailure(status) && this.#attempts.otherThan(this.#attempts.responding) !== undefined;
  }

  /** While an attempt waits on an upstream that was found down: another one in its place, which was ended here, if it may move. */
  rescue(isReplayable: boolean, waiting = this.#attempts.open): Attempt | undefined {
    const other = this.#attempts.otherThan(waiting);
    if (other) {
      waiting?.end(rescued);
      return other;
    }
    const context = this.#retryContext(isReplayable);
    const upstream = context && upstreamForRescue(context);
    if (!upstream) return undefined;
    const { pool } = context.destination;
    waiting?.end(rescued);
    this.#recorder.retried(pool.name, rescued);
    this.#extra += 1;
    return this.#start(pool, upstream);
  }

  /** While an attempt waits for longer than nearly all do: a second one beside it, already counted in, if it may have one. */
  hedge(isReplayable: boolean): Attempt | undefined {
    const context = this.#attempts.isHedged ? undefined : this.#retryContext(isReplayable);
    const upstream = context && upstreamForHedge(context);
    if (!upstream) return undefined;
    const { pool } = context.destination;
    this.#recorder.retried(pool.name, hedged);
    this.#extra += 1;
    return this.#start(pool, upstream, true);
  }

  /** Of a hedged request: this attempt's answer goes to the client. The other one, should it be under way, is ended here. */
  commit(attempt: Attempt): void {
    this.#destination?.deadlines?.remove(this);
    this.#attempts.commit(attempt);
  }

  /** What is to happen to an open attempt before it is sent; undefined, nearly always, if it is sent as it is. */
  interceptionOf(attempt: Attempt): Interception | undefined {
    return this.#attempts.interceptionOf(attempt);
  }

  /** Records that the balancer answers itself, and returns what it was given: also for what only an engine can see. */
  refuse(refused: Refusal): Refusal {
    this.#recorder.refused(this.#destination?.pool.name, refused, this.#tried.length);
    return refused;
  }

  #retry(cause: RetryCause, isReplayable: boolean): Attempt | RetryVeto {
    const context = this.#retryContext(isReplayable);
    if (!context) throw new Error("Cannot try again: no attempt was made");
    const { pool } = context.destination;
    const chosen = upstreamForRetry(context, cause, this.#attempts.last);
    if (typeof chosen === "string") {
      this.#recorder.notRetried(pool.name, cause, chosen);
      return chosen;
    }
    this.#attempts.open?.end(completed);
    this.#recorder.retried(pool.name, cause);
    return this.#start(pool, chosen);
  }

  #retryContext(isReplayable: boolean): RetryContext | undefined {
    const [destination, head, key, tried] = [this.#destination, this.#head, this.#key, this.#tried];
    const extra = this.#extra;
    return destination && head && { destination, method: head.method, key, tried, extra, isReplayable };
  }

  #start(pool: Pool, upstream: Upstream, isBeside = false): Attempt {
    this.#recorder.chose(pool, upstream, this.#tried.length > 0);
    this.#tried.push(upstream);
    return isBeside ? this.#attempts.hedge(upstream, pool) : this.#attempts.start(upstream, pool);
  }
}

// An exchange's place in its pool's queue, and who is told when its turn comes; apart from what happens then.

/** `free ──join──▶ waiting ──leave──▶ free` */
export class QueueTicket {
  #queue: Queue | undefined;
  #parked: ParkedRequest | undefined;

  get isQueued(): boolean {
    return this.#queue !== undefined;
  }

  /** False if the queue is full, or there is none. */
  join(queue: Queue | undefined, queued: QueueMember): boolean {
    if (!queue?.enqueue(queued)) return false;
    this.#queue = queue;
    return true;
  }

  park(parked: ParkedRequest): void {
    this.#parked = parked;
  }

  /** @returns who waited, if anybody did */
  leave(queued: QueueMember): ParkedRequest | undefined {
    const parked = this.#parked;
    this.#queue?.dequeue(queued);
    this.#queue = undefined;
    this.#parked = undefined;
    return parked;
  }

  /**
   * Leaves as soon as there is a step, and tells it to whoever waits. A bug on the way is told as well: at the head of the
   * queue it would hold up everybody behind, and whoever waits would never hear of anything.
   * @returns false if it waits on
   */
  leaveWith(queued: QueueMember, stepOf: () => Attempt | Refusal | undefined): boolean {
    let step: Attempt | Refusal | undefined;
    try {
      step = stepOf();
    } catch (bug) {
      this.leave(queued)?.failed(bug);
      return true;
    }
    if (step) this.leave(queued)?.resume(step);
    return step !== undefined;
  }
}

// What every exchange is given, whoever drives it.

export interface ExchangeOptions {
  /** Read anew for every exchange, so that a reload needs no new connection. */
  readonly routes: () => readonly Route[];
  readonly clock: Clock;
  /** Whether new requests are refused, for want of memory. */
  readonly load?: { readonly isShed: boolean };
  readonly observer: ExchangeObserver;
  /** Asked for every attempt before it is sent; the first that intercepts it decides. */
  readonly attemptFilters?: readonly AttemptFilter[];
  /** Present where requests are traced. */
  readonly trace?: Tracer;
  /** Who reads what became of requests; nothing is collected where there is nobody. */
  readonly records?: readonly RecordSink[];
}

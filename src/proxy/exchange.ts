/** One client request from its head to the end of its response: decides where each attempt goes. Moves no bytes. */

import type { Attempt } from "../pool/attempt.ts";
import { completed, deadlineExceeded, type Failure, isAnswerRefused, rescued } from "../pool/outcome.ts";
import type { Pool } from "../pool/pool.ts";
import type { Upstream } from "../pool/upstream.ts";
import type { DeadlineHolder } from "./deadlines.ts";
import type { Interception } from "./interception.ts";
import { isGatewayFailure } from "./response-class.ts";
import {
  hedged,
  type RetryCause,
  type RetryContext,
  upstreamForHedge,
  upstreamForRescue,
  upstreamForRetry,
} from "./retry.ts";
import type { CompressibleResponse, CompressionPlan } from "./compression.ts";
import type { ExchangeOptions } from "./exchange-options.ts";
import { ExchangeAttempts } from "./exchange-attempts.ts";
import type { ExchangeSummary } from "./record.ts";
import { FilteredRequest } from "./filter.ts";
import { FilterRun } from "./filter-run.ts";
import type { HeadEdit } from "./head-edit.ts";
import { type ParkedRequest, type QueueMember, wait, type Wait } from "./queue.ts";
import { QueueTicket } from "./queue-ticket.ts";
import { Recorder } from "./recorder.ts";
import {
  noUpstreamReason,
  type ProtocolViolation,
  refusal,
  type Refusal,
  refusalForViolation,
  type RenderedRefusal,
  type RetryVeto,
} from "./refusal.ts";
import type { ListenerRules } from "./listener-rules.ts";
import type { RequestHead } from "./request-head.ts";
import type { Destination, RouteMatch, RouteTable } from "./route.ts";
import type { TraceContext } from "./trace-context.ts";

/**
 * ```
 *  open ──▶ next ──▶ Attempt ──(it failed and was ended)──▶ retryAfter ────────▶ Attempt …
 *             │         ├──(a response's head arrived)────▶ responseReceived ──▶ Attempt … or "pass"
 *             │         ├──(its upstream went down)───────▶ rescue ────────────▶ Attempt …
 *             │         └──(it has waited long)───────────▶ hedge ─────────────▶ a second Attempt
 *             ├────▶ Refusal ◀──────────────────────────── retryAfter
 *             └────▶ Wait ──(park)──▶ resume with an Attempt or a Refusal
 * ```
 * The engine ends each failed attempt before it calls `retryAfter`. While two attempts are open, the next step after one of
 * them is the other: `retryAfter`, `responseReceived` and `rescue` return it then. An engine may reuse an exchange after `close`.
 */
export class Exchange implements QueueMember, DeadlineHolder {
  readonly #options: ExchangeOptions;
  readonly #recorder: Recorder;
  readonly #attempts: ExchangeAttempts;
  readonly #tried: Upstream[] = [];
  #head: RequestHead | undefined;
  #destination: Destination | undefined;
  /** Why there is no route, where the reason is the path. */
  #violation: ProtocolViolation | undefined;
  #localReply: Refusal | undefined;
  /** Present on routes that do more with a request than to send it to a destination. */
  #filterRun: FilterRun | undefined;
  #parkedForFilters: ParkedRequest | undefined;
  #key = "";
  #preferred: Upstream | undefined;
  /** Status of the last response that was retried and that the engine holds; 0 without one. */
  #heldStatus = 0;
  /** Attempts that are not retries: rescues, and a hedge. */
  #extraAttempts = 0;
  /** The deadline has passed before the first attempt. */
  #isLate = false;
  /**
   * Called when the deadline passes before the first attempt. Set by an engine that does not call `next` at once: it must call
   * it then, which returns a refusal.
   */
  onLate: (() => void) | undefined;
  readonly #ticket = new QueueTicket();
  /** Its position in a trace that upstreams continue; undefined where `traceparent` passes unchanged. */
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

  /** The response of listener or route, if there is one: then the engine need not read the body before it calls `next`. */
  get localReply(): Refusal | undefined {
    return this.#localReply;
  }

  /** Starts with a new request. @param rules of its listener, if that has any */
  open(head: RequestHead, rules?: ListenerRules, requestId = ""): this {
    this.reset();
    this.#head = head;
    const table = this.#options.routes();
    const match = table.find(head);
    this.trace = this.#options.trace?.(head.header("traceparent"));
    const ruled = (this.#localReply = rules?.replyTo(head, match, table));
    if (!ruled) this.#enter(head, match, table, requestId);
    this.#key = this.#destination?.keyOf?.(head) ?? "";
    this.#destination?.deadlines?.add(this, this.#destination.timeouts.totalMs ?? Infinity);
    this.#recorder.opened(head, this.#destination?.pool, this.#key, ruled ? undefined : match);
    return this;
  }

  #enter(head: RequestHead, match: RouteMatch | undefined, table: RouteTable, requestId: string): void {
    this.#violation = match?.violation;
    const found = match?.route ? match : table.unmatched;
    const route = found?.route;
    if (!found || !route?.handling) return void (this.#destination = route?.destination);
    const request = new FilteredRequest(head, found, { requestId, trace: this.trace });
    this.#destination = route.split ? route.split.choose(request) : route.destination;
    if (this.#options.load?.isShed) return void (this.#localReply = refusal("overloaded"));
    this.#recorder.filtered(request, this.#destination?.pool);
    this.#filterRun = new FilterRun(request, route.handling, this.#destination?.sticky);
    this.#localReply = this.#filterRun.answer;
  }

  /** Forgets the last request; also before `refuse` for an invalid head, which is counted for no pool. */
  reset(): void {
    this.#attempts.reset();
    this.#destination?.deadlines?.remove(this);
    this.#recorder.begin();
    this.#head = this.#destination = this.#violation = undefined;
    this.#localReply = this.#preferred = this.trace = undefined;
    this.#filterRun?.abandon();
    this.#filterRun = this.#parkedForFilters = undefined;
    this.#key = "";
    while (this.#tried.pop()); // Setting the length would be a call into the runtime.
    this.#heldStatus = this.#extraAttempts = 0;
    this.#isLate = false;
    this.onLate = undefined;
    this.leaveQueue();
  }

  /**
   * Ends the request and what is open of it, once: emits the record if a sink wants it.
   * @throws what a sink threw during the request. The exchange has ended all the same, and the engine only reports it.
   */
  close(end: ExchangeSummary): void {
    try {
      this.#attempts.cancelOpen();
      this.#recorder.ended(end, this.trace);
    } finally {
      this.reset();
    }
  }

  /** Before `next`: the client has state on this upstream, which the first attempt goes to if it serves. */
  prefer(upstream: Upstream | undefined): void {
    this.#preferred = upstream;
  }

  /** The first attempt, already counted in; or a refusal; or a wait. */
  next(): Attempt | Refusal | Wait {
    const answer = this.#localReply ?? this.#filterRun?.next(this.#isLate);
    if (answer?.kind === "wait") return answer;
    if (answer) return this.refuse(answer);
    const destination = this.#destination;
    if (!destination || !this.#head)
      return this.refuse(this.#violation ? refusalForViolation(this.#violation) : refusal("no_route"));
    if (this.#isLate) return this.refuse(refusal("total_timeout"));
    if (this.#options.load?.isShed) return this.refuse(refusal("overloaded"));
    const isLimited = destination.maxRequestBodyBytes !== undefined;
    if (isLimited && !this.allowsBodySize(Number(this.#head.header("content-length") ?? 0)))
      return this.refuse(refusal("request_too_large"));
    destination.retryBudget?.deposit();
    const { pool, queue } = destination;
    // While requests wait, a new one goes behind them.
    const isLast = queue !== undefined && queue.size > 0;
    const upstream = isLast ? undefined : this.#select(pool);
    if (upstream) return this.#start(pool, upstream);
    const isFull = isLast ? pool.available.length > 0 : pool.isFull;
    if (!isFull && !queue?.limits.whenNoneFit) return this.refuse(refusal(noUpstreamReason(pool)));
    if (!this.#ticket.join(queue, this)) return this.refuse(refusal("queue_full"));
    this.#recorder.queued();
    return wait;
  }

  /** After `next` returned a wait. When the client leaves, the engine calls `leaveQueue` or `close`. */
  park(parked: ParkedRequest): void {
    const run = this.#filterRun;
    if (!run?.isPending) return this.#ticket.park(parked);
    this.#parkedForFilters = parked;
    run.onSettled = () => this.#filtersSettled();
  }

  #filtersSettled(): void {
    const parked = this.#parkedForFilters;
    if (!parked) return;
    this.#parkedForFilters = undefined;
    let step: Attempt | Refusal | Wait;
    try {
      step = this.next();
    } catch (bug) {
      return parked.failed(bug);
    }
    if (step.kind === "wait") this.park(parked);
    else parked.resume(step);
  }

  /** What changes in the request for the upstream of an attempt; undefined for most. Read before the attempt is sent. */
  requestEditFor({ upstream }: Attempt): HeadEdit | undefined {
    return this.#filterRun?.requestEdit(upstream);
  }

  /** How the body of a response is compressed; undefined for most. Called after `commit`, before `responseEdit` is read. */
  compress(response: CompressibleResponse): CompressionPlan | undefined {
    return this.#filterRun?.compress(response);
  }

  /** What changes in the response for the client; undefined for most. Read after `commit`. */
  get responseEdit(): HeadEdit | undefined {
    return this.#filterRun?.responseEdit(this.#attempts.responding?.upstream);
  }

  /** The balancer's own response as its route changes it. */
  editReply(refused: Refusal, reply: RenderedRefusal): RenderedRefusal {
    return this.#filterRun?.editReply(refused, reply) ?? reply;
  }

  /** Called by the queue only. */
  tryToLeave(): boolean {
    return this.#ticket.leaveWith(this, () => {
      const { pool, queue } = this.#destination ?? {};
      const upstream = pool && this.#select(pool);
      if (pool && upstream) return this.#start(pool, upstream);
      const waitsOn = pool?.isFull || queue?.limits.whenNoneFit;
      return waitsOn ? undefined : this.refuse(refusal(pool ? noUpstreamReason(pool) : "no_upstream"));
    });
  }

  /** Called by the queue only. */
  queueTimedOut(): void {
    this.#ticket.leaveWith(this, () => this.refuse(refusal("queue_timeout")));
  }

  /** Called by the deadlines only. A response that has begun may continue. */
  deadlineExpired(): void {
    if (this.#ticket.isQueued) this.#ticket.leaveWith(this, () => this.refuse(refusal("total_timeout")));
    else if (this.#parkedForFilters) {
      this.#isLate = true;
      this.#filtersSettled();
    } else if (this.#tried.length === 0) {
      this.#isLate = true;
      this.onLate?.();
    } else if (!this.#attempts.responding) this.#attempts.abandon(deadlineExceeded);
  }

  /** For a client that leaves while its request waits. */
  leaveQueue(): ParkedRequest | undefined {
    const parked = this.#parkedForFilters;
    if (!parked) return this.#ticket.leave(this);
    this.#filterRun?.abandon();
    this.#parkedForFilters = undefined;
    return parked;
  }

  /** Whether the pool accepts a request body of this size; engines check it as a body of unknown length grows. */
  allowsBodySize(bodyBytes: number): boolean {
    return !(bodyBytes > (this.#destination?.maxRequestBodyBytes ?? Infinity));
  }

  /**
   * After an attempt failed and was ended.
   * @param isReplayable whether the engine can send the request's body again from its first byte
   * @returns another attempt, already counted in; or the refusal to send
   */
  retryAfter(failed: Failure, isReplayable: boolean): Attempt | Refusal {
    if (this.#attempts.open) return this.#attempts.open;
    const step = this.#retry(failed, isReplayable);
    if (typeof step !== "string") return step;
    const violation = isAnswerRefused(failed) ? failed.detail : undefined;
    const refused: Refusal = {
      ...refusal(failed.reason),
      notRetried: step,
      ...(violation !== undefined && { violation }),
    };
    if (this.#heldStatus > 0) return { ...refused, status: this.#heldStatus, usesHeldResponse: true };
    return this.refuse(refused);
  }

  /**
   * After `attempt.responseStarted`: decides whether the response goes to the client ("pass"). If not, its attempt was ended
   * here, and the returned one is counted in. The engine holds the response then: if the new attempt fails, `retryAfter` may
   * return a refusal with `usesHeldResponse`. An engine that cannot hold it sends it without calling this.
   */
  responseReceived(status: number, isReplayable: boolean): Attempt | "pass" {
    if (!this.isRetriable(status)) return "pass";
    const responding = this.#attempts.responding;
    const other = this.#attempts.otherThan(responding);
    if (other) responding?.end(completed);
    const step = other ?? this.#retry({ kind: "response", reason: `status_${status}` }, isReplayable);
    if (typeof step === "string") return "pass";
    this.#heldStatus = status;
    return step;
  }

  /** Whether `responseReceived` may retry this status: then the engine must be able to hold the response. */
  isRetriable(status: number): boolean {
    if (this.#destination?.retryStatuses?.has(status)) return true;
    return isGatewayFailure(status) && this.#attempts.otherThan(this.#attempts.responding) !== undefined;
  }

  /** For an attempt that waits on an upstream that went down: another one in its place, if the request may move. */
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
    this.#extraAttempts += 1;
    return this.#start(pool, upstream);
  }

  /** For an attempt that has waited long: a second one, already counted in, if the request may have one. */
  hedge(isReplayable: boolean): Attempt | undefined {
    const isBound = this.#attempts.isHedged || this.#filterRun?.sticky?.isHeld;
    const context = isBound ? undefined : this.#retryContext(isReplayable);
    const upstream = context && upstreamForHedge(context);
    if (!upstream) return undefined;
    const { pool } = context.destination;
    this.#recorder.retried(pool.name, hedged);
    this.#extraAttempts += 1;
    return this.#start(pool, upstream, true);
  }

  /** The response of this attempt goes to the client. Ends the other attempt of a hedged request. */
  commit(attempt: Attempt): void {
    this.#destination?.deadlines?.remove(this);
    this.#attempts.commit(attempt);
  }

  /** What is to happen to an open attempt before it is sent; undefined, nearly always, if it is sent as it is. */
  interceptionOf(attempt: Attempt): Interception | undefined {
    return this.#attempts.interceptionOf(attempt);
  }

  /** Records that the balancer responds itself. @returns its argument; also for refusals that only an engine can decide */
  refuse(refused: Refusal): Refusal {
    this.#filterRun?.forgetResponse();
    this.#recorder.refused(this.#destination?.pool.name, refused, this.#tried.length);
    return refused;
  }

  #select(pool: Pool): Upstream | undefined {
    const preferred = this.#preferred;
    if (preferred && pool.serves(preferred)) return preferred;
    return this.#filterRun?.sticky?.select(pool) ?? pool.select(this.#key, this.#tried);
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
    const extra = this.#extraAttempts;
    return destination && head && { destination, method: head.method, key, tried, extra, isReplayable };
  }

  #start(pool: Pool, upstream: Upstream, isHedge = false): Attempt {
    this.#recorder.chose(pool, upstream, this.#tried.length > 0);
    this.#tried.push(upstream);
    return isHedge ? this.#attempts.hedge(upstream, pool) : this.#attempts.start(upstream, pool);
  }
}

/** One client request's whole journey: decides where it goes, and where it goes next if that fails. Moves no bytes. */

import type { Clock } from "../lib/clock.ts";
import { Attempt, type AttemptObserver } from "../pool/attempt.ts";
import { type Failure, rescued, responded } from "../pool/outcome.ts";
import type { Pool } from "../pool/pool.ts";
import type { Upstream } from "../pool/upstream.ts";
import type { Head } from "./head.ts";
import type { Queue, Queued } from "./queue.ts";
import { type NotRetried, type Refusal, refusal } from "./refusal.ts";
import { isFree, isIdempotent, reasonNotToRetry, type RetryCause } from "./retry.ts";
import { type Destination, type Route, routeOf } from "./route.ts";
import type { TraceContext, Tracer } from "./trace-context.ts";

/** Hears what no attempt can tell. Called synchronously; must not throw. */
export interface ExchangeObserver extends AttemptObserver {
  /** An attempt is followed by another one. */
  retried(poolName: string, cause: RetryCause): void;
  /** An attempt that failed, or whose answer is one to try elsewhere, is followed by none. */
  notRetried(poolName: string, cause: RetryCause, why: NotRetried): void;
  /** The balancer answers itself; `poolName` is undefined where no route matched or the head was not acceptable. */
  refused(poolName: string | undefined, refused: Refusal): void;
}

/** The request has to wait for a place: the engine parks it, and does nothing until it is told. */
export interface Wait {
  readonly kind: "wait";
}

const wait: Wait = { kind: "wait" };

/** Whom an engine parks. */
export interface Parked {
  /** Its turn has come, or will not come. */
  resume(step: Attempt | Refusal): void;
}

export interface ExchangeSetting {
  /** Read anew for every exchange, so that a reload needs no new connection. */
  readonly routes: () => readonly Route[];
  readonly clock: Clock;
  readonly observer: ExchangeObserver;
  /** Present where requests are traced. */
  readonly trace?: Tracer;
}

/**
 * ```
 *  open ──▶ next ──▶ Attempt ──(it fails, and is ended)───────▶ again ─────▶ Attempt …
 *             │         ├──(a head that may be tried elsewhere)──▶ answered ──▶ Attempt …
 *             │         └──(it waits on one that is down)────────▶ rescue ────▶ Attempt …
 *             ├────▶ Refusal ◀────────────────────────────────── again         or "pass"
 *             └────▶ Wait ──(park)──▶ resume with an Attempt or a Refusal
 * ```
 * The engine ends each failed attempt before it asks again. A connection may reuse its exchange for its next request.
 */
export class Exchange implements Queued {
  readonly #setting: ExchangeSetting;
  readonly #attempt: Attempt;
  readonly #tried: Upstream[] = [];
  #head: Head | undefined;
  #destination: Destination | undefined;
  #key = "";
  /** Status of the last answer that was tried elsewhere and that the engine keeps; 0 without one. */
  #keptStatus = 0;
  /** Attempts that were moved; they are not among the retries. */
  #rescues = 0;
  /** Where it waits for a place, and who is told. */
  #queue: Queue | undefined;
  #parked: Parked | undefined;
  /** Whether the engine can send the request's body again from its first byte. The engine keeps it true to life. */
  isReplayable = true;
  /** Where it stands in a trace that upstreams shall go on with; undefined where `traceparent` passes as it came. */
  trace: TraceContext | undefined;

  constructor(setting: ExchangeSetting) {
    this.#setting = setting;
    this.#attempt = new Attempt(setting.clock, setting.observer);
  }

  /** Where the route led; undefined if none matched. */
  get destination(): Destination | undefined {
    return this.#destination;
  }

  /** Begins the journey of one request. */
  open(head: Head): this {
    this.reset();
    this.#head = head;
    this.#destination = routeOf(this.#setting.routes(), head);
    this.#key = this.#destination?.keyOf?.(head) ?? "";
    this.isReplayable = true;
    this.trace = this.#setting.trace?.(head.header("traceparent"));
    return this;
  }

  /** Forgets the last request: also before `refuse` for a head that is not acceptable, which blames no pool. */
  reset(): void {
    this.#head = undefined;
    this.#destination = undefined;
    this.#key = "";
    this.#tried.length = 0;
    this.#keptStatus = 0;
    this.#rescues = 0;
    this.trace = undefined;
    this.#leaveQueue();
  }

  /** The first attempt, already counted in; or why there is none, or none yet. */
  next(): Attempt | Refusal | Wait {
    const destination = this.#destination;
    if (!destination || !this.#head) return this.refuse(refusal("no_route"));
    if (
      destination.maxRequestBodyBytes !== undefined &&
      !this.admits(Number(this.#head.header("content-length") ?? 0))
    ) {
      return this.refuse(refusal("request_too_large"));
    }
    destination.retryBudget?.earn();
    const { pool, queue } = destination;
    // Whoever comes while others wait goes behind them.
    const isLast = queue !== undefined && queue.size > 0;
    const upstream = isLast ? undefined : pool.choose(this.#key, this.#tried);
    if (upstream) return this.#start(pool, upstream);
    const isFull = isLast ? pool.fit.length > 0 : pool.isFull;
    if (!isFull && !queue?.limits.whenNoneFit) return this.refuse(refusal("no_upstream"));
    if (!queue?.join(this)) return this.refuse(refusal("queue_full"));
    this.#queue = queue;
    return wait;
  }

  /** After `next` gave "wait". A request whose client leaves is `reset`. */
  park(parked: Parked): void {
    this.#parked = parked;
  }

  /** Called by the queue alone. */
  retry(): boolean {
    const { pool, queue } = this.#destination ?? {};
    if (!pool) return true;
    const upstream = pool.choose(this.#key, this.#tried);
    if (!upstream && (pool.isFull || queue?.limits.whenNoneFit)) return false;
    const parked = this.#leaveQueue();
    parked?.resume(upstream ? this.#start(pool, upstream) : this.refuse(refusal("no_upstream")));
    return true;
  }

  /** Called by the queue alone. */
  expire(): void {
    this.#leaveQueue()?.resume(this.refuse(refusal("queue_timeout")));
  }

  #leaveQueue(): Parked | undefined {
    const parked = this.#parked;
    this.#queue?.leave(this);
    this.#queue = undefined;
    this.#parked = undefined;
    return parked;
  }

  /** Whether the pool takes a request body of this size: engines ask as a body of unknown length grows. */
  admits(bodyBytes: number): boolean {
    return !(bodyBytes > (this.#destination?.maxRequestBodyBytes ?? Infinity));
  }

  /** After a failed and ended attempt: another one elsewhere, already counted in; or what to answer. */
  again(failed: Failure): Attempt | Refusal {
    const step = this.#retry(failed);
    if (typeof step !== "string") return step;
    const refused = { ...refusal(failed.reason), notRetried: step };
    if (this.#keptStatus > 0) return { ...refused, status: this.#keptStatus, passesKept: true };
    return this.refuse(refused);
  }

  /**
   * After the head of an answer, which the attempt has been told: whether the answer goes to the client. If not, its
   * attempt was ended here, and the one returned is counted in. The engine keeps the answer then, unread or whole: should
   * the new attempt fail, `again` may ask for it with `passesKept`; should it answer, the kept one is dropped. An engine
   * that cannot keep this answer passes it on without asking.
   */
  answered(status: number): Attempt | "pass" {
    if (!this.#destination?.retryStatuses?.has(status)) return "pass";
    const step = this.#retry({ kind: "answer", reason: `status_${status}` });
    if (typeof step === "string") return "pass";
    this.#keptStatus = status;
    return step;
  }

  /**
   * While an attempt waits for its head on an upstream that was found down: another one on an upstream that is up, already
   * counted in, in place of the one that waited, which was ended here; undefined if the request has to stay.
   */
  rescue(): Attempt | undefined {
    const destination = this.#destination;
    if (!destination || !this.#head || destination.retries === 0) return undefined;
    if (!this.isReplayable || !isIdempotent(this.#head.method)) return undefined;
    const { pool, retryBudget } = destination;
    const upstream = pool.choose(this.#key, this.#tried);
    if (upstream?.outlier.state !== "up" || retryBudget?.spendRescue() === false) return undefined;
    this.#attempt.end(rescued);
    this.#setting.observer.retried(pool.name, rescued);
    this.#rescues += 1;
    return this.#start(pool, upstream);
  }

  /** Records that the balancer answers itself, and returns what it was given: also for what only an engine can see. */
  refuse(refused: Refusal): Refusal {
    this.#setting.observer.refused(this.#destination?.pool.name, refused);
    return refused;
  }

  #retry(cause: RetryCause): Attempt | NotRetried {
    const destination = this.#destination;
    if (!destination || !this.#head) throw new Error("Cannot try again: no attempt was made");
    const { observer } = this.#setting;
    const { pool } = destination;
    const chosen = this.#elsewhere(destination, this.#head.method, cause);
    if (typeof chosen === "string") {
      observer.notRetried(pool.name, cause, chosen);
      return chosen;
    }
    this.#attempt.end(responded);
    observer.retried(pool.name, cause);
    return this.#start(pool, chosen);
  }

  /** Where another attempt goes, already paid for; or why there is none. */
  #elsewhere(destination: Destination, method: string, cause: RetryCause): Upstream | NotRetried {
    const { pool, retries, retryBudget } = destination;
    const retriesLeft = retries + 1 + this.#rescues - this.#tried.length;
    const why = reasonNotToRetry({ cause, method, replayable: this.isReplayable, retriesLeft });
    if (why !== undefined) return why;
    const upstream = pool.choose(this.#key, this.#tried);
    if (!upstream) return "no_other_upstream";
    const isPaid = !retryBudget || isFree(cause, this.#attempt) || retryBudget.spend();
    return isPaid ? upstream : "retry_budget";
  }

  #start(pool: Pool, upstream: Upstream): Attempt {
    this.#tried.push(upstream);
    this.#attempt.start(upstream, pool);
    return this.#attempt;
  }
}

/** One client request's whole journey: decides where it goes, and where it goes next if that fails. Moves no bytes. */

import type { Clock } from "../lib/clock.ts";
import type { Attempt } from "../pool/attempt.ts";
import { type Failure, rescued, responded } from "../pool/outcome.ts";
import { isGatewayFailure } from "../pool/outlier.ts";
import type { Pool } from "../pool/pool.ts";
import type { Upstream } from "../pool/upstream.ts";
import { Attempts } from "./attempts.ts";
import { type Journey, whereToHedge, whereToRescue, whereToRetry } from "./elsewhere.ts";
import type { ExchangeObserver } from "./exchange-observer.ts";
import type { Head } from "./head.ts";
import { type Parked, type Queue, type Queued, wait, type Wait } from "./queue.ts";
import { type NotRetried, type Refusal, refusal } from "./refusal.ts";
import { hedged, type RetryCause } from "./retry.ts";
import { type Destination, type Route, routeOf } from "./route.ts";

export interface ExchangeSetting {
  /** Read anew for every exchange, so that a reload needs no new connection. */
  readonly routes: () => readonly Route[];
  readonly clock: Clock;
  readonly observer: ExchangeObserver;
}

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
 * `again`, `answered` and `rescue` return it then, and the engine goes on with it instead of beginning anything.
 * A connection may reuse its exchange for its next request.
 */
export class Exchange implements Queued {
  readonly #setting: ExchangeSetting;
  readonly #attempts: Attempts;
  readonly #tried: Upstream[] = [];
  #head: Head | undefined;
  #destination: Destination | undefined;
  #key = "";
  /** Status of the last answer that was tried elsewhere and that the engine keeps; 0 without one. */
  #keptStatus = 0;
  /** Attempts that are not among the retries: rescues, and a hedge. */
  #extra = 0;
  /** Where it waits for a place, and who is told. */
  #queue: Queue | undefined;
  #parked: Parked | undefined;
  /** Whether the engine can send the request's body again from its first byte. The engine keeps it true to life. */
  isReplayable = true;

  constructor(setting: ExchangeSetting) {
    this.#setting = setting;
    this.#attempts = new Attempts(setting.clock, setting.observer);
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
    return this;
  }

  /** Forgets the last request: also before `refuse` for a head that is not acceptable, which blames no pool. */
  reset(): void {
    this.#attempts.reset();
    this.#head = undefined;
    this.#destination = undefined;
    this.#key = "";
    this.#tried.length = 0;
    this.#keptStatus = 0;
    this.#extra = 0;
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
    const other = this.#attempts.open;
    if (other) return other;
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
    if (!this.mayBetter(status)) return "pass";
    const answered = this.#attempts.answering;
    const other = this.#attempts.besides(answered);
    if (other) answered?.end(responded);
    const step = other ?? this.#retry({ kind: "answer", reason: `status_${status}` });
    if (typeof step === "string") return "pass";
    this.#keptStatus = status;
    return step;
  }

  /** Whether `answered` may ask for a better answer than this one: then the engine has to be able to keep it. */
  mayBetter(status: number): boolean {
    if (this.#destination?.retryStatuses?.has(status)) return true;
    return isGatewayFailure(status) && this.#attempts.besides(this.#attempts.answering) !== undefined;
  }

  /**
   * While an attempt waits for its head on an upstream that was found down: another one on an upstream that is up, already
   * counted in, in place of the one that waited, which was ended here; undefined if the request has to stay.
   */
  rescue(waiting = this.#attempts.open): Attempt | undefined {
    const other = this.#attempts.besides(waiting);
    if (other) {
      waiting?.end(rescued);
      return other;
    }
    const journey = this.#journey;
    const upstream = journey && whereToRescue(journey);
    if (!upstream) return undefined;
    const { pool } = journey.destination;
    waiting?.end(rescued);
    this.#setting.observer.retried(pool.name, rescued);
    this.#extra += 1;
    return this.#start(pool, upstream);
  }

  /**
   * While an attempt waits for longer than nearly all do: a second one elsewhere, already counted in, beside the first;
   * undefined if there is to be none. The first that is answered well wins.
   */
  hedge(): Attempt | undefined {
    const journey = this.#attempts.isHedged ? undefined : this.#journey;
    const upstream = journey && whereToHedge(journey);
    if (!upstream) return undefined;
    const { pool } = journey.destination;
    this.#setting.observer.retried(pool.name, hedged);
    this.#extra += 1;
    this.#tried.push(upstream);
    return this.#attempts.hedge(upstream, pool);
  }

  /** Of a hedged request: this attempt's answer goes to the client. The other one, should it be under way, is ended here. */
  won(attempt: Attempt): void {
    this.#attempts.won(attempt);
  }

  /** Records that the balancer answers itself, and returns what it was given: also for what only an engine can see. */
  refuse(refused: Refusal): Refusal {
    this.#setting.observer.refused(this.#destination?.pool.name, refused);
    return refused;
  }

  #retry(cause: RetryCause): Attempt | NotRetried {
    const journey = this.#journey;
    if (!journey) throw new Error("Cannot try again: no attempt was made");
    const { observer } = this.#setting;
    const { pool } = journey.destination;
    const chosen = whereToRetry(journey, cause, this.#attempts.last);
    if (typeof chosen === "string") {
      observer.notRetried(pool.name, cause, chosen);
      return chosen;
    }
    this.#attempts.open?.end(responded);
    observer.retried(pool.name, cause);
    return this.#start(pool, chosen);
  }

  get #journey(): Journey | undefined {
    const [destination, head, isReplayable] = [this.#destination, this.#head, this.isReplayable];
    if (!destination || !head) return undefined;
    const [key, tried, extra] = [this.#key, this.#tried, this.#extra];
    return { destination, method: head.method, key, tried, extra, isReplayable };
  }

  #start(pool: Pool, upstream: Upstream): Attempt {
    this.#tried.push(upstream);
    return this.#attempts.start(upstream, pool);
  }
}

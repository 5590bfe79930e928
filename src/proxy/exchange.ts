/** One client request's whole journey: decides where it goes, and where it goes next if that fails. Moves no bytes. */

import type { Clock } from "../lib/clock.ts";
import { Attempt, type AttemptObserver } from "../pool/attempt.ts";
import type { Failure } from "../pool/outcome.ts";
import type { Upstream } from "../pool/upstream.ts";
import type { Head } from "./head.ts";
import { type Refusal, refusal } from "./refusal.ts";
import { reasonNotToRetry } from "./retry.ts";
import { type Destination, type Route, routeOf } from "./route.ts";

/** Hears what no attempt can tell. Called synchronously; must not throw. */
export interface ExchangeObserver extends AttemptObserver {
  /** A failed attempt is followed by another one. */
  retried(poolName: string, failure: Failure): void;
  /** The balancer answers itself; `poolName` is undefined where no route matched or the head was not acceptable. */
  refused(poolName: string | undefined, refused: Refusal): void;
}

export interface ExchangeSetting {
  /** Read anew for every exchange, so that a reload needs no new connection. */
  readonly routes: () => readonly Route[];
  readonly clock: Clock;
  readonly observer: ExchangeObserver;
}

/**
 * ```
 *  open ──▶ next ──▶ Attempt ──(it fails)──▶ again ──▶ Attempt …
 *             └────▶ Refusal ◀─────────────────┘
 * ```
 * The engine ends each attempt before it asks again. A connection may reuse its exchange for its next request.
 */
export class Exchange {
  readonly #setting: ExchangeSetting;
  readonly #attempt: Attempt;
  readonly #tried: Upstream[] = [];
  #head: Head | undefined;
  #destination: Destination | undefined;
  #key = "";
  /** Whether the engine can send the request's body again from its first byte. The engine keeps it true to life. */
  isReplayable = true;

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
    return this;
  }

  /** Forgets the last request: also before `refuse` for a head that is not acceptable, which blames no pool. */
  reset(): void {
    this.#head = undefined;
    this.#destination = undefined;
    this.#key = "";
    this.#tried.length = 0;
  }

  /** The first attempt, already counted in; or why there is none. */
  next(): Attempt | Refusal {
    const destination = this.#destination;
    if (!destination) return this.refuse(refusal("no_route"));
    return this.#choose(destination) ?? this.refuse(refusal("no_upstream"));
  }

  /** After a failed and ended attempt: another one elsewhere, already counted in; or what to answer. */
  again(failed: Failure): Attempt | Refusal {
    const destination = this.#destination;
    if (!destination || !this.#head) throw new Error("Cannot try again: no attempt was made");
    const notRetried = reasonNotToRetry({
      failure: failed,
      method: this.#head.method,
      replayable: this.isReplayable,
      retriesLeft: destination.retries + 1 - this.#tried.length,
    });
    const attempt = notRetried === undefined ? this.#choose(destination) : undefined;
    if (!attempt) {
      return this.refuse({ ...refusal(failed.reason), notRetried: notRetried ?? "no_other_upstream" });
    }
    this.#setting.observer.retried(destination.pool.name, failed);
    return attempt;
  }

  /** Records that the balancer answers itself, and returns what it was given: also for what only an engine can see. */
  refuse(refused: Refusal): Refusal {
    this.#setting.observer.refused(this.#destination?.pool.name, refused);
    return refused;
  }

  #choose({ pool }: Destination): Attempt | undefined {
    const upstream = pool.choose(this.#key, this.#tried);
    if (!upstream) return undefined;
    this.#tried.push(upstream);
    this.#attempt.start(upstream);
    return this.#attempt;
  }
}

/** Watches one attempt until its answer's head: time, and whether the client is still there. */

import { type Cancel, systemSchedule } from "../../lib/clock.ts";
import type { Attempt, AttemptDriver } from "../../pool/attempt.ts";
import { type Failure, failure } from "../../pool/outcome.ts";
import type { Exchange } from "../../proxy/exchange.ts";
import { failureOf } from "./forward.ts";
import type { ClientWait } from "./request-body.ts";

export interface WatchOptions {
  readonly client: AbortSignal;
  /** From the last byte sent to the answer's head, with the time to connect, milliseconds. */
  readonly limitMs: number;
  readonly attempt: Attempt;
  /** Ends the attempt in favour of another one; undefined if the request has to stay. */
  readonly redirect: () => Attempt | undefined;
  /** Makes a second attempt beside this one, if there may be one. */
  readonly hedge?: () => void;
  /** Gives the request's body up if its client sends it too slowly, so long after the attempt began; says whether. */
  readonly abortIfSlow?: (ms: number) => boolean;
}

/** The shared limit on the time to connect and to the answer's head: the fetch client does not tell them apart. */
export function headLimitMs({ destination }: Exchange): number {
  if (!destination) throw new Error("Cannot make an attempt: the exchange has no destination");
  return destination.timeouts.connectMs + destination.timeouts.headMs;
}

/** The request went elsewhere; the next attempt is counted in already. */
export interface Redirected {
  readonly kind: "moved";
  readonly next: Attempt;
  /** The log has heard why. */
  readonly isTold?: true;
}

/** The clock stands still while the attempt waits for more of the client's body: that wait is not the upstream's. */
export class AttemptMonitor implements AttemptDriver {
  readonly #client: AbortSignal;
  readonly #limitMs: number;
  readonly #attempt: Attempt;
  readonly #move: () => Attempt | undefined;
  readonly #startHedge: (() => void) | undefined;
  readonly #abortIfSlow: WatchOptions["abortIfSlow"];
  readonly #stop = new AbortController();
  #cancelTimer: Cancel | undefined;
  #hasHead = false;
  #hasTimedOut = false;
  /** What it fails as, since it was cut. */
  #abortedAs: Failure | undefined;
  /** Where the request went instead, once it was rescued; this attempt has ended then. */
  #redirectedTo: Attempt | undefined;
  isClientGone = false;
  /** Another attempt won; this one has ended then. */
  isSuperseded = false;

  constructor({ client, limitMs, attempt, redirect: move, hedge, abortIfSlow: giveUp }: WatchOptions) {
    this.#client = client;
    this.#limitMs = limitMs;
    this.#attempt = attempt;
    this.#move = move;
    this.#startHedge = hedge;
    this.#abortIfSlow = giveUp;
    attempt.driver = this;
    this.#startTimer();
    if (client.aborted) this.#onClientGone();
    else client.addEventListener("abort", this.#onClientGone, { once: true });
  }

  /** Aborted when the upstream's connection is of no use any more. */
  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  readonly clientWait: ClientWait = {
    begin: () => {
      this.#cancelTimer?.();
      if (this.#isDriver) this.#attempt.awaitClient();
    },
    end: () => {
      this.#startTimer();
      if (this.#isDriver) this.#attempt.awaitUpstream();
    },
  };

  rescue(): void {
    if (this.#hasHead || this.isClientGone) return;
    this.#redirectedTo = this.#move();
    if (this.#redirectedTo) this.cancel();
  }

  hedge(): void {
    if (!this.#hasHead && !this.isClientGone) this.#startHedge?.();
  }

  yieldSlot(attempt: Attempt, now: number): boolean {
    if (this.#hasHead || this.isClientGone || !this.#abortIfSlow?.(now - attempt.startedAt)) return false;
    this.cancel();
    return true;
  }

  supersede(): void {
    if (this.#hasHead) return;
    this.isSuperseded = true;
    this.cancel();
  }

  /** The answer, or the wait for it, breaks off as if the upstream had closed. */
  abort(_attempt: Attempt, failed?: Failure): void {
    this.#abortedAs = failed;
    this.cancel();
  }

  /** Whether the request went elsewhere: its answer comes too late. */
  get hasMoved(): boolean {
    return this.#redirectedTo !== undefined;
  }

  /** What became of an attempt that has no answer for its client, who is still there. It has ended then. */
  lost(error: unknown): Redirected | Failure {
    if (this.#redirectedTo) return { kind: "moved", next: this.#redirectedTo };
    const failed =
      this.#abortedAs ?? (this.#hasTimedOut ? failure("head", "head_timeout") : failureOf(error));
    this.#attempt.end(failed);
    return failed;
  }

  /** Not any more when the attempt, which is reused, serves the next try. */
  get #isDriver(): boolean {
    return this.#attempt.driver === this;
  }

  headReceived(): void {
    this.#cancelTimer?.();
    this.#hasHead = true;
  }

  cancel(): void {
    this.#stop.abort();
  }

  /** Forgets the client: its signal may also fire after a good end. Aborting stays possible. */
  release(): void {
    this.headReceived();
    this.#client.removeEventListener("abort", this.#onClientGone);
  }

  #startTimer(): void {
    this.#cancelTimer?.();
    if (this.#hasHead) return;
    this.#cancelTimer = systemSchedule(this.#limitMs, () => {
      this.#hasTimedOut = true;
      this.cancel();
    });
  }

  readonly #onClientGone = (): void => {
    this.isClientGone = true;
    this.cancel();
  };
}

/** The concurrent attempts of one request, in the order of their results; and the wait for a request's turn in the queue. */

import type { Attempt } from "../../pool/attempt.ts";
import type { Exchange } from "../../proxy/exchange.ts";
import type { Refusal } from "../../proxy/refusal.ts";

/** The result of one attempt. */
export interface RaceResult<Result> {
  /** Id of its upstream. */
  readonly upstream: string;
  readonly result: Result;
}

/** What moves the bytes of an attempt. */
interface Supersedable {
  /** Another attempt won: this response is not needed. */
  supersede(): void;
}

/**
 * ```
 *  run ──▶ running ──▶ result ──▶ next()
 *             └──another one won──▶ dropped
 * ```
 */
export class AttemptRace<Result> {
  readonly #start: (attempt: Attempt, race: AttemptRace<Result>) => Promise<Result | undefined>;
  readonly #running = new Map<Attempt, Supersedable | undefined>();
  /** Made for results that come before they are asked for. */
  #results: Promise<RaceResult<Result>>[] | undefined;
  /** Who waits in `next`. */
  #waiting: PromiseWithResolvers<RaceResult<Result>> | undefined;

  /** @param start runs an attempt; resolves with undefined for one that was superseded */
  constructor(start: (attempt: Attempt, race: AttemptRace<Result>) => Promise<Result | undefined>) {
    this.#start = start;
  }

  /** Runs the attempt, unless it is running already. */
  run(attempt: Attempt): void {
    if (this.#running.has(attempt)) return;
    this.#running.set(attempt, undefined);
    const upstream = attempt.upstream.id;
    this.#start(attempt, this).then(
      (result) => {
        this.#running.delete(attempt);
        if (result !== undefined) this.#takeWaiting().resolve({ upstream, result });
      },
      (bug: unknown) => {
        const waiting = this.#takeWaiting();
        // No one may ask for it any more.
        waiting.promise.catch(() => {});
        waiting.reject(bug);
      },
    );
  }

  /** Who gets the next result: the one who waits, or who asks next. */
  #takeWaiting(): PromiseWithResolvers<RaceResult<Result>> {
    const waiting = this.#waiting ?? Promise.withResolvers<RaceResult<Result>>();
    if (!this.#waiting) (this.#results ??= []).push(waiting.promise);
    this.#waiting = undefined;
    return waiting;
  }

  /** Whether none is running, not even one that was superseded. */
  get isSettled(): boolean {
    return this.#running.size === 0;
  }

  /** Sets what moves the bytes of a running attempt. */
  setMonitor(attempt: Attempt, monitor: Supersedable): void {
    this.#running.set(attempt, monitor);
  }

  /** This attempt won: supersedes the others. */
  commit(attempt: Attempt): void {
    if (this.#running.size === 1) return;
    for (const [other, monitor] of this.#running) if (other !== attempt) monitor?.supersede();
  }

  /** Supersedes all attempts. */
  cancelAll(): void {
    for (const monitor of this.#running.values()) monitor?.supersede();
  }

  /** The next result, in the order of arrival. Rejects with what an attempt threw. One may wait at a time. */
  next(): Promise<RaceResult<Result>> {
    const arrived = this.#results?.shift();
    if (arrived) return arrived;
    this.#waiting = Promise.withResolvers<RaceResult<Result>>();
    return this.#waiting.promise;
  }
}

/** The end of a request's wait in the queue; "gone" if the client left before its turn. */
export function waitForTurn(exchange: Exchange, client: AbortSignal): Promise<Attempt | Refusal | "gone"> {
  return new Promise((resolve, reject) => {
    const onGone = () => {
      exchange.leaveQueue();
      resolve("gone");
    };
    if (client.aborted) return onGone();
    client.addEventListener("abort", onGone, { once: true });
    exchange.park({
      resume(turn) {
        client.removeEventListener("abort", onGone);
        resolve(turn);
      },
      failed(bug) {
        client.removeEventListener("abort", onGone);
        reject(bug);
      },
    });
  });
}

/** Never read, because the client's connection is closed. 499 is NGINX's status for it. */
export function clientClosedResponse(): Response {
  return new Response(null, { status: 499 });
}

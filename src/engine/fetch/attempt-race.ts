/** The attempts of one request that are under way at the same time: tells which of them comes to something first. */

import type { Attempt } from "../../pool/attempt.ts";
import type { Exchange } from "../../proxy/exchange.ts";
import type { Refusal } from "../../proxy/refusal.ts";

/** What one attempt came to. */
export interface RaceResult<Result> {
  /** Id of its upstream. */
  readonly upstream: string;
  readonly result: Result;
}

/** Whoever moves an attempt's bytes. */
interface Runner {
  /** Another attempt won: nobody wants this one's answer any more. */
  supersede(): void;
}

/**
 * ```
 *  follow ──▶ under way ──▶ arrived ──▶ next()
 *                 └──another one won──▶ forgotten
 * ```
 */
export class AttemptRace<Result> {
  readonly #begin: (attempt: Attempt) => Promise<Result | undefined>;
  readonly #running = new Map<Attempt, Runner | undefined>();
  readonly #results: Promise<RaceResult<Result | undefined>>[] = [];
  #onResult: (() => void) | undefined;

  /** @param begin makes an attempt; resolves with undefined for one that was outrun */
  constructor(begin: (attempt: Attempt) => Promise<Result | undefined>) {
    this.#begin = begin;
  }

  /** Makes the attempt, unless it is under way already. */
  run(attempt: Attempt): void {
    if (this.#running.has(attempt)) return;
    this.#running.set(attempt, undefined);
    const upstream = attempt.upstream.id;
    const pending = this.#begin(attempt).then((result) => {
      this.#running.delete(attempt);
      return { upstream, result };
    });
    const arrive = () => {
      this.#results.push(pending);
      this.#onResult?.();
    };
    pending.then(arrive, arrive);
  }

  /** Names who moves the bytes of an attempt that was begun. */
  name(attempt: Attempt, runner: Runner): void {
    this.#running.set(attempt, runner);
  }

  /** This one is answered: the others end. */
  commit(attempt: Attempt): void {
    for (const [other, runner] of this.#running) if (other !== attempt) runner?.supersede();
  }

  /** Nobody waits for any of them any more. */
  cancelAll(): void {
    for (const runner of this.#running.values()) runner?.supersede();
  }

  /** What arrives next, in the order of arriving. Rejects with what an attempt threw. */
  async next(): Promise<RaceResult<Result>> {
    for (;;) {
      const { upstream, result } = (await this.#results.shift()) ?? {};
      if (upstream !== undefined && result !== undefined) return { upstream, result };
      if (this.#results.length === 0) await new Promise<void>((resolve) => (this.#onResult = resolve));
    }
  }
}

// Waits for a request's turn where it has to queue; separate from the handler, because handshakes queue too.

/** The first step of an exchange, once there is one; "gone" if the client left before its turn. */
export function firstStep(exchange: Exchange, client: AbortSignal): Promise<Attempt | Refusal | "gone"> {
  const step = exchange.next();
  if (step.kind !== "wait") return Promise.resolve(step);
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

/** Nobody reads it: the client's connection is closed. 499 is NGINX's word for it. */
export function clientClosedResponse(): Response {
  return new Response(null, { status: 499 });
}

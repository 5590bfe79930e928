/** Watches one attempt until its answer's head: time, and whether the client is still there. */

import { type Cancel, systemSchedule } from "../../lib/clock.ts";
import type { ClientWait } from "./request-body.ts";

/** The clock stands still while the attempt waits for more of the client's body: that wait is not the upstream's. */
export class AttemptWatch {
  readonly #client: AbortSignal;
  readonly #limitMs: number;
  readonly #stop = new AbortController();
  #cancelTimer: Cancel | undefined;
  #hasHead = false;
  isLate = false;
  isClientGone = false;

  /** @param limitMs from the last byte sent to the answer's head, with the time to connect */
  constructor(client: AbortSignal, limitMs: number) {
    this.#client = client;
    this.#limitMs = limitMs;
    this.#startTimer();
    if (client.aborted) this.#onGone();
    else client.addEventListener("abort", this.#onGone, { once: true });
  }

  /** Aborted when the upstream's connection is of no use any more. */
  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  readonly clientWait: ClientWait = {
    begin: () => this.#cancelTimer?.(),
    end: () => this.#startTimer(),
  };

  headArrived(): void {
    this.#cancelTimer?.();
    this.#hasHead = true;
  }

  abort(): void {
    this.#stop.abort();
  }

  /** Forgets the client: its signal may also fire after a good end. Aborting stays possible. */
  release(): void {
    this.headArrived();
    this.#client.removeEventListener("abort", this.#onGone);
  }

  #startTimer(): void {
    this.#cancelTimer?.();
    if (this.#hasHead) return;
    this.#cancelTimer = systemSchedule(this.#limitMs, () => {
      this.isLate = true;
      this.abort();
    });
  }

  readonly #onGone = (): void => {
    this.isClientGone = true;
    this.abort();
  };
}

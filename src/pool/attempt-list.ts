/** Attempts in the order in which they joined: a list through the attempts themselves, so that joining allocates nothing. */

import type { Attempt } from "./attempt.ts";

export class AttemptList {
  #oldest: Attempt | undefined;
  #newest: Attempt | undefined;

  /** Who joined first; undefined if nobody is there. */
  get oldest(): Attempt | undefined {
    return this.#oldest;
  }

  /** At its end; an attempt is in one list at most. */
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

  /** A copy, for whoever moves attempts while going through them. */
  all(): Attempt[] {
    const all: Attempt[] = [];
    for (let attempt = this.#oldest; attempt; attempt = attempt.next) all.push(attempt);
    return all;
  }
}

/** Total timeouts: by when the requests of one pool must have a response. */

import type { Clock, Schedule } from "../lib/clock.ts";
import { ExpiryList } from "../lib/expiry-list.ts";

/** A request with a deadline. */
export interface DeadlineHolder {
  /** The deadline has passed; the list has removed it. */
  deadlineExpired(): void;
}

export interface DeadlinesOptions {
  readonly clock: Clock;
  readonly schedule: Schedule;
}

/** The deadlines of the requests that have the same timeout, so that they come in the order of the requests. */
interface DeadlineList {
  readonly withinMs: number;
  /** With the clock time of each deadline. */
  readonly holders: ExpiryList<DeadlineHolder>;
}

/**
 * `add ──▶ waiting ──its time──▶ deadlineExpired`, or `remove` before.
 *
 * A reload may change the timeout while requests with the old one are open. Each timeout has a list of its own, because a
 * list is checked in its order: a later, shorter deadline would wait behind the earlier, longer ones.
 */
export class Deadlines {
  readonly #options: DeadlinesOptions;
  /** The list that was added to last; nearly always the only one. */
  #current: DeadlineList;
  /** Lists of other timeouts, while they have members. */
  #others: readonly DeadlineList[] = [];

  constructor(options: DeadlinesOptions) {
    this.#options = options;
    this.#current = this.#createList(Infinity);
  }

  get size(): number {
    return this.#others.reduce((sum, { holders }) => sum + holders.size, this.#current.holders.size);
  }

  /** A holder that waits already gets this deadline instead. */
  add(holder: DeadlineHolder, withinMs: number): void {
    if (withinMs !== this.#current.withinMs) this.#switchTo(withinMs);
    if (this.#others.length > 0) this.remove(holder);
    this.#current.holders.add(holder, this.#options.clock() + withinMs);
  }

  remove(holder: DeadlineHolder): void {
    this.#current.holders.remove(holder);
    for (let i = 0; i < this.#others.length; i++) this.#others[i]?.holders.remove(holder);
  }

  #switchTo(withinMs: number): void {
    const lists = [this.#current, ...this.#others];
    this.#current = lists.find((list) => list.withinMs === withinMs) ?? this.#createList(withinMs);
    this.#others = lists.filter((list) => list !== this.#current && list.holders.size > 0);
  }

  #createList(withinMs: number): DeadlineList {
    const { clock, schedule } = this.#options;
    const holders: ExpiryList<DeadlineHolder> = new ExpiryList(schedule, () =>
      holders.takeUntil(clock(), (holder) => holder.deadlineExpired()),
    );
    return { withinMs, holders };
  }
}

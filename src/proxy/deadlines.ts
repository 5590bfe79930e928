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

/** `add ──▶ waiting ──its time──▶ deadlineExpired`, or `remove` before. */
export class Deadlines {
  readonly #clock: Clock;
  /** With the clock time of each deadline. */
  readonly #holders: ExpiryList<DeadlineHolder>;

  constructor({ clock, schedule }: DeadlinesOptions) {
    this.#clock = clock;
    this.#holders = new ExpiryList(schedule, () =>
      this.#holders.takeUntil(clock(), (holder) => holder.deadlineExpired()),
    );
  }

  get size(): number {
    return this.#holders.size;
  }

  add(holder: DeadlineHolder, withinMs: number): void {
    this.#holders.add(holder, this.#clock() + withinMs);
  }

  remove(holder: DeadlineHolder): void {
    this.#holders.remove(holder);
  }
}

/** When requests have to be answered at the latest, whatever they wait for: one time for all of a pool. */

import type { Clock, Schedule } from "../lib/clock.ts";
import { ExpiryList } from "../lib/expiry-list.ts";

/** Somebody who has to be answered in time. */
export interface DeadlineHolder {
  /** Its time is up; it has been taken out. */
  deadlineExpired(): void;
}

export interface DeadlinesOptions {
  readonly clock: Clock;
  readonly schedule: Schedule;
}

/** `join ──▶ hurried ──time──▶ expireWhole`, or `leave` before. */
export class Deadlines {
  readonly #clock: Clock;
  /** With the clock time by which each has to be answered. */
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

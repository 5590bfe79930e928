/** When requests have to be answered at the latest, whatever they wait for: one time for all of a pool. */

import type { Clock, Schedule } from "../lib/clock.ts";
import { ExpiryList } from "./roll.ts";

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
  readonly #hurried: ExpiryList<DeadlineHolder>;

  constructor({ clock, schedule }: DeadlinesOptions) {
    this.#clock = clock;
    this.#hurried = new ExpiryList(schedule, () =>
      this.#hurried.takeUntil(clock(), (hurried) => hurried.deadlineExpired()),
    );
  }

  get size(): number {
    return this.#hurried.size;
  }

  add(hurried: DeadlineHolder, withinMs: number): void {
    this.#hurried.join(hurried, this.#clock() + withinMs);
  }

  remove(hurried: DeadlineHolder): void {
    this.#hurried.leave(hurried);
  }
}

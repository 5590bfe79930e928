/** When requests have to be answered at the latest, whatever they wait for: one time for all of a pool. */

import type { Cancel, Clock, Schedule } from "../lib/clock.ts";

/** Somebody who has to be answered in time. */
export interface Hurried {
  /** Its time is up; it has been taken out. */
  expireWhole(): void;
}

export interface DeadlinesSetting {
  readonly clock: Clock;
  readonly schedule: Schedule;
}

/** Between two looks at who is late. */
const lookMs = 100;

/** `join ──▶ hurried ──time──▶ expireWhole`, or `leave` before. In the order of joining, so that a look costs next to nothing. */
export class Deadlines {
  readonly #setting: DeadlinesSetting;
  /** With the clock time by which each has to be answered. */
  readonly #hurried = new Map<Hurried, number>();
  #cancel: Cancel | undefined;

  constructor(setting: DeadlinesSetting) {
    this.#setting = setting;
  }

  get size(): number {
    return this.#hurried.size;
  }

  join(hurried: Hurried, withinMs: number): void {
    this.#hurried.delete(hurried);
    this.#hurried.set(hurried, this.#setting.clock() + withinMs);
    this.#lookSoon();
  }

  leave(hurried: Hurried): void {
    this.#hurried.delete(hurried);
  }

  /** As long as somebody is hurried, whatever becomes of those whose time is up. */
  #lookSoon(): void {
    this.#cancel ??= this.#setting.schedule(lookMs, () => {
      this.#cancel = undefined;
      try {
        this.#look();
      } finally {
        if (this.size > 0) this.#lookSoon();
      }
    });
  }

  #look(): void {
    const now = this.#setting.clock();
    for (const [hurried, dueAt] of this.#hurried) {
      if (dueAt > now) break;
      this.#hurried.delete(hurried);
      hurried.expireWhole();
    }
  }
}

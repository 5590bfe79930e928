/** A clock and a schedule that a test advances itself. */

import type { Cancel, Clock, Schedule } from "../../src/lib/clock.ts";

export class FakeTime {
  #now = 0;
  #tasks: { at: number; task: () => void }[] = [];

  readonly clock: Clock = () => this.#now;

  readonly schedule: Schedule = (delayMs, task): Cancel => {
    const entry = { at: this.#now + delayMs, task };
    this.#tasks.push(entry);
    return () => (this.#tasks = this.#tasks.filter((other) => other !== entry));
  };

  /** Milliseconds until each scheduled task, soonest first. */
  get waits(): number[] {
    return this.#tasks.map(({ at }) => at - this.#now).toSorted((left, right) => left - right);
  }

  /** Advances the time and runs due tasks in order; promises settle in between. */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms;
    for (;;) {
      await settle();
      const next = this.#tasks.toSorted((left, right) => left.at - right.at)[0];
      if (!next || next.at > end) break;
      this.#now = next.at;
      this.#tasks = this.#tasks.filter((other) => other !== next);
      next.task();
    }
    this.#now = end;
    await settle();
  }
}

async function settle(): Promise<void> {
  for (let i = 0; i < 10; i++) await Promise.resolve();
}

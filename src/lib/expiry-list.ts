/** Those who wait for something, with a clock time each: looked over again and again while there is anybody. */

import type { Cancel, Schedule } from "./clock.ts";

/** Between two looks. */
const checkIntervalMs = 100;

/** In the order of joining, which is that of their times: a look costs next to nothing while nobody is due. */
export class ExpiryList<Member> {
  readonly #members = new Map<Member, number>();
  readonly #schedule: Schedule;
  readonly #check: () => void;
  #cancel: Cancel | undefined;

  /** @param look called every 100 ms as long as somebody waits, whatever it throws */
  constructor(schedule: Schedule, look: () => void) {
    this.#schedule = schedule;
    this.#check = look;
  }

  get size(): number {
    return this.#members.size;
  }

  /** First come, first. */
  get members(): Iterable<Member> {
    return this.#members.keys();
  }

  /** At its end, also for one that is there already. */
  add(member: Member, at: number): void {
    this.#members.delete(member);
    this.#members.set(member, at);
    this.#checkSoon();
  }

  remove(member: Member): void {
    this.#members.delete(member);
  }

  /** Takes out everybody whose time is up to this one, and tells of each. */
  takeUntil(latest: number, tell: (member: Member) => void): void {
    for (const [member, at] of this.#members) {
      if (at > latest) break;
      this.#members.delete(member);
      tell(member);
    }
  }

  #checkSoon(): void {
    this.#cancel ??= this.#schedule(checkIntervalMs, () => {
      this.#cancel = undefined;
      try {
        this.#check();
      } finally {
        if (this.size > 0) this.#checkSoon();
      }
    });
  }
}

/** Members with a clock time each, in order, checked by one timer while there are any. */

import type { Cancel, Schedule } from "./clock.ts";

/** Interval of the checks, milliseconds. */
const checkIntervalMs = 100;

/** Members join in the order of their times, so a check is cheap while none is due. */
export class ExpiryList<Member> {
  readonly #members = new Map<Member, number>();
  readonly #schedule: Schedule;
  readonly #check: () => void;
  #cancel: Cancel | undefined;

  /** @param look called every 100 ms while the list has members, even after it threw */
  constructor(schedule: Schedule, look: () => void) {
    this.#schedule = schedule;
    this.#check = look;
  }

  get size(): number {
    return this.#members.size;
  }

  /** In the order of joining. */
  get members(): Iterable<Member> {
    return this.#members.keys();
  }

  /** Appends; a member that is in the list already moves to the end. */
  add(member: Member, at: number): void {
    this.#members.delete(member);
    this.#members.set(member, at);
    this.#checkSoon();
  }

  remove(member: Member): void {
    this.#members.delete(member);
  }

  /** Removes every member whose time is not after `latest`, and calls `tell` for each. */
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

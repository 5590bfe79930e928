/** An ordered list of members with a time each, checked by one timer while it is not empty. */

import type { Cancel, Schedule } from "./clock.ts";

/** Time between two checks. */
const checkIntervalMs = 100;

/** Members are added in the order of their times, so a check is almost free while no member is due. */
export class ExpiryList<Member> {
  readonly #members = new Map<Member, number>();
  readonly #schedule: Schedule;
  readonly #check: () => void;
  #cancel: Cancel | undefined;

  /** @param check called every 100 ms while the list is not empty, even after it threw */
  constructor(schedule: Schedule, check: () => void) {
    this.#schedule = schedule;
    this.#check = check;
  }

  get size(): number {
    return this.#members.size;
  }

  /** Oldest first. */
  get members(): Iterable<Member> {
    return this.#members.keys();
  }

  /** Appends a member. A member that is already in the list moves to its end. */
  add(member: Member, at: number): void {
    this.#members.delete(member);
    this.#members.set(member, at);
    this.#checkSoon();
  }

  remove(member: Member): void {
    this.#members.delete(member);
  }

  /** Removes every member whose time is at or before `latest`, and calls `take` with each. */
  takeUntil(latest: number, take: (member: Member) => void): void {
    for (const [member, at] of this.#members) {
      if (at > latest) break;
      this.#members.delete(member);
      take(member);
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

/** One coarse timer wheel for all timeouts of an engine: arming costs a few stores, and an empty wheel costs nothing. */

import { toError } from "./bugs.ts";
import type { Cancel, Clock, Schedule } from "./clock.ts";

/** An object with at most one deadline at a time. Only the wheel writes the fields. */
export abstract class TimerEntry {
  /** Milliseconds of the wheel's clock; infinite if there is none. */
  deadline = Infinity;
  /** The tick at which the wheel checks the deadline; -1 while the entry is in no slot. */
  dueTick = -1;
  next: TimerEntry | undefined;
  previous: TimerEntry | undefined;

  /** Called when the deadline has passed. May arm the entry again. */
  abstract expired(): void;
  /** `expired` threw, which is a bug. It must not affect other entries. */
  abstract handlerThrew(error: Error): void;
}

const tickMs = 100;
const slotCount = 512;

/** A tick that is later than this means that the process was stalled and read no socket meanwhile. */
const stallMs = 3 * tickMs;

/**
 * ```
 *  arm ──▶ slot (deadline ÷ tick) ──its tick──▶ deadline passed? ──yes──▶ expired()
 *              ▲                                      │ no: it was moved, or is more than one round away
 *              └──────────────────────────────────────┘
 * ```
 * Moving a deadline later only stores it; the entry changes slots at the tick of the old slot. Never fires early, and at
 * most two ticks late.
 * Source: Varghese and Lauck, "Hashed and hierarchical timing wheels" (1987), scheme 6.
 */
export class TimerWheel {
  readonly #clock: Clock;
  readonly #schedule: Schedule;
  readonly #slots: Array<TimerEntry | undefined> = new Array<undefined>(slotCount).fill(undefined);
  readonly #turn = () => this.#onTick();
  #entries = 0;
  #tick = 0;
  /** Time of the last tick, without the time in which the process was stalled. */
  #now = 0;
  #stalledMs = 0;
  #cancel: Cancel | undefined;

  constructor(clock: Clock, schedule: Schedule) {
    this.#clock = clock;
    this.#schedule = schedule;
  }

  /** Entries in slots, disarmed ones included. */
  get size(): number {
    return this.#entries;
  }

  /** Milliseconds of the wheel's clock, at most one tick old: does not read the clock. */
  get now(): number {
    if (this.#cancel === undefined) this.#start();
    return this.#now;
  }

  /** Lets `entry` expire once, `delayMs` from now, or never if that is infinite. Replaces its previous deadline. */
  arm(entry: TimerEntry, delayMs: number): void {
    if (this.#cancel === undefined) this.#start();
    const deadline = this.#now + delayMs + tickMs;
    entry.deadline = deadline;
    const tick = Math.ceil(deadline / tickMs);
    if (entry.dueTick >= 0) {
      if (entry.dueTick <= tick) return;
      this.#unlink(entry);
    }
    this.#link(entry, tick);
  }

  /** Removes the deadline. The entry leaves its slot at the slot's tick. */
  disarm(entry: TimerEntry): void {
    entry.deadline = Infinity;
  }

  /** Removes the deadline and the entry, so that the wheel holds no reference to it. */
  forget(entry: TimerEntry): void {
    entry.deadline = Infinity;
    if (entry.dueTick >= 0) this.#unlink(entry);
  }

  /** Calls `expired` of each entry that has a deadline, without waiting for it. They may arm themselves again. */
  expireAll(): void {
    const entries: TimerEntry[] = [];
    for (const first of this.#slots)
      for (let entry = first; entry !== undefined; entry = entry.next)
        if (entry.deadline !== Infinity) entries.push(entry);
    for (const entry of entries) {
      this.forget(entry);
      expire(entry);
    }
  }

  /** Stops the wheel and removes all entries. */
  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    for (let slot = 0; slot < slotCount; slot++) {
      for (let entry = this.#slots[slot]; entry !== undefined; entry = this.#slots[slot]) this.forget(entry);
    }
  }

  #start(): void {
    this.#now = this.#clock() - this.#stalledMs;
    this.#tick = Math.floor(this.#now / tickMs);
    this.#cancel = this.#schedule(tickMs, this.#turn);
  }

  #onTick(): void {
    const lateMs = this.#clock() - this.#stalledMs - this.#now - tickMs;
    if (lateMs > stallMs) this.#stalledMs += lateMs;
    this.#now = this.#clock() - this.#stalledMs;
    const last = Math.floor(this.#now / tickMs);
    try {
      while (this.#tick < last) {
        this.#tick += 1;
        this.#visit(this.#tick % slotCount);
      }
    } catch (error) {
      // `handlerThrew` threw too: the rest of this slot is visited again at the next tick.
      this.#tick -= 1;
      throw error;
    } finally {
      this.#cancel = this.#entries > 0 ? this.#schedule(tickMs, this.#turn) : undefined;
    }
  }

  /** Removes one entry at a time from the list, because `expired` may remove its neighbours. */
  #visit(slot: number): void {
    for (let entry = this.#slots[slot]; entry !== undefined; entry = this.#slots[slot]) {
      this.#unlink(entry);
      if (entry.deadline <= this.#now) {
        entry.deadline = Infinity;
        expire(entry);
      } else if (entry.deadline !== Infinity) {
        this.#link(entry, Math.ceil(entry.deadline / tickMs));
      }
    }
  }

  /** Never uses the slot of the current tick. */
  #link(entry: TimerEntry, tick: number): void {
    const due = Math.min(Math.max(tick, this.#tick + 1), this.#tick + slotCount - 1);
    const slot = due % slotCount;
    const head = this.#slots[slot];
    entry.dueTick = due;
    entry.next = head;
    entry.previous = undefined;
    if (head !== undefined) head.previous = entry;
    this.#slots[slot] = entry;
    this.#entries += 1;
  }

  #unlink(entry: TimerEntry): void {
    if (entry.previous !== undefined) entry.previous.next = entry.next;
    else this.#slots[entry.dueTick % slotCount] = entry.next;
    if (entry.next !== undefined) entry.next.previous = entry.previous;
    entry.next = undefined;
    entry.previous = undefined;
    entry.dueTick = -1;
    this.#entries -= 1;
  }
}

function expire(entry: TimerEntry): void {
  try {
    entry.expired();
  } catch (thrown) {
    entry.handlerThrew(toError(thrown));
  }
}

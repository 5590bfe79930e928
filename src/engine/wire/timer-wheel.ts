/** All timeouts of the engine on one coarse wheel: arming one costs a few stores, and an idle wheel costs nothing. */

import { toError } from "../../lib/bugs.ts";
import type { Cancel, Clock, Schedule } from "../../lib/clock.ts";

/** Something with at most one deadline at a time. The wheel owns the fields below. */
export abstract class TimerEntry {
  /** In milliseconds of the wheel's clock; infinite while nothing is due. */
  deadline = Infinity;
  /** The tick at which the wheel looks at it; -1 while it is on no list. */
  dueTick = -1;
  next: TimerEntry | undefined;
  previous: TimerEntry | undefined;

  /** Its time is up; it may arm itself again. */
  abstract expired(): void;
  /** `expired` threw: a bug of ours, which is nobody else's. */
  abstract handlerThrew(error: Error): void;
}

const tickMs = 100;
const slotCount = 512;

/** A turn that comes later than this tells of a process that stood still, and could hear nobody meanwhile. */
const stallMs = 3 * tickMs;

/**
 * ```
 *  arm ──▶ slot (deadline ÷ tick) ──its turn──▶ deadline passed? ──yes──▶ expired()
 *              ▲                                      │ no: it was moved, or is more than one round away
 *              └──────────────────────────────────────┘
 * ```
 * A later deadline is only noted; the old slot's turn moves the entry. It never fires early, and at most two ticks late.
 * Source: Varghese and Lauck, "Hashed and hierarchical timing wheels" (1987), scheme 6.
 */
export class TimerWheel {
  readonly #clock: Clock;
  readonly #schedule: Schedule;
  readonly #slots: Array<TimerEntry | undefined> = new Array<undefined>(slotCount).fill(undefined);
  readonly #turn = () => this.#onTick();
  #entries = 0;
  #tick = 0;
  /** Time of the last turn: at most one tick old while the wheel turns. Time in which the process stood still is left out. */
  #now = 0;
  #stalledMs = 0;
  #cancel: Cancel | undefined;

  constructor(clock: Clock, schedule: Schedule) {
    this.#clock = clock;
    this.#schedule = schedule;
  }

  /** Entries that wait for their turn. */
  get size(): number {
    return this.#entries;
  }

  /** What time it is, in milliseconds of its clock, at most one tick late: costs no reading of that. */
  get now(): number {
    if (this.#cancel === undefined) this.#start();
    return this.#now;
  }

  /** `entry` expires once, `delayMs` from now, unless it is armed anew or disarmed before; never if that is infinite. */
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

  /** Its deadline is void; it leaves the wheel at its turn. */
  disarm(entry: TimerEntry): void {
    entry.deadline = Infinity;
  }

  /** It is gone for good and must not be held on to. */
  forget(entry: TimerEntry): void {
    entry.deadline = Infinity;
    if (entry.dueTick >= 0) this.#unlink(entry);
  }

  /** Stops turning; every entry is forgotten. */
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
      // Even that met a bug: the rest of this slot has its turn with the next one.
      this.#tick -= 1;
      throw error;
    } finally {
      this.#cancel = this.#entries > 0 ? this.#schedule(tickMs, this.#turn) : undefined;
    }
  }

  /** Takes one entry at a time off the list, because what expires may forget its neighbours. */
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

  /** Never into the slot whose turn it is. */
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

/** Requests that wait for a slot, first in, first out. */

import type { Clock, Schedule } from "../lib/clock.ts";
import { ExpiryList } from "../lib/expiry-list.ts";
import { reclaimSlots } from "../pool/attempt-control.ts";
import type { Attempt } from "../pool/attempt.ts";
import type { Pool } from "../pool/pool.ts";
import type { Refusal } from "./refusal.ts";

export interface QueueLimits {
  /** Requests that may wait; 0 for none. */
  readonly maxWaiting: number;
  /** How long each may wait, milliseconds. */
  readonly timeoutMs: number;
  /** Whether requests also wait while no upstream is available at all. */
  readonly whenNoneFit: boolean;
}

/** The request has to wait for a slot: the engine parks it, and continues when it is resumed. */
export interface Wait {
  readonly kind: "wait";
}

export const wait: Wait = { kind: "wait" };

/** The engine's side of a parked request. */
export interface ParkedRequest {
  /** Its turn has come, or it was refused. */
  resume(step: Attempt | Refusal): void;
  /** An exception prevented the next step. */
  failed(bug: unknown): void;
}

/** A request in the queue. */
export interface QueueMember {
  /** A slot may be free: takes it and leaves, or gives up and leaves. @returns false if it keeps waiting */
  tryToLeave(): boolean;
  /** It waited too long; the queue has removed it. */
  queueTimedOut(): void;
}

export interface QueueOptions {
  readonly pool: Pool;
  readonly limits: QueueLimits;
  readonly clock: Clock;
  readonly schedule: Schedule;
}

/**
 * ```
 *  enqueue ──▶ waiting ──a slot is free, its turn──▶ tryToLeave
 *                 ├──its time is over──▶ queueTimedOut
 *                 └──its client leaves──▶ dequeue
 * ```
 * Waiting requests are served in a microtask after the slot was freed: no request is resumed inside another's end.
 */
export class Queue {
  readonly #clock: Clock;
  /** With the clock time of enqueueing. */
  readonly #waiting: ExpiryList<QueueMember>;
  readonly #serve = () => this.#serveFirst();
  #isServing = false;
  /** Replaced limits apply to waiting requests too. */
  limits: QueueLimits;

  constructor({ pool, limits, clock, schedule }: QueueOptions) {
    this.#clock = clock;
    this.limits = limits;
    this.#waiting = new ExpiryList(schedule, () => {
      this.#waiting.takeUntil(clock() - this.limits.timeoutMs, (member) => member.queueTimedOut());
      if (this.size > 0) reclaimSlots(pool.available, this.size, clock());
      // Modes and ejections that run out change without the end of an attempt.
      this.#serveFirst();
    });
    pool.onCapacity = () => this.wake();
  }

  get size(): number {
    return this.#waiting.size;
  }

  /** Appends. @returns false if the queue is full */
  enqueue(member: QueueMember): boolean {
    if (this.size >= this.limits.maxWaiting) return false;
    this.#waiting.add(member, this.#clock());
    return true;
  }

  dequeue(member: QueueMember): void {
    this.#waiting.remove(member);
  }

  /** A slot may be free. */
  wake(): void {
    if (this.size === 0 || this.#isServing) return;
    this.#isServing = true;
    queueMicrotask(this.#serve);
  }

  #serveFirst(): void {
    this.#isServing = false;
    for (const member of this.#waiting.members) if (!member.tryToLeave()) return;
  }
}

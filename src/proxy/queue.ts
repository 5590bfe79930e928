/** Requests that wait for a place on an upstream: first in, first out, not too many and not for long. */

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
  /** Whether they also wait while no upstream is fit at all. */
  readonly whenNoneFit: boolean;
}

/** The request has to wait for a place: the engine parks it, and does nothing until it is told. */
export interface Wait {
  readonly kind: "wait";
}

export const wait: Wait = { kind: "wait" };

/** Whom an engine parks. */
export interface ParkedRequest {
  /** Its turn has come, or will not come. */
  resume(step: Attempt | Refusal): void;
  /** A bug of ours came between: there is no step. */
  failed(bug: unknown): void;
}

/** Somebody who waits. */
export interface QueueMember {
  /** Its turn may have come: takes it and leaves, or gives up and leaves; false if it goes on waiting. */
  retry(): boolean;
  /** It has waited for too long, and has been taken out. */
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
 *  join ──▶ waiting ──a place is free, its turn──▶ retry
 *              ├──time──▶ expire
 *              └──its client leaves──▶ leave
 * ```
 * Serving happens after the turn of the event loop that freed a place: nobody is moved in the middle of another's end.
 */
export class Queue {
  readonly #clock: Clock;
  /** With the clock time of joining. */
  readonly #waiting: ExpiryList<QueueMember>;
  readonly #serve = () => this.#serveFirst();
  #isServing = false;
  /** Those who wait already keep to new ones too. */
  limits: QueueLimits;

  constructor({ pool, limits, clock, schedule }: QueueOptions) {
    this.#clock = clock;
    this.limits = limits;
    this.#waiting = new ExpiryList(schedule, () => {
      this.#waiting.takeUntil(clock() - this.limits.timeoutMs, (queued) => queued.queueTimedOut());
      if (this.size > 0) reclaimSlots(pool.available, this.size, clock());
      // Some things no attempt's end tells: modes, and ejections that run out.
      this.#serveFirst();
    });
    pool.onCapacity = () => this.wake();
  }

  get size(): number {
    return this.#waiting.size;
  }

  /** At its end; false if it is full. */
  enqueue(queued: QueueMember): boolean {
    if (this.size >= this.limits.maxWaiting) return false;
    this.#waiting.add(queued, this.#clock());
    return true;
  }

  dequeue(queued: QueueMember): void {
    this.#waiting.remove(queued);
  }

  /** There may be room. */
  wake(): void {
    if (this.size === 0 || this.#isServing) return;
    this.#isServing = true;
    queueMicrotask(this.#serve);
  }

  #serveFirst(): void {
    this.#isServing = false;
    for (const queued of this.#waiting.members) if (!queued.retry()) return;
  }
}

// Which clients send their requests too slowly to keep a place on an upstream that somebody else waits for.

/** As long as nobody asks a client to hurry. */
const graceMs = 2_000;

/** About a kilobyte a second: less than any line in use brings, more than a crowd of attackers likes to send. */
const minBytesPerMs = 1;

/**
 * Alone it is no reason to end a request: a stream of rare events is as slow.
 * @param bytes that came so far  @param ms since its attempt began
 */
export function isSlowUpload(bytes: number, ms: number): boolean {
  return ms >= graceMs && bytes < ms * minBytesPerMs;
}

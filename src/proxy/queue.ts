/** Requests that wait for a place on an upstream: first in, first out, not too many and not for long. */

import type { Cancel, Clock, Schedule } from "../lib/clock.ts";
import type { Attempt } from "../pool/attempt.ts";
import type { Pool } from "../pool/pool.ts";
import { relieve } from "../pool/relief.ts";
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
export interface Parked {
  /** Its turn has come, or will not come. */
  resume(step: Attempt | Refusal): void;
}

/** Somebody who waits. */
export interface Queued {
  /** Its turn may have come: takes it and leaves, or gives up and leaves; false if it goes on waiting. */
  retry(): boolean;
  /** It has waited for too long, and has been taken out. */
  expire(): void;
}

export interface QueueSetting {
  readonly pool: Pool;
  readonly limits: QueueLimits;
  readonly clock: Clock;
  readonly schedule: Schedule;
}

/** Between two looks at who has waited for too long, and at what no attempt's end tells: modes, ejections that run out. */
const lookMs = 100;

/**
 * ```
 *  join ──▶ waiting ──a place is free, its turn──▶ retry
 *              ├──time──▶ expire
 *              └──its client leaves──▶ leave
 * ```
 * Serving happens after the turn of the event loop that freed a place: nobody is moved in the middle of another's end.
 */
export class Queue {
  readonly #setting: QueueSetting;
  /** In the order of joining, with the clock time of that. */
  readonly #waiting = new Map<Queued, number>();
  readonly #serve = () => this.#serveFirst();
  #isServing = false;
  #cancel: Cancel | undefined;
  /** Those who wait already keep to new ones too. */
  limits: QueueLimits;

  constructor(setting: QueueSetting) {
    this.#setting = setting;
    this.limits = setting.limits;
    setting.pool.onRoom = () => this.wake();
  }

  get size(): number {
    return this.#waiting.size;
  }

  /** At its end; false if it is full. */
  join(queued: Queued): boolean {
    if (this.size >= this.limits.maxWaiting) return false;
    this.#waiting.set(queued, this.#setting.clock());
    this.#cancel ??= this.#setting.schedule(lookMs, () => this.#look());
    return true;
  }

  leave(queued: Queued): void {
    this.#waiting.delete(queued);
  }

  /** There may be room. */
  wake(): void {
    if (this.size === 0 || this.#isServing) return;
    this.#isServing = true;
    queueMicrotask(this.#serve);
  }

  #serveFirst(): void {
    this.#isServing = false;
    for (const queued of this.#waiting.keys()) if (!queued.retry()) return;
  }

  #look(): void {
    const latest = this.#setting.clock() - this.limits.timeoutMs;
    for (const [queued, since] of this.#waiting) {
      if (since > latest) break;
      this.#waiting.delete(queued);
      queued.expire();
    }
    if (this.size > 0) relieve(this.#setting.pool.upstreams, this.size, this.#setting.clock());
    this.#serveFirst();
    this.#cancel = this.size > 0 ? this.#setting.schedule(lookMs, () => this.#look()) : undefined;
  }
}

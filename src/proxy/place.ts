/** An exchange's place in its pool's queue, and who is told when its turn comes; apart from what happens then. */

import type { Parked, Queue, Queued } from "./queue.ts";

/** `free ──join──▶ waiting ──leave──▶ free` */
export class Place {
  #queue: Queue | undefined;
  #parked: Parked | undefined;

  get isTaken(): boolean {
    return this.#queue !== undefined;
  }

  /** False if the queue is full, or there is none. */
  join(queue: Queue | undefined, queued: Queued): boolean {
    if (!queue?.join(queued)) return false;
    this.#queue = queue;
    return true;
  }

  park(parked: Parked): void {
    this.#parked = parked;
  }

  /** @returns who waited, if anybody did */
  leave(queued: Queued): Parked | undefined {
    const parked = this.#parked;
    this.#queue?.leave(queued);
    this.#queue = undefined;
    this.#parked = undefined;
    return parked;
  }
}

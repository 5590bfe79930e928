/** An exchange's place in its pool's queue, and who is told when its turn comes; apart from what happens then. */

import type { Attempt } from "../pool/attempt.ts";
import type { ParkedRequest, Queue, QueueMember } from "./queue.ts";
import type { Refusal } from "./refusal.ts";

/** `free ──join──▶ waiting ──leave──▶ free` */
export class QueueTicket {
  #queue: Queue | undefined;
  #parked: ParkedRequest | undefined;

  get isQueued(): boolean {
    return this.#queue !== undefined;
  }

  /** False if the queue is full, or there is none. */
  join(queue: Queue | undefined, queued: QueueMember): boolean {
    if (!queue?.enqueue(queued)) return false;
    this.#queue = queue;
    return true;
  }

  park(parked: ParkedRequest): void {
    this.#parked = parked;
  }

  /** @returns who waited, if anybody did */
  leave(queued: QueueMember): ParkedRequest | undefined {
    const parked = this.#parked;
    this.#queue?.dequeue(queued);
    this.#queue = undefined;
    this.#parked = undefined;
    return parked;
  }

  /**
   * Leaves as soon as there is a step, and tells it to whoever waits. A bug on the way is told as well: at the head of the
   * queue it would hold up everybody behind, and whoever waits would never hear of anything.
   * @returns false if it waits on
   */
  leaveWith(queued: QueueMember, stepOf: () => Attempt | Refusal | undefined): boolean {
    let step: Attempt | Refusal | undefined;
    try {
      step = stepOf();
    } catch (bug) {
      this.leave(queued)?.failed(bug);
      return true;
    }
    if (step) this.leave(queued)?.resume(step);
    return step !== undefined;
  }
}

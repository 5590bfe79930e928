/** The place of one request in the queue of its pool. */

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

  /** @returns false if the queue is full or missing */
  join(queue: Queue | undefined, member: QueueMember): boolean {
    if (!queue?.enqueue(member)) return false;
    this.#queue = queue;
    return true;
  }

  park(parked: ParkedRequest): void {
    this.#parked = parked;
  }

  /** @returns the parked request, if it was parked */
  leave(member: QueueMember): ParkedRequest | undefined {
    const parked = this.#parked;
    this.#queue?.dequeue(member);
    this.#queue = undefined;
    this.#parked = undefined;
    return parked;
  }

  /**
   * Leaves the queue if there is a next step, and resumes the parked request with it. An exception leaves the queue too: at
   * its head it would block every request behind it.
   * @returns false if the request keeps waiting
   */
  leaveWith(member: QueueMember, stepOf: () => Attempt | Refusal | undefined): boolean {
    let step: Attempt | Refusal | undefined;
    try {
      step = stepOf();
    } catch (bug) {
      this.leave(member)?.failed(bug);
      return true;
    }
    if (step) this.leave(member)?.resume(step);
    return step !== undefined;
  }
}

/** Sends the state to all workers: everything to a new one, and what has changed to the others. */

import type { Cancel, Schedule } from "../lib/clock.ts";
import type { StateChange, ToWorker } from "./messages.ts";
import type { WorkerSupervisor } from "./worker-supervisor.ts";

type StateMessage = Extract<ToWorker, { kind: "state" }>;

export interface StateBroadcasterOptions {
  readonly schedule: Schedule;
  /** All of them, in their order. */
  readonly supervisors: () => readonly WorkerSupervisor[];
  /** What has changed since the last call; undefined if nothing has. */
  readonly next: () => StateChange | undefined;
  /** Everything, as of the last call of `next`. */
  readonly all: () => StateChange;
  /** What each message has. */
  readonly common: () => Pick<StateMessage, "now" | "shedding" | "viaName">;
}

/** Verdicts that end by time, and worker revisions, are looked at this often. */
const broadcastIntervalMs = 1_000;

/** Changes within this time are sent together. */
const broadcastDelayMs = 2;

/** Sends shortly after a change, and at least once a second. The revision grows whenever the state has changed. */
export class StateBroadcaster {
  readonly #options: StateBroadcasterOptions;
  /** Workers that have the state of the current revision, or get it with messages that are on their way. */
  readonly #informed = new Set<WorkerSupervisor>();
  /** Workers that wait for the whole state. */
  readonly #waiting = new Set<WorkerSupervisor>();
  #cancel: Cancel | undefined;
  /** Revision of the state sent last. */
  revision = 0;
  /** A change has not been sent yet. */
  isPending = false;

  constructor(options: StateBroadcasterOptions) {
    this.#options = options;
  }

  /** The worker needs the whole state. */
  greeted(supervisor: WorkerSupervisor): void {
    this.#informed.delete(supervisor);
    this.#waiting.add(supervisor);
    this.broadcast();
  }

  exited(supervisor: WorkerSupervisor): void {
    this.#informed.delete(supervisor);
    this.#waiting.delete(supervisor);
  }

  schedule(): void {
    if (this.isPending) return;
    this.isPending = true;
    this.#broadcastIn(broadcastDelayMs);
  }

  broadcast(): void {
    const { supervisors, next, all, common } = this.#options;
    const base = this.revision;
    const change = next();
    if (change) this.revision += 1;
    this.isPending = false;
    this.#broadcastIn(broadcastIntervalMs);
    const message = { kind: "state", revision: this.revision, ...common() } as const;
    const workers = supervisors();
    for (const [index, supervisor] of workers.entries()) {
      const worker = { index, count: workers.length };
      if (this.#informed.has(supervisor))
        supervisor.send({ ...message, base, worker, ...(change && { change }) });
      else if (this.#waiting.delete(supervisor)) {
        this.#informed.add(supervisor);
        supervisor.send({ ...message, base: 0, worker, change: all() });
      }
    }
  }

  stop(): void {
    this.#cancel?.();
  }

  #broadcastIn(delayMs: number): void {
    this.#cancel?.();
    this.#cancel = this.#options.schedule(delayMs, () => this.broadcast());
  }
}

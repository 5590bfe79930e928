/** When workers are told the state: soon after it has changed, all changes of a moment together, and each second in any case. */

import type { Cancel, Schedule } from "../lib/clock.ts";
import type { DesiredState } from "../dataplane/messages.ts";

export interface StateBroadcasterOptions {
  readonly schedule: Schedule;
  /** The state as it is now. */
  readonly state: () => DesiredState;
  /** Sends it to everybody. */
  readonly send: (state: DesiredState, revision: number) => void;
}

/** Whoever missed a state is right again after this long. */
const broadcastIntervalMs = 1_000;
/** Changes that come together are told together. */
const settleMs = 2;

/** `resting ──soon, or a second──▶ now ──▶ resting`; a revision for each state that differs from the one before. */
export class StateBroadcaster {
  readonly #options: StateBroadcasterOptions;
  #sentRevision = "";
  #cancel: Cancel | undefined;
  /** Of the state that was told last. */
  revision = 0;
  /** Something has changed that nobody has been told yet. */
  isDue = false;

  constructor(options: StateBroadcasterOptions) {
    this.#options = options;
  }

  schedule(): void {
    if (this.isDue) return;
    this.isDue = true;
    this.#broadcastIn(settleMs);
  }

  broadcast(): void {
    const { state, send } = this.#options;
    const present = state();
    const text = JSON.stringify(present);
    if (text !== this.#sentRevision) this.revision += 1;
    [this.#sentRevision, this.isDue] = [text, false];
    this.#broadcastIn(broadcastIntervalMs);
    send(present, this.revision);
  }

  stop(): void {
    this.#cancel?.();
  }

  #broadcastIn(delayMs: number): void {
    this.#cancel?.();
    this.#cancel = this.#options.schedule(delayMs, () => this.broadcast());
  }
}

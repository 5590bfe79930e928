/** Polls a state at a fixed interval while there are viewers, and passes each new state to all of them. */

import type { Cancel, Schedule, WallClock } from "../../lib/clock.ts";
import type { DashboardState } from "../../wording/verdict.ts";

/** A state that is polled again and again; `at` is the time of the poll in epoch milliseconds. */
export interface PolledState {
  readonly at: number;
}

export interface Viewer<State extends PolledState = DashboardState> {
  /** Called with every new state. If it throws, only this viewer is ended. */
  show(state: State): void;
  /** Called once: no more states follow. */
  end(): void;
}

export interface SnapshotPollerOptions<State extends PolledState = DashboardState> {
  /** Reads the state that follows the given one. A rejection is a bug: the state stays, and the next poll comes in its time. */
  readonly poll: (previous: State | undefined) => Promise<State>;
  readonly schedule: Schedule;
  readonly wallClock: WallClock;
  readonly intervalMs: number;
  /** Called with errors that a viewer or a poll for viewers throws. */
  readonly bug: (error: unknown) => void;
}

/**
 * ```
 *             first viewer                   state read
 *    idle  ───────────────▶ polling ───────────────────▶ waiting
 *      ▲                        ▲      intervalMs later      │
 *      │                        └────────────────────────────┤
 *      └──────────────────── last viewer left ───────────────┘
 * ```
 */
export class SnapshotPoller<State extends PolledState = DashboardState> {
  readonly #options: SnapshotPollerOptions<State>;
  readonly #viewers = new Set<Viewer<State>>();
  #last: State | undefined;
  #polling: Promise<State> | undefined;
  #cancelNext: Cancel | undefined;

  constructor(options: SnapshotPollerOptions<State>) {
    this.#options = options;
  }

  get viewers(): number {
    return this.#viewers.size;
  }

  /** Passes every new state to this viewer until the returned function is called. */
  watch(viewer: Viewer<State>): Cancel {
    this.#viewers.add(viewer);
    if (!this.#polling && !this.#cancelNext) this.#pollForViewers();
    return () => this.#leave(viewer);
  }

  /** A state that is not older than one interval; concurrent callers share one poll. */
  async current(): Promise<State> {
    const { wallClock, intervalMs } = this.#options;
    const last = this.#last;
    return last && Math.abs(wallClock() - last.at) < intervalMs ? last : this.#poll();
  }

  /** A state whose poll starts after this call, so that it shows a change made before. */
  async renewed(): Promise<State> {
    await this.#polling?.catch(() => {});
    return this.#poll();
  }

  /** Ends every viewer. */
  close(): void {
    for (const viewer of this.#viewers) this.#end(viewer);
  }

  #poll(): Promise<State> {
    this.#cancelNext?.();
    this.#cancelNext = undefined;
    this.#polling ??= this.#read().finally(() => {
      this.#polling = undefined;
      if (this.#viewers.size > 0) this.#schedulePoll();
    });
    return this.#polling;
  }

  async #read(): Promise<State> {
    const state = await this.#options.poll(this.#last);
    this.#last = state;
    for (const viewer of this.#viewers) this.#show(viewer, state);
    return state;
  }

  #schedulePoll(): void {
    const { schedule, intervalMs } = this.#options;
    this.#cancelNext = schedule(intervalMs, () => {
      this.#cancelNext = undefined;
      this.#pollForViewers();
    });
  }

  #pollForViewers(): void {
    void this.#poll().catch(this.#options.bug);
  }

  #show(viewer: Viewer<State>, state: State): void {
    try {
      viewer.show(state);
    } catch (error) {
      this.#options.bug(error);
      this.#end(viewer);
    }
  }

  #end(viewer: Viewer<State>): void {
    this.#leave(viewer);
    try {
      viewer.end();
    } catch {
      // The viewer had already left.
    }
  }

  #leave(viewer: Viewer<State>): void {
    this.#viewers.delete(viewer);
    if (this.#viewers.size > 0) return;
    this.#cancelNext?.();
    this.#cancelNext = undefined;
  }
}

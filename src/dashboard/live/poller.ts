/** The one poller behind all viewers: it draws a picture every second while somebody looks, and rests otherwise. */

import type { Cancel, Schedule, WallClock } from "../../lib/clock.ts";
import type { DashboardState } from "../../wording/verdict.ts";

/** Anything that is drawn again and again, and knows when it was (epoch milliseconds). */
export interface RenderedState {
  readonly at: number;
}

export interface Viewer<Shown extends RenderedState = DashboardState> {
  /** Called with every new picture. Whatever it throws ends this viewer and nobody else. */
  show(state: Shown): void;
  /** There will be no further picture. */
  end(): void;
}

export interface SnapshotPollerOptions<Shown extends RenderedState = DashboardState> {
  /** Draws the picture that follows the given one. Must not reject. */
  readonly draw: (previous: Shown | undefined) => Promise<Shown>;
  readonly schedule: Schedule;
  readonly wallClock: WallClock;
  readonly intervalMs: number;
  /** Hears what a viewer threw. */
  readonly bug: (error: unknown) => void;
}

/**
 * ```
 *             first viewer                    drawn
 *   resting ───────────────▶ drawing ──────────────────▶ waiting
 *      ▲                        ▲      intervalMs later      │
 *      │                        └────────────────────────────┤
 *      └──────────────────── last viewer gone ───────────────┘
 * ```
 */
export class SnapshotPoller<Shown extends RenderedState = DashboardState> {
  readonly #options: SnapshotPollerOptions<Shown>;
  readonly #viewers = new Set<Viewer<Shown>>();
  #last: Shown | undefined;
  #rendering: Promise<Shown> | undefined;
  #cancelNext: Cancel | undefined;

  constructor(options: SnapshotPollerOptions<Shown>) {
    this.#options = options;
  }

  get viewers(): number {
    return this.#viewers.size;
  }

  /** Shows every new picture to this viewer until the returned function is called. */
  watch(viewer: Viewer<Shown>): Cancel {
    this.#viewers.add(viewer);
    if (!this.#rendering && !this.#cancelNext) void this.#render();
    return () => this.#leave(viewer);
  }

  /** A picture that is not older than one interval; many who ask at once share one. */
  async current(): Promise<Shown> {
    const { wallClock, intervalMs } = this.#options;
    const last = this.#last;
    return last && Math.abs(wallClock() - last.at) < intervalMs ? last : this.#render();
  }

  /** A picture that was begun after this call, for whoever has just changed something. */
  async renewed(): Promise<Shown> {
    await this.#rendering;
    return this.#render();
  }

  /** Ends every viewer. */
  close(): void {
    for (const viewer of this.#viewers) this.#end(viewer);
  }

  #render(): Promise<Shown> {
    this.#cancelNext?.();
    this.#cancelNext = undefined;
    this.#rendering ??= this.#options.draw(this.#last).then((state) => {
      this.#rendering = undefined;
      this.#last = state;
      for (const viewer of this.#viewers) this.#show(viewer, state);
      if (this.#viewers.size > 0) this.#renderLater();
      return state;
    });
    return this.#rendering;
  }

  #renderLater(): void {
    const { schedule, intervalMs } = this.#options;
    this.#cancelNext = schedule(intervalMs, () => {
      this.#cancelNext = undefined;
      void this.#render();
    });
  }

  #show(viewer: Viewer<Shown>, state: Shown): void {
    try {
      viewer.show(state);
    } catch (error) {
      this.#options.bug(error);
      this.#end(viewer);
    }
  }

  #end(viewer: Viewer<Shown>): void {
    this.#leave(viewer);
    try {
      viewer.end();
    } catch {
      // It was gone already.
    }
  }

  #leave(viewer: Viewer<Shown>): void {
    this.#viewers.delete(viewer);
    if (this.#viewers.size > 0) return;
    this.#cancelNext?.();
    this.#cancelNext = undefined;
  }
}

/** The past of one pool or upstream as it grows: the last minutes in memory, and what is on its way to the store. */

import { type Resolution, resolutions } from "./levels.ts";
import type { Point } from "./point.ts";
import { PointRing } from "./point-ring.ts";
import type { StoredSeries, SeriesKey } from "./store.ts";
import { IntervalStart, IntervalCounter } from "./interval-counter.ts";
import type { Uptime } from "./uptime.ts";

const [finest, ...coarser] = resolutions;

/** That an interval of a level ends. */
export interface Due {
  readonly level: Resolution;
  /** Epoch milliseconds. */
  readonly at: number;
}

export class Series {
  readonly key: SeriesKey;
  /** Of an upstream; of a pool nobody looks. */
  uptime: Uptime;
  readonly mark = new IntervalStart();
  /** Which second it was looked at last in, by the epoch milliseconds of its end. */
  lookedAt = 0;
  /** The second that runs now. Whoever observes counts into it. */
  readonly second = new IntervalCounter();
  /** Retries and rescues as they were counted at the last observation; of a pool. */
  retriesRead = 0;
  rescuesRead = 0;
  readonly #open = coarser.map((level) => ({ level, tally: new IntervalCounter(), spanMs: 0 }));
  readonly #recent = new PointRing(finest.retentionMs / finest.stepMs);

  constructor(key: SeriesKey, uptime: Uptime) {
    this.key = key;
    this.uptime = uptime;
  }

  /**
   * Ends the second that ran.
   * @param at epoch milliseconds at which it ended
   * @param due the coarser levels whose interval ends with it, from fine to coarse, and when that is
   * @param into takes the points for the store
   */
  close(at: number, spanMs: number, due: readonly Due[], into: StoredSeries[]): void {
    const { second } = this;
    this.#recent.push(second.pointAt(at, spanMs));
    this.#rollUp(second, spanMs, due, 0, into);
    second.clear();
  }

  /** Adds an interval that has ended to the level above, and ends that one's own if it is due: before the first is cleared. */
  #rollUp(
    finished: IntervalCounter,
    finishedMs: number,
    due: readonly Due[],
    index: number,
    into: StoredSeries[],
  ): void {
    const open = this.#open[index];
    if (!open) return;
    const { level, tally: counter } = open;
    counter.addAfter(finished);
    open.spanMs += finishedMs;
    const end = due[index];
    if (end?.level !== level) return;
    into.push({
      ...{ series: this.key, level, point: counter.pointAt(end.at, open.spanMs) },
      ...this.#uptimeWith(level),
    });
    this.#rollUp(counter, open.spanMs, due, index + 1, into);
    counter.clear();
    open.spanMs = 0;
  }

  /** Once a minute, with the coarsest points. */
  #uptimeWith(level: Resolution): Pick<StoredSeries, "uptime"> {
    return this.key.upstream !== null && level === resolutions.at(-1) ? { uptime: this.uptime.record } : {};
  }

  /** The finest points that ended after this moment, oldest first. */
  recent(after: number): readonly Point[] {
    return this.#recent.after(after);
  }
}

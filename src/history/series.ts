/** The past of one pool or upstream as it grows: the last minutes in memory, and what is on its way to the store. */

import { IntervalCounter, IntervalStart } from "./interval-counter.ts";
import type { Point } from "./point.ts";
import { type Resolution, resolutions, type SeriesKey, type StoredSeries } from "./store.ts";
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

// The series of every pool and upstream there is, found by their names: once a second for each of them, so no keys are made.

export class SeriesRegistry {
  /** By pool and upstream; null is the pool itself. */
  readonly #pools = new Map<string, Map<string | null, Series>>();
  readonly #uptimeBefore: (key: SeriesKey) => Uptime;

  /** @param uptimeBefore how long whoever gets a series has been up */
  constructor(uptimeBefore: (key: SeriesKey) => Uptime) {
    this.#uptimeBefore = uptimeBefore;
  }

  /** @param upstream null for the pool's own */
  of(pool: string, upstream: string | null): Series {
    const ofPool = this.#pools.get(pool) ?? this.#open(pool);
    return ofPool.get(upstream) ?? this.#begin(ofPool, { pool, upstream });
  }

  #open(pool: string): Map<string | null, Series> {
    const ofPool = new Map<string | null, Series>();
    this.#pools.set(pool, ofPool);
    return ofPool;
  }

  #begin(ofPool: Map<string | null, Series>, key: SeriesKey): Series {
    const series = new Series(key, this.#uptimeBefore(key));
    ofPool.set(key.upstream, series);
    return series;
  }

  /**
   * Ends the second that ran for all that were looked at in it, and lets go of the others: they are gone.
   * @param at epoch milliseconds at which it ended
   * @param into takes the points for the store
   */
  close(at: number, spanMs: number, due: readonly Due[], into: StoredSeries[]): void {
    for (const [pool, ofPool] of this.#pools) {
      for (const [upstream, series] of ofPool) {
        if (series.lookedAt === at) series.close(at, spanMs, due, into);
        else ofPool.delete(upstream);
      }
      if (ofPool.size === 0) this.#pools.delete(pool);
    }
  }
}

// The last points of one series in memory: numbers in columns, so that thousands of series have room.

/** Numbers of a point besides its time. */
const width = 10;

/** Takes 48 bytes a point; a value is exact to seven digits. */
export class PointRing {
  readonly #capacity: number;
  readonly #at: Float64Array;
  /** Not a number stands for null. */
  readonly #values: Float32Array;
  #written = 0;

  constructor(capacity: number) {
    this.#capacity = capacity;
    this.#at = new Float64Array(capacity);
    this.#values = new Float32Array(capacity * width);
  }

  push(point: Point): void {
    const slot = this.#written % this.#capacity;
    this.#at[slot] = point.at;
    const values = this.#values;
    const first = slot * width;
    values[first] = point.spanMs;
    values[first + 1] = point.requests;
    values[first + 2] = point.errors;
    values[first + 3] = point.retries;
    values[first + 4] = point.rescues;
    values[first + 5] = point.queued;
    values[first + 6] = point.inFlight;
    values[first + 7] = point.p50Ms ?? Number.NaN;
    values[first + 8] = point.p95Ms ?? Number.NaN;
    values[first + 9] = point.p99Ms ?? Number.NaN;
    this.#written += 1;
  }

  /** Those that ended after this moment, oldest first. */
  after(at: number): readonly Point[] {
    const points: Point[] = [];
    const count = Math.min(this.#written, this.#capacity);
    for (let back = 1; back <= count; back++) {
      const slot = (this.#written - back) % this.#capacity;
      if ((this.#at[slot] ?? 0) <= at) break;
      points.push(this.#pointIn(slot));
    }
    return points.reverse();
  }

  #pointIn(slot: number): Point {
    const value = (index: number) => this.#values[slot * width + index] ?? Number.NaN;
    const orNull = (given: number) => (Number.isNaN(given) ? null : given);
    return {
      at: this.#at[slot] ?? 0,
      spanMs: value(0),
      requests: value(1),
      errors: value(2),
      retries: value(3),
      rescues: value(4),
      queued: value(5),
      inFlight: value(6),
      p50Ms: orNull(value(7)),
      p95Ms: orNull(value(8)),
      p99Ms: orNull(value(9)),
    };
  }
}

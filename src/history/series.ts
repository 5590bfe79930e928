/** The series of every pool and upstream: the current intervals, and the latest points in memory. */

import { IntervalCounter, IntervalStart } from "./interval-counter.ts";
import type { Point } from "./point.ts";
import { type Period, type Resolution, resolutions, type SeriesKey, type StoredSeries } from "./store.ts";
import type { Uptime } from "./uptime.ts";

const [finest, ...coarser] = resolutions;

/** A crash forgets the uptime of the last minute. */
const uptimeStepMs = 60_000;

/** The end of an interval of a resolution. */
export interface Due {
  readonly resolution: Resolution;
  /** Epoch milliseconds. */
  readonly at: number;
}

/** The history of one pool or one upstream. */
export class Series {
  readonly key: SeriesKey;
  /** Used for upstreams only. */
  uptime: Uptime;
  readonly start = new IntervalStart();
  /** The second in which it was last sampled, as the epoch milliseconds of its end. */
  sampledAt = 0;
  /** The current second; {@link History} counts into it. */
  readonly second = new IntervalCounter();
  /** Cumulative retries and rescues at the last sample; for a pool. */
  retriesRead = 0;
  rescuesRead = 0;
  readonly #open = coarser.map((resolution) => ({ resolution, counter: new IntervalCounter(), spanMs: 0 }));
  readonly #recent = new PointRing(finest.retentionMs / finest.stepMs);

  constructor(key: SeriesKey, uptime: Uptime) {
    this.key = key;
    this.uptime = uptime;
  }

  /**
   * Ends the current second.
   * @param at epoch milliseconds at which it ended
   * @param due the coarser resolutions whose interval ends with it, from fine to coarse
   * @param into receives the points for the store
   */
  close(at: number, spanMs: number, due: readonly Due[], into: StoredSeries[]): void {
    const { second } = this;
    this.#recent.push(second.pointAt(at, spanMs));
    this.#rollUp(second, spanMs, due, 0, into);
    second.clear();
  }

  /** Adds a finished interval to the next coarser resolution and, if that one is due, ends its interval too. */
  #rollUp(
    finished: IntervalCounter,
    finishedMs: number,
    due: readonly Due[],
    index: number,
    into: StoredSeries[],
  ): void {
    const open = this.#open[index];
    if (!open) return;
    const { resolution, counter } = open;
    counter.addNext(finished);
    open.spanMs += finishedMs;
    const end = due[index];
    if (end?.resolution !== resolution) return;
    into.push({
      series: this.key,
      resolution,
      point: counter.pointAt(end.at, open.spanMs),
      ...this.#uptimeWith(resolution),
    });
    this.#rollUp(counter, open.spanMs, due, index + 1, into);
    counter.clear();
    open.spanMs = 0;
  }

  /** Once a minute, with the points of the coarsest resolution. */
  #uptimeWith(resolution: Resolution): Pick<StoredSeries, "uptime"> {
    return this.key.upstream !== null && resolution.stepMs === uptimeStepMs
      ? { uptime: this.uptime.record }
      : {};
  }

  /** Points of the finest resolution that ended in this time, oldest first. */
  recent({ after, until }: Period): readonly Point[] {
    const points = this.#recent.after(after);
    return until >= (points.at(-1)?.at ?? 0) ? points : points.filter(({ at }) => at <= until);
  }
}

/** All series by pool and upstream. Nested maps, because building a key for each lookup would cost too much every second. */
export class SeriesRegistry {
  /** By pool, then by upstream; null is the pool itself. */
  readonly #pools = new Map<string, Map<string | null, Series>>();
  readonly #uptimeBefore: (key: SeriesKey) => Uptime;

  /** @param uptimeBefore returns the stored uptime for a new series */
  constructor(uptimeBefore: (key: SeriesKey) => Uptime) {
    this.#uptimeBefore = uptimeBefore;
  }

  /** @param upstream null for the pool itself */
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
   * Ends the current second of all series that were sampled in it, and removes the others: their upstream is gone.
   * @param at epoch milliseconds at which it ended
   * @param into receives the points for the store
   */
  close(at: number, spanMs: number, due: readonly Due[], into: StoredSeries[]): void {
    for (const [pool, ofPool] of this.#pools) {
      for (const [upstream, series] of ofPool) {
        if (series.sampledAt === at) series.close(at, spanMs, due, into);
        else ofPool.delete(upstream);
      }
      if (ofPool.size === 0) this.#pools.delete(pool);
    }
  }
}

/** Numbers per point without its time. */
const width = 10;

/** A ring buffer of the latest points of one series, 48 bytes per point. Values are exact to seven digits. */
export class PointRing {
  readonly #capacity: number;
  readonly #at: Float64Array;
  /** NaN represents null. */
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

  /** Points that ended after this moment, oldest first. */
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

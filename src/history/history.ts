/** Samples the metrics once a second and keeps a week of history in ever coarser resolutions; answers queries about it. */

import {
  type HistoryStore,
  type Period,
  rangeStep,
  type Resolution,
  resolutions,
  type SeriesKey,
  storedResolutions,
  type StoredSeries,
  type WindowName,
  windows,
} from "./store.ts";
import { type Columns, columnsOf, downsample, type Point } from "./point.ts";
import { type Due, SeriesRegistry } from "./series.ts";
import { Uptime } from "./uptime.ts";
import type { Cancel, Clock, Schedule, WallClock } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import type { Metrics } from "../metrics/metrics.ts";
import type { Pool } from "../pool/pool.ts";
import type { Upstream } from "../pool/upstream.ts";
import type { UptimeSnapshot } from "../snapshot/snapshot.ts";

export interface HistoryOptions {
  /** Called every second, because pools and upstreams come and go. */
  readonly pools: () => readonly Pool[];
  readonly metrics: Metrics;
  /** Requests in the queue of a pool now. */
  readonly queuedIn: (pool: Pool) => number;
  readonly store: HistoryStore;
  readonly clock: Clock;
  readonly wallClock: WallClock;
  readonly schedule: Schedule;
  /** Called once a second for each upstream. */
  readonly onSample?: (upstream: Upstream) => void;
  /** Called once a second, after all series were sampled: the counters are up to date then. Must not throw. */
  readonly onSampled?: () => void;
  /** Called for each failed write with the number of points that were dropped; up to once a second. */
  readonly onFailure: (error: unknown, lost: number) => void;
}

export interface HistoryQuery {
  /** Only this pool; undefined for all pools. */
  readonly pool?: string | undefined;
  /** The upstream with this id instead of pools. */
  readonly upstream?: string | undefined;
  readonly window: WindowName;
  /** Epoch milliseconds; only points that ended after it. */
  readonly since?: number | undefined;
}

/** A part of the past instead of a window that ends now. */
export interface RangeQuery extends Omit<HistoryQuery, "window" | "since"> {
  /** Epoch milliseconds. */
  readonly from: number;
  readonly to: number;
  /** At most about so many points. */
  readonly maxPoints?: number | undefined;
}

export interface SeriesHistory extends SeriesKey {
  readonly columns: Columns;
}

export interface HistoryResult {
  /** Null for a range. */
  readonly window: WindowName | null;
  /** Epoch milliseconds. */
  readonly from: number;
  readonly to: number;
  /** Milliseconds between points. Points that are too recent for the resolution of the window are closer to each other. */
  readonly stepMs: number;
  /** Milliseconds of the longest interval among the points: the older they are, the longer. 0 without points. */
  readonly coarsestMs: number;
  readonly series: readonly SeriesHistory[];
}

const [finest] = resolutions;

interface Detail extends Period {
  readonly stepMs: number;
  readonly resolutionMs: number;
}

/** The step of the resolution that an interval belongs to: the first one after a start is shorter. */
function resolutionOf(spanMs: number): number {
  if (spanMs === 0) return 0;
  return resolutions.find(({ stepMs }) => spanMs <= stepMs * 1.5)?.stepMs ?? Math.round(spanMs);
}

/**
 * Points per write, about a millisecond of work, and the pause until the next write. Requests wait during a write: the
 * points of 1,000 upstreams at once took 35 ms.
 */
const batchSize = 50;
const pauseMs = 20;

/** A timer may fire a little before its time. */
const earlyMs = 50;

/** Maximum points in memory while the store cannot be written. */
const maxPending = 50_000;

export class History {
  readonly #options: HistoryOptions;
  readonly #series = new SeriesRegistry((key) => this.#uptimeBefore(key));
  #pending: StoredSeries[] = [];
  #cancelSample: Cancel | undefined;
  #cancelWrite: Cancel | undefined;
  /** Clock time of the last sample. */
  #sampledAt = 0;
  /** End of the second that the last sample closed, epoch milliseconds. */
  #endedAt = 0;

  constructor(options: HistoryOptions) {
    this.#options = options;
  }

  start(): void {
    this.#sampledAt = this.#options.clock();
    this.#endedAt = this.#fullSecond();
    this.#scheduleSample();
  }

  /** Writes the unfinished intervals, so that a restart loses nothing. Does not close the store. */
  stop(): void {
    if (!this.#cancelSample) return;
    this.#cancelSample();
    this.#cancelWrite?.();
    this.#cancelSample = this.#cancelWrite = undefined;
    const at = this.#options.wallClock();
    this.#takeSample(
      at,
      storedResolutions.map((resolution) => ({ resolution, at })),
    );
    while (this.#pending.length > 0) this.#write();
  }

  /** Undefined for an unknown pool or upstream. Throws the errors of the store. */
  read(query: HistoryQuery): HistoryResult | undefined {
    const { window, since = 0 } = query;
    const { spanMs } = windows[window];
    const until = this.#options.wallClock();
    const after = Math.max(since, until - spanMs);
    return this.#read(query, { ...windows[window], window, after, until });
  }

  /** A range, in as fine points as there are of its time; undefined for an unknown pool or upstream. Throws the store's errors. */
  readRange(query: RangeQuery): HistoryResult | undefined {
    const { from, to, maxPoints } = query;
    return this.#read(query, { ...rangeStep(to - from, maxPoints), window: null, after: from, until: to });
  }

  #read(
    { pool, upstream }: Pick<HistoryQuery, "pool" | "upstream">,
    { window, stepMs, resolutionMs, after, until }: Detail & Pick<HistoryResult, "window">,
  ): HistoryResult | undefined {
    const keys = this.#keys().filter((key) =>
      upstream !== undefined
        ? key.upstream === upstream && (pool === undefined || key.pool === pool)
        : key.upstream === null && (pool === undefined || key.pool === pool),
    );
    if (keys.length === 0 && (pool !== undefined || upstream !== undefined)) return undefined;
    let coarsestMs = 0;
    const series = keys.map((key) => {
      const points = this.#pointsOf(key, resolutionMs, { after, until });
      for (const { spanMs } of points) coarsestMs = Math.max(coarsestMs, spanMs);
      return { ...key, columns: columnsOf(stepMs > resolutionMs ? downsample(points, stepMs) : points) };
    });
    return { window, from: after, to: until, stepMs, coarsestMs: resolutionOf(coarsestMs), series };
  }

  /** The uptime of an upstream as of now. */
  uptimeOf({ name }: Pool, { id, status }: Upstream): UptimeSnapshot {
    const { uptime } = this.#series.of(name, id);
    const at = this.#options.wallClock();
    uptime.sample(status, at);
    return uptime.snapshot(at);
  }

  #keys(): readonly SeriesKey[] {
    return this.#options
      .pools()
      .flatMap(({ name, upstreams }) => [
        { pool: name, upstream: null },
        ...upstreams.map(({ id }) => ({ pool: name, upstream: id })),
      ]);
  }

  /** In the given resolution; in coarser ones before it begins, and in finer ones after it ends. */
  #pointsOf(key: SeriesKey, resolutionMs: number, { after, until }: Period): readonly Point[] {
    const of = (resolution: Resolution, from: number) =>
      resolution === finest
        ? this.#series.of(key.pool, key.upstream).recent({ after: from, until })
        : // With the interval that the end falls into.
          this.#options.store.read(key, resolution, { after: from, until: until + resolution.stepMs - 1 });
    const index = resolutions.findIndex(({ stepMs }) => stepMs === resolutionMs);
    let points = of(resolutions[index] ?? finest, after);
    for (const coarser of resolutions.slice(index + 1)) {
      const first = points[0];
      const begin = first ? first.at - first.spanMs : Number.POSITIVE_INFINITY;
      if (begin - after < coarser.stepMs) break;
      points = [...of(coarser, after).filter(({ at }) => at <= begin + finest.stepMs), ...points];
    }
    for (const finer of resolutions.slice(0, index).toReversed()) {
      points = [...points, ...of(finer, points.at(-1)?.at ?? after)];
    }
    return points;
  }

  #uptimeBefore(key: SeriesKey): Uptime {
    const at = this.#options.wallClock();
    if (key.upstream === null) return new Uptime(at);
    try {
      return Uptime.from(this.#options.store.uptime(key), at);
    } catch (error) {
      this.#options.onFailure(error, 0);
      return new Uptime(at);
    }
  }

  /** Samples at full seconds of the wall clock, so that charts have round times. */
  #scheduleSample(): void {
    const { schedule, wallClock } = this.#options;
    const waitMs = finest.stepMs - ((wallClock() + earlyMs) % finest.stepMs) + earlyMs;
    this.#cancelSample = schedule(waitMs, () => {
      this.#scheduleSample();
      const at = this.#fullSecond();
      const due = storedResolutions.flatMap((resolution) => {
        const end = at - (at % resolution.stepMs);
        return end > this.#endedAt - (this.#endedAt % resolution.stepMs) ? [{ resolution, at: end }] : [];
      });
      this.#takeSample(at, due);
      this.#endedAt = at;
      this.#options.onSampled?.();
      if (!this.#cancelWrite) this.#writeBatches();
    });
  }

  /** Writes batch after batch. If the store fails, the next sample tries again. */
  #writeBatches(): void {
    this.#cancelWrite = undefined;
    if (!this.#write() || this.#pending.length === 0) return;
    this.#cancelWrite = this.#options.schedule(pauseMs, () => this.#writeBatches());
  }

  #fullSecond(): number {
    return Math.floor((this.#options.wallClock() + earlyMs) / finest.stepMs) * finest.stepMs;
  }

  #takeSample(at: number, due: readonly Due[]): void {
    const { pools, clock, wallClock } = this.#options;
    const [now, wallTime] = [clock(), wallClock()];
    const spanMs = Math.max(1, now - this.#sampledAt);
    this.#sampledAt = now;
    for (const pool of pools()) this.#sample(pool, at, wallTime);
    this.#series.close(at, spanMs, due, this.#pending);
  }

  #sample(pool: Pool, at: number, wallTime: number): void {
    const { metrics, queuedIn, onSample } = this.#options;
    const { name } = pool;
    const poolSeries = this.#series.of(name, null);
    poolSeries.sampledAt = at;
    for (const upstream of pool.upstreams) {
      const upstreamSeries = this.#series.of(name, upstream.id);
      const meter = metrics.of(upstream);
      upstreamSeries.sampledAt = at;
      onSample?.(upstream);
      // After a reload another server may have the same name: its uptime starts again.
      if (upstreamSeries.start.meter && upstreamSeries.start.meter !== meter)
        upstreamSeries.uptime = new Uptime(wallTime);
      upstreamSeries.uptime.sample(upstream.status, wallTime);
      upstreamSeries.second.inFlight = upstream.inFlight;
      upstreamSeries.second.addSince(upstreamSeries.start, meter);
      poolSeries.second.addConcurrent(upstreamSeries.second);
    }
    const { retries: counts, turnedAway } = metrics.ofPool(name);
    poolSeries.second.addSince(poolSeries.start, turnedAway);
    const retries = counts.values().reduce((sum, count) => sum + count, 0);
    const rescues = counts.get("rescued") ?? 0;
    poolSeries.second.retries = Math.max(0, retries - poolSeries.retriesRead);
    poolSeries.second.rescues = Math.max(0, rescues - poolSeries.rescuesRead);
    poolSeries.second.queued = queuedIn(pool);
    [poolSeries.retriesRead, poolSeries.rescuesRead] = [retries, rescues];
  }

  /** Writes one batch; returns whether it succeeded. */
  #write(): boolean {
    const batch = this.#pending.slice(0, batchSize);
    if (batch.length === 0) return false;
    try {
      this.#options.store.write(batch);
      this.#pending.splice(0, batch.length);
      return true;
    } catch (error) {
      const lost = Math.max(0, this.#pending.length - maxPending);
      this.#pending.splice(0, lost);
      this.#options.onFailure(error, lost);
      // While running, the same batch is tried again in a second. A stop drops all pending points, so that it ends.
      if (!this.#cancelSample) this.#pending = [];
      return false;
    }
  }
}

/** A disk stays full for long: the first failure is logged, then one line a minute. */
const logIntervalMs = 60_000;

/** Logs failed writes, at most once a minute, with the number of points or requests dropped since the last line. */
export function writeErrorReporter(
  log: Log,
  clock: Clock,
  message = "history write failed",
): (error: unknown, lost: number) => void {
  let silentUntil = Number.NEGATIVE_INFINITY;
  let lostSince = 0;
  return (error, lost) => {
    lostSince += lost;
    if (clock() < silentUntil) return;
    silentUntil = clock() + logIntervalMs;
    const why = error instanceof Error ? error.message : String(error);
    log.warn(message, lostSince > 0 ? { why, lost: lostSince } : { why });
    lostSince = 0;
  };
}

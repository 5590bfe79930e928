/** Remembers what happened: looks at the metrics once a second, and keeps what it saw, ever more coarsely, for a week. */

import {
  type HistoryStore,
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
  /** Read anew every second: pools and upstreams come and go. */
  readonly pools: () => readonly Pool[];
  readonly metrics: Metrics;
  /** Requests that wait for a place in a pool now. */
  readonly queuedIn: (pool: Pool) => number;
  readonly store: HistoryStore;
  readonly clock: Clock;
  readonly wallClock: WallClock;
  readonly schedule: Schedule;
  /** Hears of every upstream that is looked at, once a second. */
  readonly onSample?: (upstream: Upstream) => void;
  /** Hears that something could not be kept, and how many points that cost. It may come every second. */
  readonly onFailure: (error: unknown, lost: number) => void;
}

export interface HistoryQuery {
  /** Only this pool; all pools without it. */
  readonly pool?: string | undefined;
  /** Only this upstream, instead of pools. */
  readonly upstream?: string | undefined;
  readonly window: WindowName;
  /** Epoch milliseconds; only what ended after this. */
  readonly since?: number | undefined;
}

export interface SeriesHistory extends SeriesKey {
  readonly columns: Columns;
}

export interface HistoryResult {
  readonly window: WindowName;
  /** How far points are apart, milliseconds, where they are as coarse as the window is. */
  readonly stepMs: number;
  readonly series: readonly SeriesHistory[];
}

const [finest] = resolutions;

/**
 * One batch to the store, about a millisecond of work between two requests, and how long those have until the next one:
 * the points of 1,000 upstreams at once took 35 ms, which everybody waited for.
 */
const maxConcurrent = 50;
const pauseMs = 20;

/** A timer may fire a little before its time. */
const earlyMs = 50;

/** What a store that does not take anything may cost in memory. */
const maxWaiting = 50_000;

export class History {
  readonly #options: HistoryOptions;
  readonly #series = new SeriesRegistry((key) => this.#uptimeBefore(key));
  #waiting: StoredSeries[] = [];
  #cancel: Cancel | undefined;
  #cancelWrite: Cancel | undefined;
  /** Clock time of the last look. */
  #sampledAt = 0;
  /** The full second that it ended, epoch milliseconds. */
  #endedAt = 0;

  constructor(options: HistoryOptions) {
    this.#options = options;
  }

  start(): void {
    this.#sampledAt = this.#options.clock();
    this.#endedAt = this.#fullSecond();
    this.#observeLater();
  }

  /** Keeps what the running intervals have so far, so that a restart loses nothing. The store stays open. */
  stop(): void {
    if (!this.#cancel) return;
    this.#cancel();
    this.#cancelWrite?.();
    this.#cancel = this.#cancelWrite = undefined;
    const at = this.#options.wallClock();
    this.#observe(
      at,
      storedResolutions.map((level) => ({ level, at })),
    );
    while (this.#waiting.length > 0) this.#write();
  }

  /** Undefined if there is no such pool or upstream. Throws what the store throws. */
  read({ pool, upstream, window, since = 0 }: HistoryQuery): HistoryResult | undefined {
    const asked = this.#keys().filter((key) =>
      upstream !== undefined
        ? key.upstream === upstream && (pool === undefined || key.pool === pool)
        : key.upstream === null && (pool === undefined || key.pool === pool),
    );
    if (asked.length === 0 && (pool !== undefined || upstream !== undefined)) return undefined;
    const { spanMs, stepMs } = windows[window];
    const after = Math.max(since, this.#options.wallClock() - spanMs);
    const series = asked.map((key) => {
      const points = this.#pointsOf(key, windows[window].levelMs, after);
      return {
        ...key,
        columns: columnsOf(stepMs > windows[window].levelMs ? downsample(points, stepMs) : points),
      };
    });
    return { window, stepMs, series };
  }

  /** How long an upstream has been up, as of now. */
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

  /** At the asked level; coarser where that does not reach back far enough, finer for what it does not have yet. */
  #pointsOf(key: SeriesKey, levelMs: number, after: number): readonly Point[] {
    const of = (level: Resolution, from: number) =>
      level === finest
        ? this.#series.of(key.pool, key.upstream).recent(from)
        : this.#options.store.read(key, level, from);
    const index = resolutions.findIndex(({ stepMs }) => stepMs === levelMs);
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

  /** At each full second of the wall clock, so that the times in a chart are round ones. */
  #observeLater(): void {
    const { schedule, wallClock } = this.#options;
    const waitMs = finest.stepMs - ((wallClock() + earlyMs) % finest.stepMs) + earlyMs;
    this.#cancel = schedule(waitMs, () => {
      this.#observeLater();
      const at = this.#fullSecond();
      const due = storedResolutions.flatMap((level) => {
        const end = at - (at % level.stepMs);
        return end > this.#endedAt - (this.#endedAt % level.stepMs) ? [{ level, at: end }] : [];
      });
      this.#observe(at, due);
      this.#endedAt = at;
      if (!this.#cancelWrite) this.#writeOn();
    });
  }

  /** Batch after batch. A store that takes nothing is asked again in a second. */
  #writeOn(): void {
    this.#cancelWrite = undefined;
    if (!this.#write() || this.#waiting.length === 0) return;
    this.#cancelWrite = this.#options.schedule(pauseMs, () => this.#writeOn());
  }

  #fullSecond(): number {
    return Math.floor((this.#options.wallClock() + earlyMs) / finest.stepMs) * finest.stepMs;
  }

  #observe(at: number, due: readonly Due[]): void {
    const { pools, clock, wallClock } = this.#options;
    const [now, lookedAt] = [clock(), wallClock()];
    const spanMs = Math.max(1, now - this.#sampledAt);
    this.#sampledAt = now;
    for (const pool of pools()) this.#sample(pool, at, lookedAt);
    this.#series.close(at, spanMs, due, this.#waiting);
  }

  #sample(pool: Pool, at: number, wallTime: number): void {
    const { metrics, queuedIn, onSample } = this.#options;
    const { name } = pool;
    const whole = this.#series.of(name, null);
    whole.lookedAt = at;
    for (const upstream of pool.upstreams) {
      const part = this.#series.of(name, upstream.id);
      const meter = metrics.of(upstream);
      part.lookedAt = at;
      onSample?.(upstream);
      // Another server by the same name, as after a reload, has not been up for as long as the one before.
      if (part.mark.meter && part.mark.meter !== meter) part.uptime = new Uptime(wallTime);
      part.uptime.sample(upstream.status, wallTime);
      part.second.inFlight = upstream.inFlight;
      part.second.addSince(part.mark, meter);
      whole.second.addBeside(part.second);
    }
    const { retries: counts, turnedAway } = metrics.ofPool(name);
    whole.second.addSince(whole.mark, turnedAway);
    const retries = counts.values().reduce((sum, count) => sum + count, 0);
    const rescues = counts.get("rescued") ?? 0;
    whole.second.retries = Math.max(0, retries - whole.retriesRead);
    whole.second.rescues = Math.max(0, rescues - whole.rescuesRead);
    whole.second.queued = queuedIn(pool);
    [whole.retriesRead, whole.rescuesRead] = [retries, rescues];
  }

  /** Whether a batch was taken. */
  #write(): boolean {
    const batch = this.#waiting.slice(0, maxConcurrent);
    if (batch.length === 0) return false;
    try {
      this.#options.store.write(batch);
      this.#waiting.splice(0, batch.length);
      return true;
    } catch (error) {
      const lost = Math.max(0, this.#waiting.length - maxWaiting);
      this.#waiting.splice(0, lost);
      this.#options.onFailure(error, lost);
      // A stop must come to an end; while it runs, the same batch is tried again in a second.
      if (!this.#cancel) this.#waiting = [];
      return false;
    }
  }
}

// What the log says when the past cannot be kept: once a minute and not once a second.

/** A full disk stays full: the first line says it, and one a minute that it is still so. */
const historyLineEveryMs = 60_000;

export function historyErrorReporter(log: Log, clock: Clock): (error: unknown, lost: number) => void {
  let unresponsiveUntil = Number.NEGATIVE_INFINITY;
  let lostSince = 0;
  return (error, lost) => {
    lostSince += lost;
    if (clock() < unresponsiveUntil) return;
    unresponsiveUntil = clock() + historyLineEveryMs;
    const why = error instanceof Error ? error.message : String(error);
    log.warn("history not kept", lostSince > 0 ? { why, pointsLost: lostSince } : { why });
    lostSince = 0;
  };
}

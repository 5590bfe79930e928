/** Rates of the last ten seconds and latencies of the last minute, for attempts and for requests refused without one. */

import { Histogram, type HistogramCounts } from "./histogram.ts";

const maxSeconds = 10;
const maxSlices = 6;
const sliceSeconds = 10;

/** Counts of the last ten whole seconds. */
export interface RecentCounts {
  readonly requests: number;
  readonly errors: number;
  /** Seconds that the counts cover: fewer than ten right after the start. */
  readonly seconds: number;
}

/** The content of a {@link RollingTraffic}, as it travels between processes that share a clock. */
export interface RollingTrafficState {
  /** Second, requests and errors of each stored second, alternating. */
  readonly seconds: readonly number[];
  readonly slices: readonly { readonly slice: number; readonly latency: HistogramCounts }[];
}

/**
 * Rings indexed by the second of the clock. A write clears expired entries, so no timer is needed. With many upstreams the
 * cost of a request is the memory it touches. So the current second is counted in two fields. Latencies are taken from a
 * histogram that the caller fills anyway, when a slice ends or is read.
 */
export class RollingTraffic {
  readonly #startedAt: number;
  readonly #latencies: Histogram;
  /** The latencies at the last read. */
  readonly #readLatencies = new Histogram();
  /** The current second and its counts. */
  #second = -1;
  #requests = 0;
  #errors = 0;
  /** The current slice; -1 before the first request. */
  #slice = -1;
  /** Second, requests and errors of each past second, side by side. */
  readonly #seconds = new Float64Array(3 * (maxSeconds + 1)).fill(-1);
  readonly #slices: ({ slice: number; latency: Histogram } | undefined)[] = [];

  /**
   * @param now clock time, milliseconds
   * @param latencies an empty histogram; the caller may only add values
   */
  constructor(now: number, latencies: Histogram) {
    this.#startedAt = now;
    this.#latencies = latencies;
  }

  /** Counts one request; `now` may be older than that of earlier calls. The caller adds its latency, if any, afterwards. */
  record(isError: boolean, now: number): void {
    const second = Math.floor(now / 1000);
    if (second < this.#second) return this.#count(second, 1, isError ? 1 : 0);
    if (second > this.#second) this.#startSecond(second);
    this.#requests += 1;
    if (isError) this.#errors += 1;
  }

  #startSecond(second: number): void {
    this.#storeSecond();
    this.#second = second;
    const slice = Math.floor(second / sliceSeconds);
    if (slice === this.#slice) return;
    this.#storeSlice();
    this.#slice = slice;
  }

  #storeSecond(): void {
    if (this.#requests === 0) return;
    this.#count(this.#second, this.#requests, this.#errors);
    this.#requests = this.#errors = 0;
  }

  #storeSlice(): void {
    if (this.#slice < 0) return;
    // If a much later slice has replaced this one, its latencies are dropped.
    const slice = this.#sliceAt(this.#slice) ?? new Histogram();
    slice.addSince(this.#readLatencies, this.#latencies);
  }

  /** Records an attempt that was cancelled before its response headers: its latency would have been higher than this. */
  waited(atLeastMs: number, now: number): void {
    this.#sliceAt(Math.floor(now / 1000 / sliceSeconds))?.record(atLeastMs);
  }

  get state(): RollingTrafficState {
    this.#storeSecond();
    this.#storeSlice();
    const ring = this.#seconds;
    const seconds: number[] = [];
    for (let i = 0; i < ring.length; i += 3)
      if ((ring[i] ?? -1) >= 0) seconds.push(...ring.subarray(i, i + 3));
    const slices = this.#slices.filter((entry) => entry !== undefined);
    return { seconds, slices: slices.map(({ slice, latency }) => ({ slice, latency: latency.counts })) };
  }

  /** Only for an instance that is a sum of others: it gets its content from {@link add} and never records. */
  clear(): void {
    this.#seconds.fill(-1);
    this.#slices.length = 0;
  }

  add({ seconds, slices }: RollingTrafficState): void {
    for (let i = 0; i + 2 < seconds.length; i += 3) {
      this.#count(seconds[i] ?? 0, seconds[i + 1] ?? 0, seconds[i + 2] ?? 0);
    }
    for (const { slice, latency } of slices) this.#sliceAt(slice)?.addCounts(latency);
  }

  /** Drops counts of a second that a later one has replaced in the ring. */
  #count(second: number, requests: number, errors: number): void {
    const ring = this.#seconds;
    const index = 3 * (second % (maxSeconds + 1));
    const stored = ring[index] as number;
    if (stored > second) return;
    const isNew = stored !== second;
    ring[index] = second;
    ring[index + 1] = (isNew ? 0 : (ring[index + 1] as number)) + requests;
    ring[index + 2] = (isNew ? 0 : (ring[index + 2] as number)) + errors;
  }

  /** The last ten whole seconds, without the current one. */
  counts(now: number): RecentCounts {
    this.#storeSecond();
    const current = Math.floor(now / 1000);
    let [requests, errors] = [0, 0];
    for (let i = 0; i < this.#seconds.length; i += 3) {
      const second = this.#seconds[i] ?? -1;
      if (second < 0 || second < current - maxSeconds || second >= current) continue;
      requests += this.#seconds[i + 1] ?? 0;
      errors += this.#seconds[i + 2] ?? 0;
    }
    const age = current - Math.floor(this.#startedAt / 1000);
    return { requests, errors, seconds: Math.max(1, Math.min(maxSeconds, age)) };
  }

  /** Adds the latencies of about the last minute to `into`. */
  addLatencies(into: Histogram, now: number): void {
    this.#storeSlice();
    const current = Math.floor(now / 1000 / sliceSeconds);
    for (const entry of this.#slices) if (entry && entry.slice > current - maxSlices) into.add(entry.latency);
  }

  /** The histogram of a slice; undefined if a later slice has replaced it. */
  #sliceAt(slice: number): Histogram | undefined {
    const index = slice % maxSlices;
    const entry = (this.#slices[index] ??= { slice, latency: new Histogram() });
    if (entry.slice > slice) return undefined;
    if (entry.slice !== slice) {
      entry.slice = slice;
      entry.latency.clear();
    }
    return entry.latency;
  }
}

/** The content of a {@link RejectedTraffic}, as it travels between processes. */
export interface RejectedCounters {
  readonly requests: number;
  readonly errors: number;
  readonly recent: RollingTrafficState;
}

/** 5xx. Statuses from 600 on are an agreement of upstreams and their clients, and no failure (RFC 9110 section 15). */
export function isServerError(status: number): boolean {
  return status >= 500 && status <= 599;
}

/** Requests that the balancer refused before any attempt: the part of a pool's traffic that no upstream meter counts. */
export class RejectedTraffic {
  requests = 0;
  /** Those refused with 5xx. */
  errors = 0;
  /** Always empty, because there was no upstream response. */
  readonly firstByte = new Histogram();
  readonly recent: RollingTraffic;

  /** @param now clock time, milliseconds */
  constructor(now: number) {
    this.recent = new RollingTraffic(now, this.firstByte);
  }

  count(status: number, now: number): void {
    const isError = isServerError(status);
    this.requests += 1;
    if (isError) this.errors += 1;
    this.recent.record(isError, now);
  }

  get counts(): RejectedCounters {
    return { requests: this.requests, errors: this.errors, recent: this.recent.state };
  }

  clear(): void {
    this.requests = this.errors = 0;
    this.recent.clear();
  }

  add({ requests, errors, recent }: RejectedCounters): void {
    this.requests += requests;
    this.errors += errors;
    this.recent.add(recent);
  }
}

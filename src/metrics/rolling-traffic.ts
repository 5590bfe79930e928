/** The last seconds and the last minute of some traffic: rates and percentiles that forget. */

import { Histogram, type HistogramCounts } from "./histogram.ts";

const secondsKept = 10;
const slicesKept = 6;
const sliceSeconds = 10;

/** What happened in the last ten whole seconds. */
export interface RecentCounts {
  readonly requests: number;
  readonly errors: number;
  /** How many seconds those are: fewer than ten right after the start. */
  readonly seconds: number;
}

/** The same as it travels between processes that share a clock. */
export interface RollingTrafficState {
  /** Second, requests and errors of each that is kept, in turn. */
  readonly seconds: readonly number[];
  readonly slices: readonly { readonly slice: number; readonly latency: HistogramCounts }[];
}

/**
 * Rings indexed by the second of the clock: writing clears what is too old, so that nothing runs when nothing happens. With
 * many upstreams the price of a request is the memory that it touches: so the running second is counted in two fields, and
 * the latencies of a slice are read off a histogram that somebody fills anyway, when the slice is over or is asked for.
 */
export class RollingTraffic {
  readonly #startedAt: number;
  readonly #latencies: Histogram;
  /** The latencies as they were when they were last read. */
  readonly #mark = new Histogram();
  /** The second that runs, and what has happened in it. */
  #second = -1;
  #requests = 0;
  #errors = 0;
  /** The slice that runs; -1 before the first request. */
  #slice = -1;
  /** Second, requests and errors of each that is over, side by side. */
  readonly #seconds = new Float64Array(3 * (secondsKept + 1)).fill(-1);
  readonly #slices: ({ slice: number; latency: Histogram } | undefined)[] = [];

  /**
   * @param now clock time, milliseconds
   * @param latencies empty still, and from now on only added to
   */
  constructor(now: number, latencies: Histogram) {
    this.#startedAt = now;
    this.#latencies = latencies;
  }

  /** Counts one more, perhaps later than others that followed it. Its latency, if it has one, is added to the latencies afterwards. */
  record(isError: boolean, now: number): void {
    const second = Math.floor(now / 1000);
    if (second < this.#second) return this.#count(second, 1, isError ? 1 : 0);
    if (second > this.#second) this.#startSecond(second);
    this.#requests += 1;
    if (isError) this.#errors += 1;
  }

  #startSecond(second: number): void {
    this.#settleSecond();
    this.#second = second;
    const slice = Math.floor(second / sliceSeconds);
    if (slice === this.#slice) return;
    this.#settleSlice();
    this.#slice = slice;
  }

  #settleSecond(): void {
    if (this.#requests === 0) return;
    this.#count(this.#second, this.#requests, this.#errors);
    this.#requests = this.#errors = 0;
  }

  #settleSlice(): void {
    if (this.#slice < 0) return;
    // One that is forgotten already, since a much later one took its place, takes its latencies along.
    const slice = this.#sliceAt(this.#slice) ?? new Histogram();
    slice.addSince(this.#mark, this.#latencies);
  }

  /** An attempt that was given up before its head: it would have taken longer than this. */
  waited(atLeastMs: number, now: number): void {
    this.#sliceAt(Math.floor(now / 1000 / sliceSeconds))?.record(atLeastMs);
  }

  get picture(): RollingTrafficState {
    this.#settleSecond();
    this.#settleSlice();
    const kept = this.#seconds;
    const seconds: number[] = [];
    for (let i = 0; i < kept.length; i += 3)
      if ((kept[i] ?? -1) >= 0) seconds.push(...kept.subarray(i, i + 3));
    const slices = this.#slices.filter((kept) => kept !== undefined);
    return { seconds, slices: slices.map(({ slice, latency }) => ({ slice, latency: latency.counts })) };
  }

  /** For what is only the sum of others: pictures are added to it then, and nothing is recorded. */
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

  /** What is older than what its place holds has been forgotten already. */
  #count(second: number, requests: number, errors: number): void {
    const kept = this.#seconds;
    const index = 3 * (second % (secondsKept + 1));
    const known = kept[index] as number;
    if (known > second) return;
    const isNew = known !== second;
    kept[index] = second;
    kept[index + 1] = (isNew ? 0 : (kept[index + 1] as number)) + requests;
    kept[index + 2] = (isNew ? 0 : (kept[index + 2] as number)) + errors;
  }

  /** The last ten whole seconds, without the one that is still running. */
  counts(now: number): RecentCounts {
    this.#settleSecond();
    const current = Math.floor(now / 1000);
    let [requests, errors] = [0, 0];
    for (let i = 0; i < this.#seconds.length; i += 3) {
      const second = this.#seconds[i] ?? -1;
      if (second < 0 || second < current - secondsKept || second >= current) continue;
      requests += this.#seconds[i + 1] ?? 0;
      errors += this.#seconds[i + 2] ?? 0;
    }
    const lived = current - Math.floor(this.#startedAt / 1000);
    return { requests, errors, seconds: Math.max(1, Math.min(secondsKept, lived)) };
  }

  /** Latencies of about the last minute, added to `into`. */
  addLatencies(into: Histogram, now: number): void {
    this.#settleSlice();
    const current = Math.floor(now / 1000 / sliceSeconds);
    for (const kept of this.#slices) if (kept && kept.slice > current - slicesKept) into.add(kept.latency);
  }

  #sliceAt(slice: number): Histogram | undefined {
    const index = slice % slicesKept;
    const kept = (this.#slices[index] ??= { slice, latency: new Histogram() });
    if (kept.slice > slice) return undefined;
    if (kept.slice !== slice) {
      kept.slice = slice;
      kept.latency.clear();
    }
    return kept.latency;
  }
}

// Requests that got an answer of ours before any attempt: the part of a pool's traffic that no upstream's meter knows of.

/** The same as it travels between processes. */
export interface RejectedCounters {
  readonly requests: number;
  readonly errors: number;
  readonly recent: RollingTrafficState;
}

export class RejectedTraffic {
  requests = 0;
  /** Those that were answered with 5xx. */
  errors = 0;
  /** Empty: nobody waited for the head of an upstream's answer. */
  readonly firstByte = new Histogram();
  readonly recent: RollingTraffic;

  /** @param now clock time, milliseconds */
  constructor(now: number) {
    this.recent = new RollingTraffic(now, this.firstByte);
  }

  count(status: number, now: number): void {
    const isError = status >= 500;
    this.requests += 1;
    if (isError) this.errors += 1;
    this.recent.record(isError, now);
  }

  get counts(): RejectedCounters {
    return { requests: this.requests, errors: this.errors, recent: this.recent.picture };
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

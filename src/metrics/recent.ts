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
export interface RecentPicture {
  /** Second, requests and errors of each that is kept, in turn. */
  readonly seconds: readonly number[];
  readonly slices: readonly { readonly slice: number; readonly latency: HistogramCounts }[];
}

/** Rings indexed by the second of the clock: writing clears what is too old, so that nothing runs when nothing happens. */
export class Recent {
  readonly #startedAt: number;
  /** Second, requests and errors of each, side by side: with many upstreams the price of a request is the memory it touches. */
  readonly #seconds = new Float64Array(3 * (secondsKept + 1)).fill(-1);
  readonly #slices: ({ slice: number; latency: Histogram } | undefined)[] = [];

  /** @param now clock time, milliseconds */
  constructor(now: number) {
    this.#startedAt = now;
  }

  record(isError: boolean, latencyMs: number | undefined, now: number): void {
    const second = Math.floor(now / 1000);
    this.#count(second, 1, isError ? 1 : 0);
    if (latencyMs !== undefined) this.#sliceAt(Math.floor(second / sliceSeconds))?.record(latencyMs);
  }

  /** An attempt that was given up before its head: it would have taken longer than this. */
  waited(atLeastMs: number, now: number): void {
    this.#sliceAt(Math.floor(now / 1000 / sliceSeconds))?.record(atLeastMs);
  }

  get picture(): RecentPicture {
    const kept = this.#seconds;
    const seconds: number[] = [];
    for (let i = 0; i < kept.length; i += 3)
      if ((kept[i] ?? -1) >= 0) seconds.push(...kept.subarray(i, i + 3));
    const slices = this.#slices.filter((kept) => kept !== undefined);
    return { seconds, slices: slices.map(({ slice, latency }) => ({ slice, latency: latency.counts })) };
  }

  clear(): void {
    this.#seconds.fill(-1);
    this.#slices.length = 0;
  }

  add({ seconds, slices }: RecentPicture): void {
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

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
  readonly #seconds = new Float64Array(secondsKept + 1).fill(-1);
  readonly #requests = new Uint32Array(secondsKept + 1);
  readonly #errors = new Uint32Array(secondsKept + 1);
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
    const seconds = [...this.#seconds].flatMap((second, i) =>
      second < 0 ? [] : [second, this.#requests[i] ?? 0, this.#errors[i] ?? 0],
    );
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
    const index = second % (secondsKept + 1);
    if ((this.#seconds[index] ?? -1) > second) return;
    if (this.#seconds[index] !== second) {
      this.#seconds[index] = second;
      this.#requests[index] = 0;
      this.#errors[index] = 0;
    }
    this.#requests[index] = (this.#requests[index] ?? 0) + requests;
    this.#errors[index] = (this.#errors[index] ?? 0) + errors;
  }

  /** The last ten whole seconds, without the one that is still running. */
  counts(now: number): RecentCounts {
    const current = Math.floor(now / 1000);
    let [requests, errors] = [0, 0];
    for (let i = 0; i <= secondsKept; i++) {
      const second = this.#seconds[i] ?? -1;
      if (second < current - secondsKept || second >= current) continue;
      requests += this.#requests[i] ?? 0;
      errors += this.#errors[i] ?? 0;
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

/** The last seconds and the last minute of some traffic: rates and percentiles that forget. */

import { Histogram } from "./histogram.ts";

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
    const index = second % (secondsKept + 1);
    if (this.#seconds[index] !== second) {
      this.#seconds[index] = second;
      this.#requests[index] = 0;
      this.#errors[index] = 0;
    }
    this.#requests[index] = (this.#requests[index] ?? 0) + 1;
    if (isError) this.#errors[index] = (this.#errors[index] ?? 0) + 1;
    if (latencyMs !== undefined) this.#sliceOf(second).record(latencyMs);
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
    for (const kept of this.#slices) {
      // Whoever was idle at first has holes here.
      if (kept && kept.slice > current - slicesKept) into.add(kept.latency);
    }
  }

  #sliceOf(second: number): Histogram {
    const slice = Math.floor(second / sliceSeconds);
    const index = slice % slicesKept;
    const kept = (this.#slices[index] ??= { slice, latency: new Histogram() });
    if (kept.slice !== slice) {
      kept.slice = slice;
      kept.latency.clear();
    }
    return kept.latency;
  }
}

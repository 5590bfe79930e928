/** Percentiles of the last minute for every upstream and pool, computed for a few hundred upstreams a second. */

import type { Clock } from "../lib/clock.ts";
import { Histogram } from "../metrics/histogram.ts";
import type { Metrics } from "../metrics/metrics.ts";
import type { Pool } from "../pool/pool.ts";
import type { Upstream } from "../pool/upstream.ts";

/**
 * Upstreams a second. A percentile merges six histograms, so that all of a thousand upstreams at once would take longer than
 * a request should wait. Latencies are collected in slices of ten seconds anyway.
 */
const upstreamsPerTurn = 100;

const share = 0.95;

export interface LatencySamplerOptions {
  readonly metrics: Metrics;
  readonly clock: Clock;
}

export class LatencySampler {
  readonly #options: LatencySamplerOptions;
  readonly #upstreams = new WeakMap<Upstream, number | null>();
  readonly #pools = new WeakMap<Pool, number | null>();
  /** Reused for every upstream. */
  readonly #histogram = new Histogram();
  /** Of the pool whose turn it is. */
  readonly #sum = new Histogram();
  #poolIndex = 0;
  #upstreamIndex = 0;

  constructor(options: LatencySamplerOptions) {
    this.#options = options;
  }

  /** 95th percentile of the time to the response headers, milliseconds; null before the first turn, and without responses. */
  of(subject: Upstream): number | null {
    return this.#upstreams.get(subject) ?? null;
  }

  ofPool(subject: Pool): number | null {
    return this.#pools.get(subject) ?? null;
  }

  /** Goes on where the last turn ended, and around once at most. */
  turn(pools: readonly Pool[]): void {
    const { metrics, clock } = this.#options;
    const now = clock();
    let left = upstreamsPerTurn;
    for (let visited = 0; visited < pools.length && left > 0;) {
      if (this.#poolIndex >= pools.length) this.#begin(0);
      const pool = pools[this.#poolIndex];
      if (!pool) return;
      const upstream = pool.upstreams[this.#upstreamIndex];
      if (!upstream) {
        this.#pools.set(pool, this.#sum.percentile(share) ?? null);
        this.#begin(this.#poolIndex + 1);
        visited += 1;
        continue;
      }
      this.#upstreamIndex += 1;
      left -= 1;
      this.#histogram.clear();
      metrics.of(upstream).recent.addLatencies(this.#histogram, now);
      this.#upstreams.set(upstream, this.#histogram.percentile(share) ?? null);
      this.#sum.add(this.#histogram);
    }
  }

  #begin(poolIndex: number): void {
    this.#poolIndex = poolIndex;
    this.#upstreamIndex = 0;
    this.#sum.clear();
  }
}

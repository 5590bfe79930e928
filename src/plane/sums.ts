/** Adds up what workers counted: those that serve, and those that are gone. */

import type { PoolRegistry } from "../registry/pool-registry.ts";
import { identityOf } from "../control/desired-state.ts";
import type { Clock } from "../lib/clock.ts";
import { Metrics } from "../metrics/metrics.ts";
import { type ProcessCounters, sumProcessCounters } from "../metrics/process-families.ts";
import {
  upstreamCountersOf,
  poolCountersOf,
  mergeUpstreamCounters,
  mergePoolCounters,
} from "../metrics/counter-report.ts";
import type { WorkerReport } from "../dataplane/messages.ts";

export interface CounterAggregatorOptions {
  readonly registry: Pick<PoolRegistry, "pools">;
  /** Where the sums are written. */
  readonly metrics: Metrics;
  readonly clock: Clock;
}

export class CounterAggregator {
  readonly #options: CounterAggregatorOptions;
  /** Of the workers that are gone. */
  readonly #retired: Metrics;
  #retiredProcess = sumProcessCounters([]);

  constructor(options: CounterAggregatorOptions) {
    this.#options = options;
    this.#retired = new Metrics(options.clock);
  }

  /** Keeps the last counts of a worker that is gone: no counter may go back. */
  retire(counts: WorkerReport): void {
    this.#add([counts], this.#retired);
    this.#retiredProcess = sumProcessCounters([this.#retiredProcess, counts.processCounters]);
  }

  /** @param reports of all workers that serve, one each */
  processCounters(reports: readonly WorkerReport[]): ProcessCounters {
    return sumProcessCounters([this.#retiredProcess, ...reports.map(({ processCounters: own }) => own)]);
  }

  /** @param reports of all workers that serve, one each */
  write(reports: readonly WorkerReport[]): void {
    this.#add(reports, this.#options.metrics);
  }

  /** The past of whatever there is now, and these. */
  #add(reports: readonly WorkerReport[], into: Metrics): void {
    const { pools } = this.#options.registry;
    into.lostLines = reports.reduce((sum, { lostLines }) => sum + lostLines, this.#retired.lostLines);
    into.lostSpans = reports.reduce((sum, { lostSpans }) => sum + lostSpans, this.#retired.lostSpans);
    const upstreams = reports.map(
      (report) => new Map(report.upstreams.map((one) => [one.upstream, one.counts])),
    );
    const named = reports.map((report) => new Map(report.pools.map((one) => [one.name, one.counts])));
    for (const upstream of pools.flatMap((pool) => pool.upstreams)) {
      const parts = upstreams.flatMap((counts) => counts.get(identityOf(upstream)) ?? []);
      mergeUpstreamCounters(into.of(upstream), [upstreamCountersOf(this.#retired.of(upstream)), ...parts]);
    }
    for (const name of ["", ...pools.map((pool) => pool.name)]) {
      const parts = named.flatMap((counts) => counts.get(name) ?? []);
      mergePoolCounters(into.ofPool(name), [poolCountersOf(this.#retired.ofPool(name)), ...parts]);
    }
  }
}

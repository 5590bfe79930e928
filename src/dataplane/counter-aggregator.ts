/** Sums the counters of all workers, including exited ones, and writes the sums that may have changed. */

import type { Clock } from "../lib/clock.ts";
import {
  mergePoolCounters,
  mergeUpstreamCounters,
  poolCountersOf,
  upstreamCountersOf,
} from "../metrics/counter-report.ts";
import { Metrics } from "../metrics/metrics.ts";
import { type ProcessCounters, sumProcessCounters } from "../metrics/process-families.ts";
import { identityOf, type PoolRegistry } from "../registry/pool-registry.ts";
import type { MergedReport } from "./merged-report.ts";
import type { WorkerReport } from "./messages.ts";

export interface CounterAggregatorOptions {
  readonly registry: Pick<PoolRegistry, "entries" | "locate">;
  /** The sums are written here. */
  readonly metrics: Metrics;
  readonly clock: Clock;
}

/** What was reported since the sums were written. */
interface Unwritten {
  readonly upstreams: Set<string>;
  readonly pools: Set<string>;
  readonly routes: Set<string>;
}

export class CounterAggregator {
  readonly #options: CounterAggregatorOptions;
  /** Counters of workers that have exited. */
  readonly #retired: Metrics;
  #retiredProcess = sumProcessCounters([]);
  readonly #unwritten: Unwritten = { upstreams: new Set(), pools: new Set(), routes: new Set() };
  /** The pools when the sums were last written; undefined if all have to be written. */
  #writtenFor: unknown;

  constructor(options: CounterAggregatorOptions) {
    this.#options = options;
    this.#retired = new Metrics(options.clock);
  }

  /** A worker has sent a report. */
  reported({ isWhole, upstreams, pools, routes }: WorkerReport): void {
    // Names that it does not have any more may have been counted.
    if (isWhole) this.#writtenFor = undefined;
    for (const { upstream } of upstreams) this.#unwritten.upstreams.add(upstream);
    for (const { name } of pools) this.#unwritten.pools.add(name);
    for (const { route } of routes) this.#unwritten.routes.add(route);
  }

  /** Keeps the last counters of a worker that has exited, because counters must never decrease. */
  retire(report: MergedReport): void {
    const { retained } = this.#options.metrics.routes;
    if (retained) this.#retired.routes.retain(retained);
    this.#add([report], this.#retired, this.#everything([report]));
    this.#retiredProcess = sumProcessCounters([this.#retiredProcess, report.latest.processCounters]);
    this.#writtenFor = undefined;
  }

  /** @param reports of each serving worker */
  processCounters(reports: readonly MergedReport[]): ProcessCounters {
    const own = reports.map(({ latest }) => latest.processCounters);
    return sumProcessCounters([this.#retiredProcess, ...own]);
  }

  /** @param reports of each serving worker */
  write(reports: readonly MergedReport[]): void {
    const { registry, metrics } = this.#options;
    const isAll = this.#writtenFor !== registry.entries;
    if (isAll) metrics.routes.clear();
    this.#add(reports, metrics, isAll ? this.#everything(reports) : this.#unwritten);
    this.#writtenFor = registry.entries;
    for (const names of Object.values(this.#unwritten)) names.clear();
  }

  #everything(reports: readonly MergedReport[]): Unwritten {
    const pools = this.#options.registry.entries.map(({ pool }) => pool);
    return {
      upstreams: new Set(pools.flatMap((pool) => pool.upstreams.map(identityOf))),
      pools: new Set(["", ...pools.map(({ name }) => name)]),
      routes: new Set(
        [this.#retired.routes.routes, ...reports.map(({ routes }) => routes)].flatMap((routes) => [
          ...routes.keys(),
        ]),
      ),
    };
  }

  /** Writes the sums of these reports and the retired counters, for the upstreams, pools and routes that exist now. */
  #add(reports: readonly MergedReport[], into: Metrics, names: Unwritten): void {
    const latest = reports.map((report) => report.latest);
    into.lostLines = latest.reduce((sum, { lostLines }) => sum + lostLines, this.#retired.lostLines);
    into.lostSpans = latest.reduce((sum, { lostSpans }) => sum + lostSpans, this.#retired.lostSpans);
    for (const identity of names.upstreams) {
      const upstream = this.#options.registry.locate(identity)?.upstream;
      if (!upstream) continue;
      const parts = reports.flatMap(({ upstreams }) => upstreams.get(identity)?.counts ?? []);
      mergeUpstreamCounters(into.of(upstream), [upstreamCountersOf(this.#retired.of(upstream)), ...parts]);
    }
    for (const name of names.pools) {
      const parts = reports.flatMap(({ pools }) => pools.get(name)?.counts ?? []);
      mergePoolCounters(into.ofPool(name), [poolCountersOf(this.#retired.ofPool(name)), ...parts]);
    }
    for (const route of names.routes) {
      const retired = this.#retired.routes.routes.get(route);
      const parts = reports.flatMap(({ routes }) => routes.get(route) ?? []);
      into.routes.set(route, retired ? [retired.reportAs(route), ...parts] : parts);
    }
    this.#addListeners(reports, into);
    const filters = [this.#retired.filters.counts, ...latest.map((report) => report.filters)];
    into.filters.clear();
    for (const counts of filters) into.filters.add(counts);
  }

  #addListeners(reports: readonly MergedReport[], into: Metrics): void {
    const counted = reports.flatMap(({ latest }) => latest.listeners);
    const retired = [...this.#retired.listeners].map(([name, { counts }]) => ({ name, counts }));
    for (const { name } of [...retired, ...counted]) into.ofListener(name).clear();
    for (const { name, counts } of [...retired, ...counted]) into.ofListener(name).add(counts);
  }
}

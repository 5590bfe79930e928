/** What a worker reports to the control plane: the upstreams, pools and routes with which something happened since the report before. */

import { poolCountersOf, upstreamCountersOf } from "../metrics/counter-report.ts";
import type { Metrics } from "../metrics/metrics.ts";
import type { RouteCounts } from "../metrics/route-meter.ts";
import type { Upstream } from "../pool/upstream.ts";
import { identityOf, type PoolRegistry } from "../registry/pool-registry.ts";
import type { PoolReport, UpstreamReport, WorkerReport } from "./messages.ts";

type OwnCounts = Pick<WorkerReport, "revision" | "active" | "clients" | "rssBytes" | "processCounters">;

/** Entries are whole: counters since the process started. */
export class ReportBuilder {
  readonly #registry: Pick<PoolRegistry, "entries">;
  readonly #metrics: Metrics;
  /** What was reported last, as one text each. */
  #upstreams = new WeakMap<Upstream, string>();
  #pools = new Map<string, string>();
  #routes = new WeakMap<RouteCounts, number>();

  constructor(registry: Pick<PoolRegistry, "entries">, metrics: Metrics) {
    this.#registry = registry;
    this.#metrics = metrics;
  }

  /** @param isWhole for the first report, and after a change of the configuration: names may have another meaning then */
  build(own: OwnCounts, isWhole: boolean): WorkerReport {
    if (isWhole) {
      this.#upstreams = new WeakMap();
      this.#pools = new Map();
      this.#routes = new WeakMap();
    }
    const metrics = this.#metrics;
    return {
      kind: "report",
      isWhole,
      ...own,
      lostLines: metrics.lostLines,
      lostSpans: metrics.lostSpans,
      listeners: [...metrics.listeners].map(([name, { counts }]) => ({ name, counts })),
      filters: metrics.filters.counts,
      routes: this.#changedRoutes(),
      upstreams: this.#changedUpstreams(),
      pools: this.#changedPools(),
    };
  }

  #changedUpstreams(): readonly UpstreamReport[] {
    const changed: UpstreamReport[] = [];
    for (const { pool } of this.#registry.entries) {
      for (const upstream of pool.upstreams) {
        const meter = this.#metrics.of(upstream);
        const { inFlight, tunnels, streams, outlier } = upstream;
        // Each attempt that is counted adds to one of the first two.
        const mark = `${meter.requests} ${meter.cancelled} ${inFlight} ${tunnels} ${streams} ${outlier.state} ${outlier.since} ${outlier.decidedAt}`;
        if (this.#upstreams.get(upstream) === mark) continue;
        this.#upstreams.set(upstream, mark);
        const { verdict } = outlier;
        const counts = upstreamCountersOf(meter);
        changed.push({ upstream: identityOf(upstream), inFlight, tunnels, streams, verdict, counts });
      }
    }
    return changed;
  }

  #changedPools(): readonly PoolReport[] {
    const changed: PoolReport[] = [];
    const add = (name: string, retryBudgetBalance: number, queued: number) => {
      const meter = this.#metrics.ofPool(name);
      const mark = `${meter.changes} ${retryBudgetBalance} ${queued}`;
      if (this.#pools.get(name) === mark) return;
      this.#pools.set(name, mark);
      changed.push({ name, retryBudgetBalance, queued, counts: poolCountersOf(meter) });
    };
    add("", 0, 0);
    for (const { pool, retryBudget, queue } of this.#registry.entries)
      add(pool.name, retryBudget.balance, queue.size);
    return changed;
  }

  #changedRoutes() {
    const changed = [...this.#metrics.routes.routes].filter(([, counts]) => {
      const mark = counts.requests.all + counts.retries + counts.refusals;
      if (this.#routes.get(counts) === mark) return false;
      this.#routes.set(counts, mark);
      return true;
    });
    return changed.map(([route, counts]) => counts.reportAs(route));
  }
}

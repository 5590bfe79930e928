/** All that a worker has reported since it started, as one. */

import type { RouteCounters } from "../metrics/route-meter.ts";
import type { LoadCounts } from "../pool/pool.ts";
import type { PoolReport, UpstreamReport, WorkerReport } from "./messages.ts";

/** What is not reported for each upstream, pool or route. Of these the latest report has all. */
type OwnReport = Omit<WorkerReport, "kind" | "isWhole" | "upstreams" | "pools" | "routes">;

export class MergedReport {
  latest: OwnReport;
  /** By identity. */
  readonly upstreams = new Map<string, UpstreamReport>();
  /** By name; the one with an empty name counts requests that matched no route. */
  readonly pools = new Map<string, PoolReport>();
  /** By the text that they are counted under. */
  readonly routes = new Map<string, RouteCounters>();
  /** Requests of all upstreams. */
  requests = 0;

  constructor(first: WorkerReport) {
    this.latest = first;
    this.add(first);
  }

  add(report: WorkerReport): void {
    this.latest = report;
    if (report.isWhole) {
      for (const part of [this.upstreams, this.pools, this.routes]) part.clear();
      this.requests = 0;
    }
    for (const one of report.upstreams) {
      this.requests += one.counts.requests - (this.upstreams.get(one.upstream)?.counts.requests ?? 0);
      this.upstreams.set(one.upstream, one);
    }
    for (const one of report.pools) this.pools.set(one.name, one);
    for (const one of report.routes) this.routes.set(one.route, one);
  }
}

/** Attempts, tunnels and streams in flight on an upstream, summed over all workers. @param upstream id and origin */
export function sumInFlight(reports: readonly MergedReport[], upstream: string): LoadCounts {
  const total = { inFlight: 0, tunnels: 0, streams: 0 };
  for (const { upstreams } of reports) {
    const own = upstreams.get(upstream);
    if (!own) continue;
    total.inFlight += own.inFlight;
    total.tunnels += own.tunnels;
    total.streams += own.streams;
  }
  return total;
}

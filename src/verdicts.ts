/** Tells of every change of a verdict: the log's lines, and the counts behind the metrics. */

import type { Log } from "./lib/log.ts";
import type { Metrics } from "./metrics/metrics.ts";
import type { OutlierChange, Pool, PoolObserver } from "./pool/pool.ts";
import { authorityOf, type Upstream } from "./pool/upstream.ts";
import type { ProbeResult } from "./probe/probe.ts";

/** Counts and tells what requests and time change in pools. */
export function observerOf(metrics: Metrics, log: Log): PoolObserver {
  return {
    outlierChanged(pool, change) {
      metrics.outlierChanged(pool, change);
      logOutlier(log, pool, change);
    },
    panicChanged(pool, isPanicking) {
      if (isPanicking)
        log.warn("pool panics: only ejected upstreams are left, so all of them serve", { pool: pool.name });
      else log.info("pool no longer panics", { pool: pool.name });
    },
  };
}

function logOutlier(log: Log, pool: Pool, { upstream, to, reason }: OutlierChange): void {
  const fields = { pool: pool.name, upstream: upstream.id, address: authorityOf(upstream.address), reason };
  if (to !== "ejected") return log.info(`upstream ${to === "up" ? "up again" : "on probation"}`, fields);
  const { endsAt, since } = upstream.outlier;
  log.warn("upstream ejected", { ...fields, forMs: Math.round(endsAt - since) });
}

export function logVerdict(log: Log, pool: Pool, upstream: Upstream, result: ProbeResult): void {
  const fields = {
    pool: pool.name,
    upstream: upstream.id,
    address: authorityOf(upstream.address),
    probe: result.detail,
  };
  if (result.success) log.info("upstream passing", fields);
  else log.warn("upstream failing", fields);
}

/** Records changes of health, drains and workers as metrics, events and log lines. */

import type { WorkerEvent } from "../dataplane/worker-data-plane.ts";
import { faultDetail } from "../fault/fault.ts";
import type { FaultRegistry } from "../fault/fault-registry.ts";
import type { Log } from "../lib/log.ts";
import { formatDuration } from "../lib/units.ts";
import type { Metrics } from "../metrics/metrics.ts";
import { authorityOf } from "../net/address.ts";
import type { ActiveHealthState } from "../pool/active-health.ts";
import type { OutlierChange, Pool, PoolObserver } from "../pool/pool.ts";
import type { Upstream } from "../pool/upstream.ts";
import type { ProbeResult } from "../probe/probe.ts";
import type { ProbeTarget } from "../probe/prober.ts";
import type { EventLog } from "./event-log.ts";

export interface EventRecorderOptions {
  readonly faults: Pick<FaultRegistry, "has">;
  readonly metrics: Metrics;
  readonly eventLog: EventLog;
  readonly log: Log;
}

export function poolEventRecorder({ faults, metrics, eventLog, log }: EventRecorderOptions): PoolObserver {
  return {
    outlierChanged(pool, change) {
      metrics.outlierChanged(pool, change);
      const { upstream, from, to, reason = "" } = change;
      const details = [
        ...(to === "ejected" && upstream.outlier.cause ? [upstream.outlier.cause] : []),
        ...(to === "ejected" ? [`for ${formatDuration(ejectedMs(change))}`] : []),
        ...(faults.has(upstream) ? [faultDetail] : []),
      ];
      const detail = details.join(", ");
      const named = { pool: pool.name, upstream: upstream.id };
      eventLog.add({ kind: "outlier", ...named, from, to, reason, by: "balancer", detail });
      logOutlier(log, pool, { ...change, hasFault: faults.has(upstream) });
    },
    panicChanged(pool, isPanicking) {
      const [from, to] = isPanicking ? ["calm", "panic"] : ["panic", "calm"];
      const named = { pool: pool.name, upstream: null, reason: "only_ejected_left", detail: "" };
      eventLog.add({ kind: "panic", ...named, from, to, by: "balancer" });
      if (isPanicking) {
        log.warn("panic mode started", { pool: pool.name });
      } else log.info("panic mode ended", { pool: pool.name });
    },
  };
}

/** Records that probes changed an upstream's active health. @param from the state before */
export function recordProbeTransition(
  { eventLog, log }: Pick<EventRecorderOptions, "eventLog" | "log">,
  { pool, upstream }: ProbeTarget,
  { result, from }: { readonly result: ProbeResult; readonly from: ActiveHealthState },
): void {
  const to = upstream.activeHealth.state;
  const named = { pool: pool.name, upstream: upstream.id };
  const reason = result.success ? "probe_passed" : "probe_failed";
  eventLog.add({ kind: "probe", ...named, from, to, reason, by: "prober", detail: result.detail });
  const fields = { ...named, address: authorityOf(upstream.address), probe: result.detail };
  if (result.success) log.info("upstream passing", fields);
  else log.warn("upstream failing", fields);
}

interface DrainStage {
  readonly pool: string | null;
  readonly upstream: Upstream;
  readonly stage: "drained" | "late";
}

/** Records that a drain ended, or passed its deadline. */
export function recordDrain(eventLog: EventLog, { pool, upstream, stage }: DrainStage): void {
  const reason = stage === "drained" ? "drain_done" : "drain_late";
  const detail = `${upstream.inFlight} in flight`;
  const named = { pool, upstream: upstream.id, from: "draining", to: stage };
  eventLog.add({ kind: "drain", ...named, reason, by: "balancer", detail });
}

function logOutlier(log: Log, pool: Pool, change: OutlierChange & { readonly hasFault: boolean }): void {
  const { upstream, to, reason, hasFault } = change;
  const fields = {
    pool: pool.name,
    upstream: upstream.id,
    address: authorityOf(upstream.address),
    reason,
    // Marks injected failures, so that the operator does not search for their cause on the upstream.
    ...(hasFault && { rehearsal: true }),
  };
  if (to === "up") return log.info("upstream restored", fields);
  if (to === "probation") return log.info("upstream probation started", fields);
  const { cause } = upstream.outlier;
  log.warn("upstream ejected", { ...fields, ...(cause && { cause }), forMs: ejectedMs(change) });
}

function ejectedMs({ upstream: { outlier } }: OutlierChange): number {
  return Math.round(outlier.endsAt - outlier.since);
}

/** The reason words of worker events. */
const workerReasons = { gone: "died", hung: "no_report", serving: "restarted" } as const;

export function recordWorkerEvent(
  { eventLog, log }: { readonly eventLog: Pick<EventLog, "add">; readonly log: Log },
  { pid, from, to, detail }: WorkerEvent,
): void {
  const named = { kind: "worker", pool: null, upstream: null, by: "balancer" } as const;
  const text = `pid ${pid}${detail && `: ${detail}`}`;
  eventLog.add({ ...named, from, to, reason: workerReasons[to], detail: text });
  if (to === "serving") log.info("worker restarted", { pid });
  else log.warn(to === "hung" ? "worker unresponsive" : "worker exited", { pid, why: detail });
}

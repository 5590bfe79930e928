/** The Prometheus text of `/metrics`, assembled from all counters and gauges. */

import type { AlertDispatcher } from "../alerts/alert-dispatcher.ts";
import { alertFamilies } from "../alerts/alert-families.ts";
import type { CertificateIssuer } from "../acme/certificate-issuer.ts";
import type { CertificateMonitor } from "../control/certificate-monitor.ts";
import type { FleetControl } from "../control/fleet-control.ts";
import type { MemoryMonitor } from "../control/overload.ts";
import type { ProblemMonitor } from "../control/problem-monitor.ts";
import type { DataPlane } from "../dataplane/data-plane.ts";
import type { FaultRegistry } from "../fault/fault-registry.ts";
import { fleetFamilies, type FleetMeasures } from "../metrics/fleet-families.ts";
import { families } from "../metrics/families.ts";
import type { Metrics } from "../metrics/metrics.ts";
import {
  certificateFamilies,
  memoryFamilies,
  orderFamilies,
  ownProcessCounters,
  processFamilies,
  sourceFamilies,
  type SourceFigures,
  stateFamily,
  sumProcessCounters,
  workerFamilies,
} from "../metrics/process-families.ts";
import { type UpgradeCounts, upgradeFamilies } from "../metrics/upgrade-families.ts";
import { renderPrometheus } from "../metrics/prometheus.ts";
import { problemFamilies } from "../problems/problem-families.ts";
import type { PoolRegistry } from "../registry/pool-registry.ts";
import type { MonitoredStore } from "../state/store.ts";

export interface MetricsSources {
  readonly metrics: Metrics;
  readonly registry: Pick<PoolRegistry, "entries">;
  readonly faults: FaultRegistry;
  readonly dataPlane: DataPlane;
  readonly memory: Pick<MemoryMonitor, "snapshot">;
  readonly certificates: Pick<CertificateMonitor, "snapshot">;
  readonly orders: Pick<CertificateIssuer, "orders" | "certificates">;
  readonly store: Pick<MonitoredStore, "notKept">;
  readonly upgrade?: UpgradeCounts;
  /** Sources of members. */
  readonly discovery: { readonly reports: readonly SourceFigures[] };
  /** Undefined for a balancer on its own. */
  readonly fleet: FleetControl | undefined;
  readonly problems: Pick<ProblemMonitor, "open">;
  readonly alerts: Pick<AlertDispatcher, "receivers">;
}

/** Refreshes the counters first. */
export function renderMetrics(sources: MetricsSources): Promise<string> {
  const { metrics, registry, faults, dataPlane, memory, certificates, orders, store, problems, fleet } =
    sources;
  dataPlane.refreshCounters();
  const measuredPools = registry.entries.map((entry) => ({ pool: entry.pool, ...dataPlane.measure(entry) }));
  return renderPrometheus([
    ...families(metrics, measuredPools, (upstream) => faults.has(upstream)),
    ...workerFamilies(dataPlane.workers),
    ...certificateFamilies(certificates.snapshot),
    ...orderFamilies(orders),
    ...sourceFamilies(sources.discovery.reports),
    ...memoryFamilies(memory.snapshot),
    ...problemFamilies(problems.open),
    ...alertFamilies(sources.alerts.receivers),
    stateFamily(store.notKept !== undefined),
    ...(sources.upgrade ? upgradeFamilies(sources.upgrade) : []),
    ...(fleet ? fleetFamilies(fleetMeasures(fleet)) : []),
    ...processFamilies(sumProcessCounters([ownProcessCounters(), dataPlane.processCounters()])),
  ]);
}

function fleetMeasures({ fleet, counts }: FleetControl): FleetMeasures {
  const others = fleet.peers.others;
  return {
    ...counts,
    isShared: fleet.alone === undefined && fleet.hasSynced,
    pending: fleet.journal.pending.length,
    alive: 1 + others.filter(({ state }) => state === "alive").length,
    silent: others.filter(({ state }) => state === "silent").length,
  };
}

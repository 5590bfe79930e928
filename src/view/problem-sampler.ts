/** Takes the samples that problems are found in: counters and states of everything, once a second. */

import type { CertificateIssuer } from "../acme/certificate-issuer.ts";
import type { Config, RouteConfig } from "../config/config.ts";
import { countedRoutes, otherRoutes } from "../config/counted-routes.ts";
import type { CertificateMonitor } from "../control/certificate-monitor.ts";
import type { Discovery } from "../control/discovery.ts";
import type { EventLog } from "../control/event-log.ts";
import type { ExhaustionMonitor } from "../control/exhaustion-monitor.ts";
import type { ReceiverSnapshot } from "../alerts/alerts-snapshot.ts";
import type { FrontDoorMonitor } from "../control/front-door.ts";
import type { FleetControl } from "../control/fleet-control.ts";
import type { MemoryMonitor } from "../control/overload.ts";
import type { DataPlane } from "../dataplane/data-plane.ts";
import type { FaultRegistry } from "../fault/fault-registry.ts";
import type { UsualTrafficReader } from "../history/usual-traffic.ts";
import type { Clock, WallClock } from "../lib/clock.ts";
import { errorsByReason, type Metrics, type PoolMeter } from "../metrics/metrics.ts";
import type { Upstream } from "../pool/upstream.ts";
import type {
  BalancerSample,
  CertificateSample,
  OrderSample,
  PoolSample,
  RouteSample,
  UpstreamSample,
} from "../problems/sample.ts";
import type { PoolEntry } from "../registry/destinations.ts";
import type { PoolRegistry } from "../registry/pool-registry.ts";
import type { ConfigurationSnapshot, UpgradeSnapshot } from "../snapshot/snapshot.ts";
import type { MonitoredStore } from "../state/store.ts";
import { stageOf } from "../tls/expiry.ts";
import { fleetSample } from "./fleet-view.ts";
import { LatencySampler } from "./latency-sampler.ts";
import type { SnapshotBuilder } from "./snapshot-builder.ts";

export interface ProblemSamplerOptions {
  /** Name of this balancer. */
  readonly balancer: string;
  readonly registry: Pick<PoolRegistry, "entries" | "pools">;
  readonly metrics: Metrics;
  readonly dataPlane: Pick<DataPlane, "measure">;
  readonly faults: FaultRegistry;
  readonly snapshots: Pick<SnapshotBuilder, "probesOf">;
  readonly usual: UsualTrafficReader;
  readonly eventLog: Pick<EventLog, "events">;
  readonly memory: Pick<MemoryMonitor, "snapshot">;
  readonly exhaustion: Pick<ExhaustionMonitor, "snapshot">;
  readonly certificates: Pick<CertificateMonitor, "snapshot">;
  readonly orders: Pick<CertificateIssuer, "certificates">;
  readonly store: Pick<MonitoredStore, "notKept">;
  /** Sources of members. */
  readonly discovery?: Pick<Discovery, "reports">;
  /** Undefined for a balancer on its own. */
  readonly fleet?: FleetControl | undefined;
  readonly alerts: { readonly receivers: readonly Pick<ReceiverSnapshot, "name" | "failing">[] };
  readonly frontDoor?: Pick<FrontDoorMonitor, "closed">;
  /** As loaded. */
  readonly config: () => Pick<Config, "routes">;
  readonly configuration: () => ConfigurationSnapshot;
  /** Missing where no process can take over. */
  readonly upgrade?: (() => Pick<UpgradeSnapshot, "failed">) | undefined;
  readonly clock: Clock;
  readonly wallClock: WallClock;
}

/** Events that may be evidence: those of the last minutes, on a balancer where not too much happens. */
const maxEvents = 200;

export class ProblemSampler {
  readonly #options: ProblemSamplerOptions;
  readonly #latencies: LatencySampler;
  /** Routes of a configuration: they change with a reload only. */
  #routes: { readonly of: readonly RouteConfig[]; readonly labels: readonly RouteLabel[] } = {
    of: [],
    labels: [],
  };

  constructor(options: ProblemSamplerOptions) {
    this.#options = options;
    this.#latencies = new LatencySampler(options);
  }

  /** Counters are read as they are: with workers, call it after `refreshCounters`. */
  take(): BalancerSample {
    const { registry, metrics, memory, exhaustion, store, configuration, orders } = this.#options;
    const { balancer, eventLog, clock, wallClock, usual, fleet } = this.#options;
    usual.readNext();
    this.#latencies.turn(registry.pools);
    const shortage = exhaustion.snapshot;
    const at = wallClock();
    return {
      now: clock(),
      at,
      balancer,
      pools: registry.entries.map((entry) => this.#poolSample(entry)),
      routes: this.#routeSamples(),
      fleet: fleet ? fleetSample(fleet) : null,
      failingReceivers: this.#options.alerts.receivers.flatMap(({ name, failing }) =>
        failing ? [{ name, ...failing }] : [],
      ),
      memory: memory.snapshot,
      exhaustion: shortage ? { code: shortage.code, failures: shortage.failures } : null,
      notKept: store.notKept ?? null,
      frontDoor: this.#options.frontDoor?.closed ?? null,
      refused: configuration().refused,
      failedUpgrade: this.#options.upgrade?.().failed ?? null,
      certificates: this.#certificateSamples(at),
      orders: orders.certificates.map(orderSample),
      lostLines: metrics.lostLines,
      lostSpans: metrics.lostSpans,
      events: eventLog.events({ limit: maxEvents }),
    };
  }

  #poolSample(entry: PoolEntry): PoolSample {
    const { metrics, dataPlane, usual } = this.#options;
    const { pool, config } = entry;
    const meter = metrics.ofPool(pool.name);
    // First, because it brings verdicts up to date.
    void pool.available;
    const { turnedAway } = meter;
    return {
      name: pool.name,
      upstreams: pool.upstreams.map((upstream) => this.#upstreamSample(entry, upstream)),
      isPanicking: pool.isPanicking,
      ...(pool.upstreams.length === 0 && { missingMembers: this.#missingMembers(pool.name) }),
      queued: dataPlane.measure(entry).queue.size,
      maxWaiting: config.queue.maxWaiting,
      slowStartMs: config.slowStartMs,
      p95Ms: this.#latencies.ofPool(pool),
      turnedAway: turnedAway.requests,
      turnedAwayErrors: turnedAway.errors,
      retries: retriesOf(meter),
      budgetRefusals: meter.notRetried.get("retry_budget") ?? 0,
      queueRefusals: refusalsOf(meter, ["queue_full", "queue_timeout"]),
      otherRefusals: refusalsOf(meter, ["no_upstream", "no_members", "overloaded", "balancer_exhausted"]),
      usual: usual.of(pool.name, null),
      usualOf: (upstream) => usual.of(pool.name, upstream),
    };
  }

  #missingMembers(pool: string): readonly string[] {
    const { discovery } = this.#options;
    return (discovery?.reports ?? [])
      .filter((report) => report.pool === pool)
      .map(({ source, why }) => `${source} (${why === "" ? "no answer yet" : why})`);
  }

  #upstreamSample({ pool }: PoolEntry, upstream: Upstream): UpstreamSample {
    const { metrics, faults, snapshots } = this.#options;
    const meter = metrics.of(upstream);
    const { last, history } = snapshots.probesOf(upstream);
    const { outlier } = upstream;
    return {
      id: upstream.id,
      status: upstream.status,
      weight: upstream.weight,
      backup: upstream.backup,
      fit: pool.serves(upstream),
      inFlight: upstream.inFlight - upstream.tunnels,
      maxInFlight: upstream.maxInFlight,
      isStarting: upstream.slowStart.share < 1,
      requests: meter.requests,
      errors: meter.errors,
      p95Ms: this.#latencies.of(upstream),
      ejectionCause: outlier.cause ?? "",
      ejectionReason: outlier.state === "up" ? "" : (outlier.reason ?? ""),
      ejectedAt: outlier.state === "ejected" ? outlier.since : undefined,
      probeDetail: last?.detail ?? "",
      probePassed: last?.success,
      probeHistory: history,
      hasFault: faults.has(upstream),
      errorsByReason: () => errorsByReason(meter),
    };
  }

  #routeSamples(): readonly RouteSample[] {
    const { routes } = this.#options.config();
    if (this.#routes.of !== routes) this.#routes = { of: routes, labels: routeLabels(routes) };
    const counted = this.#options.metrics.routes.routes;
    return this.#routes.labels.map(({ label, pools }) => {
      const { all, errors } = counted.get(label)?.requests ?? noRequests;
      return { label, pools, requests: all, errors };
    });
  }

  #certificateSamples(at: number): readonly CertificateSample[] {
    const { certificates, orders } = this.#options;
    const managed = new Set(orders.certificates.map(({ host }) => host));
    return (certificates.snapshot ?? []).map((certificate) => {
      const [host = certificate.source] = certificate.names;
      return {
        host,
        source: certificate.source,
        stage: stageOf(certificate, at),
        validFrom: certificate.validFrom,
        expiresAt: certificate.expiresAt,
        isManaged: certificate.names.some((name) => managed.has(name)),
      };
    });
  }
}

/** Further attempts after a failed one; a hedge is none. */
function retriesOf({ retries }: PoolMeter): number {
  let sum = 0;
  for (const [reason, count] of retries) if (reason !== "hedged") sum += count;
  return sum;
}

function refusalsOf({ refusals }: PoolMeter, reasons: readonly string[]): number {
  return reasons.reduce((sum, reason) => sum + (refusals.get(reason) ?? 0), 0);
}

function orderSample({
  host,
  expiresAt,
  failures,
  failure,
}: CertificateIssuer["certificates"][number]): OrderSample {
  return { host, isPlaceholder: expiresAt === null, failures, detail: failure?.detail ?? "" };
}

const noRequests = { all: 0, errors: 0 };

interface RouteLabel {
  readonly label: string;
  readonly pools: readonly string[];
}

/** Routes with counters of their own. */
function routeLabels(routes: readonly RouteConfig[]): readonly RouteLabel[] {
  return countedRoutes(routes).flatMap((label, index) => {
    const { pool, split } = routes[index] ?? {};
    if (label === otherRoutes) return [];
    return [{ label, pools: pool === undefined ? Object.keys(split?.pools ?? {}) : [pool] }];
  });
}

/** What a balancer is created from, and the parts that it has. */

import type { CertificateIssuer } from "../acme/certificate-issuer.ts";
import type { AlertDispatcher } from "../alerts/alert-dispatcher.ts";
import type { Config } from "../config/config.ts";
import type { CertificateMonitor } from "../control/certificate-monitor.ts";
import type { CertificateRotation } from "../control/certificate-rotation.ts";
import type { DiscoveryControl } from "../control/discovery-control.ts";
import type { EventLog } from "../control/event-log.ts";
import type { FrontDoorMonitor } from "../control/front-door.ts";
import type { FleetControl } from "../control/fleet-control.ts";
import type { ExhaustionMonitor } from "../control/exhaustion-monitor.ts";
import type { ExtensionMonitor } from "../control/extension-monitor.ts";
import type { MemoryMonitor } from "../control/overload.ts";
import type { OwnListeners } from "../control/own-listeners.ts";
import type { ProblemMonitor } from "../control/problem-monitor.ts";
import type { RateLimitMonitor } from "../control/rate-limit-monitor.ts";
import type { ConfigLoader, Reconciler, ReloadOutcome } from "../control/reconciler.ts";
import type { ClusterEnvironment } from "../discovery/source.ts";
import type { NameWatcher } from "../dns/name-watcher.ts";
import type { AccessRuntime } from "../dataplane/access-resources.ts";
import type { DataPlane } from "../dataplane/data-plane.ts";
import type { WorkerLauncher } from "../dataplane/worker-data-plane.ts";
import type { Engine } from "../engine/engine.ts";
import type { Extensions } from "../extension/extensions.ts";
import type { FaultRegistry } from "../fault/fault-registry.ts";
import type { History } from "../history/history.ts";
import type { HistoryStore } from "../history/store.ts";
import type { Log } from "../lib/log.ts";
import type { Metrics } from "../metrics/metrics.ts";
import type { Prober } from "../probe/prober.ts";
import type { ListeningSocket } from "../net/listening-sockets.ts";
import type { PoolRegistry } from "../registry/pool-registry.ts";
import type { RequestStore } from "../requests/request-store.ts";
import type { Requests } from "../requests/requests.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { ConfigurationSnapshot, UpgradeSnapshot } from "../snapshot/snapshot.ts";
import type { MonitoredStore } from "../state/store.ts";
import type { CertificateStore } from "../tls/certificate-store.ts";
import type { TelemetrySinks } from "../telemetry/telemetry.ts";
import type { RouteTrafficReader } from "../view/route-traffic.ts";
import type { SnapshotBuilder } from "../view/snapshot-builder.ts";
import type { FleetAssembly } from "./fleet-assembly.ts";
import type { FleetShares } from "./fleet-shares.ts";

export interface BalancerOptions {
  /** Missing where no process can take over. */
  readonly upgrade?: () => UpgradeSnapshot;
  /** The sockets that a client listener adopts, by its position. */
  readonly sockets?: (index: number) => readonly ListeningSocket[];
  readonly config: Config;
  readonly loadConfig: ConfigLoader;
  readonly runtime: Runtime;
  readonly engine: Engine;
  readonly openSender: AccessRuntime["openSender"];
  readonly store: MonitoredStore;
  readonly historyStore: HistoryStore;
  /** Present if several balancers share what operators set. */
  readonly fleet?: FleetAssembly;
  /** Undefined if requests are not kept. */
  readonly requestStore?: RequestStore | undefined;
  readonly log: Log;
  readonly version: string;
  /** Present if worker processes serve the clients. */
  readonly workers?: WorkerLauncher;
  readonly sinks?: TelemetrySinks;
  /** Filters and policies of the operator's own. */
  readonly extensions: Extensions;
  /** The cluster in which this process runs. */
  readonly cluster: ClusterEnvironment;
  /** The balancer's name in Via. */
  readonly viaName: string;
  /** The balancer's name for people. */
  readonly name: string;
}

export interface BalancerParts {
  readonly faults: FaultRegistry;
  readonly metrics: Metrics;
  readonly eventLog: EventLog;
  readonly registry: PoolRegistry;
  readonly names: NameWatcher;
  readonly discovery: DiscoveryControl;
  readonly prober: Prober;
  readonly snapshots: SnapshotBuilder;
  readonly reconciler: Reconciler;
  readonly dataPlane: DataPlane;
  readonly memory: MemoryMonitor;
  readonly certificates: CertificateMonitor;
  readonly certificateStore: CertificateStore;
  readonly rotation: CertificateRotation;
  readonly orders: CertificateIssuer;
  readonly exhaustion: ExhaustionMonitor;
  readonly extensions: ExtensionMonitor;
  readonly frontDoor: FrontDoorMonitor;
  readonly rateLimits: RateLimitMonitor;
  readonly history: History;
  readonly problems: ProblemMonitor;
  readonly routeTraffic: RouteTrafficReader;
  readonly alerts: AlertDispatcher;
  readonly requests: Requests;
  /** Undefined without a fleet. */
  readonly shares: FleetShares | undefined;
  /** Undefined for a balancer on its own. */
  readonly fleet: FleetControl | undefined;
}

export interface BalancerHooks {
  /** Called with the result of every reload. */
  readonly onReload: (outcome: ReloadOutcome) => void;
  /** The state of the configuration now. */
  readonly configuration: () => ConfigurationSnapshot;
  /** Called when an operator dismisses the problem that a configuration was refused. */
  readonly onRefusalDismissed: () => void;
  /** Of this process. */
  readonly listeners: OwnListeners;
}

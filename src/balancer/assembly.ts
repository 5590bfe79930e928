/** Creates the parts of a balancer and connects them. Starts none of them. */

import { HttpChallengeResponses } from "../acme/challenges.ts";
import { AlertDispatcher } from "../alerts/alert-dispatcher.ts";
import { certificateEntriesOf } from "../config/certificates.ts";
import type { Config } from "../config/config.ts";
import { CertificateMonitor } from "../control/certificate-monitor.ts";
import { certificateOrders } from "../control/certificate-orders.ts";
import { CertificateRotation } from "../control/certificate-rotation.ts";
import { Intents } from "../control/desired-state.ts";
import { DiscoveredUpstreams } from "../control/discovered-upstreams.ts";
import { usableAnswers } from "../control/answer-keeper.ts";
import { Discovery } from "../control/discovery.ts";
import { DiscoveryControl } from "../control/discovery-control.ts";
import { Drains } from "../control/drains.ts";
import { EventLog } from "../control/event-log.ts";
import {
  poolEventRecorder,
  recordDrain,
  recordProbeTransition,
  recordWorkerEvent,
} from "../control/event-recorder.ts";
import { FrontDoorMonitor } from "../control/front-door.ts";
import type { FleetControl } from "../control/fleet-control.ts";
import { ExhaustionMonitor } from "../control/exhaustion-monitor.ts";
import { ExtensionMonitor } from "../control/extension-monitor.ts";
import { overloadMonitor } from "../control/overload.ts";
import { RateLimitMonitor } from "../control/rate-limit-monitor.ts";
import { createReconciler } from "../control/reconciler.ts";
import { createSource } from "../discovery/sources.ts";
import { createDns } from "../dns/client.ts";
import { NameWatcher } from "../dns/name-watcher.ts";
import { accessResourcesOf } from "../dataplane/access-resources.ts";
import type { DataPlane } from "../dataplane/data-plane.ts";
import { LocalDataPlane, type LocalDataPlaneOptions } from "../dataplane/local-data-plane.ts";
import { WorkerDataPlane } from "../dataplane/worker-data-plane.ts";
import { FaultRegistry } from "../fault/fault-registry.ts";
import { History, writeErrorReporter } from "../history/history.ts";
import { systemClock, systemSchedule, systemWallClock } from "../lib/clock.ts";
import { systemRandom } from "../lib/random.ts";
import { Metrics } from "../metrics/metrics.ts";
import { ownProcessCounters, sumProcessCounters } from "../metrics/process-families.ts";
import { probeWith } from "../probe/probe.ts";
import { Prober, type ProberOptions } from "../probe/prober.ts";
import { PoolRegistry } from "../registry/pool-registry.ts";
import { KeptRequests } from "../requests/kept-requests.ts";
import { Requests } from "../requests/requests.ts";
import { systemCertificateReader } from "../tls/certificate-files.ts";
import { CertificateStore } from "../tls/certificate-store.ts";
import { withSink } from "../telemetry/telemetry.ts";
import { RouteTrafficReader } from "../view/route-traffic.ts";
import { SnapshotBuilder } from "../view/snapshot-builder.ts";
import { createProblemMonitor, createUsualReader } from "./problem-assembly.ts";
import type { BalancerHooks, BalancerOptions, BalancerParts } from "./parts.ts";

export function assemble(
  options: BalancerOptions,
  { onReload, configuration, onRefusalDismissed, listeners }: BalancerHooks,
): BalancerParts {
  const { config, loadConfig, runtime, store, log, engine, openSender, workers: launcher, sinks } = options;
  const { viaName, cluster } = options;
  const [clock, wallClock, schedule] = [systemClock, systemWallClock, systemSchedule];
  const metrics = new Metrics(clock);
  const eventLog = new EventLog({ store, wallClock, schedule, log });
  const faults = new FaultRegistry();
  const observer = poolEventRecorder({ faults, metrics, eventLog, log });
  const certificateStore = new CertificateStore(wallClock);
  const challenges = new HttpChallengeResponses();
  const names = new NameWatcher({
    clock,
    schedule,
    random: systemRandom,
    onChange: (name, hosts, before) => log.info("name moved", { name, hosts, before }),
  });
  // Other parts use it before it is there: at the start, nothing is shared yet.
  const running: { fleet?: FleetControl } = {};
  const { fleet } = options;
  const shares = fleet?.shares({
    ...{ clock, schedule },
    livePeers: () => running.fleet?.fleet.peers.aliveCount ?? 1,
    onStickySecret() {
      registry.commit(registry.prepare(reconciler.desired));
      dataPlane.apply(reconciler.desired);
    },
  });
  const budgets = shares && { budgets: shares.budgets };
  const registry = new PoolRegistry({
    ...{ clock, random: systemRandom, observer, names },
    extensions: options.extensions,
    // With workers this process serves no clients.
    access: launcher
      ? { meter: metrics.filters, isServedElsewhere: true }
      : accessResourcesOf({
          ...{ passwords: runtime.passwords, openSender, clock, schedule, metrics, log, viaName },
          attemptFilters: [faults],
          ...budgets,
        }),
    stickySecrets: () => shares?.stickySecret.secrets ?? [store.secret("sticky")],
  });
  const orderJournal = fleet?.orders(() => running.fleet?.fleet.wake());
  const intents = new Intents(store, log, orderJournal);
  fleet?.evenOut(intents);
  const drains = new Drains({
    clock,
    wallClock,
    schedule,
    isEmpty: (upstream) => running.fleet?.isDrained(upstream) ?? dataPlane.isDrained(upstream),
    keepsClients: (upstream) => registry.find(upstream.id)?.entry.config.sticky?.whileDraining === "keep",
    onClientsMove: () => dataPlane.apply(reconciler.desired),
    onStage(upstream, stage) {
      const pool = registry.find(upstream.id)?.entry.pool.name ?? null;
      recordDrain(eventLog, { pool, upstream, stage });
    },
  });
  const onResult: ProberOptions["onResult"] = (target, result, from) => {
    metrics.of(target.upstream).probed(result.success);
    snapshots.probed(target.upstream, { at: wallClock(), ...result });
    if (from === undefined) return;
    dataPlane.apply(reconciler.desired);
    recordProbeTransition({ eventLog, log }, target, { result, from });
  };
  const plainProbe = probeWith(runtime, clock);
  const probe = faults.wrap(plainProbe);
  const prober = new Prober({
    async probe(upstream, plan) {
      await names.firstAnswer(upstream.endpoints);
      return probe(upstream, plan);
    },
    clock,
    schedule,
    random: systemRandom,
    onResult,
    // A probe that connects proves nothing during a fault, because the fault may not apply to probes.
    provesConnect: (upstream) => !faults.has(upstream),
  });
  const dns = createDns(() => discovery.resolvers, schedule);
  const discovery = new Discovery({
    createSource: (entry) =>
      createSource(entry, { ...{ clock, schedule, cluster, dns }, random: systemRandom }),
    kept: () => usableAnswers(store.members(), wallClock()),
    ...{ clock, wallClock, schedule, eventLog, log },
  });
  const discovered = new DiscoveredUpstreams({ discovery, registry, drains, intents, clock, log });
  const usual = createUsualReader({ historyStore: options.historyStore, wallClock, clock, log });
  const snapshots = new SnapshotBuilder({
    ...{ discovery, discovered, usual },
    registry,
    intents,
    drains,
    eventLog,
    metrics,
    faults,
    clock,
    wallClock,
    measure: (entry) => dataPlane.measure(entry),
    uptimeOf: (pool, upstream) => history.uptimeOf(pool, upstream),
    fleet: () => running.fleet,
  });
  const reconciler = createReconciler({
    config,
    loadConfig,
    intents,
    registry,
    prober,
    drains,
    discovered,
    eventLog,
    log,
    wallClock,
    abortAttempts: () => dataPlane.abortAttempts?.bind(dataPlane),
    onReconciled: () => dataPlane.apply(reconciler.desired),
    ...(fleet && { mayWithdraw: (next: Config) => running.fleet?.mayWithdraw(next) ?? false }),
    onReload(outcome) {
      metrics.reloaded(outcome.result);
      // Also after a refused one: its files need not be those of the certificates.
      rotation.refresh("reload");
      orders.configure(reconciler.config.acme);
      onReload(outcome);
    },
  });
  const discoveryControl = new DiscoveryControl({
    ...{ discovery, discovered, reconciler, eventLog, schedule, store, log },
  });
  const { requestStore } = options;
  const kept = requestStore
    ? new KeptRequests({
        ...config.requests,
        ...{ store: requestStore, clock, wallClock, schedule },
        onFailure: writeErrorReporter(log, clock, "request write failed"),
      })
    : undefined;
  const requests = new Requests({
    registry,
    origins: discoveryControl.originTexts(wallClock),
    clock,
    wallClock,
    kept,
    listeners: config.listeners.map(({ name, tls }) => ({ name, scheme: tls ? "https" : "http" })),
  });
  const onSuspicion: LocalDataPlaneOptions["onSuspicion"] = (suspicions) =>
    suspicions.forEach((suspicion) => prober.investigate(suspicion));
  const common = {
    config: reconciler.desired,
    registry,
    metrics,
    clock,
    schedule,
    viaName,
    onSuspicion,
    certificates: certificateStore,
    challenges,
  };
  const dataPlane: DataPlane = launcher
    ? new WorkerDataPlane({
        ...common,
        launcher,
        sockets: options.sockets,
        observer,
        ...budgets,
        faults,
        onWorkerEvent: (event) => recordWorkerEvent({ eventLog, log }, event),
        onRequests: (...batch) => requests.adopt(...batch),
      })
    : new LocalDataPlane({
        ...common,
        ...withSink(sinks, requests.sink),
        engine,
        log,
        sharesPort: false,
        sockets: options.sockets,
        attemptFilters: [faults],
      });
  const memoryOptions = { memory: runtime.memory, config: () => reconciler.config, dataPlane };
  const memory = overloadMonitor({ ...memoryOptions, eventLog, log, schedule });
  const certificateOptions = { store: certificateStore, eventLog, log, wallClock, schedule };
  const certificates = new CertificateMonitor(certificateOptions);
  const rotation = new CertificateRotation({
    ...certificateOptions,
    entries: () => certificateEntriesOf(reconciler.config),
    reader: systemCertificateReader,
    isLive: engine.name === "wire",
  });
  const orders = certificateOrders({
    ...{ ...certificateOptions, random: systemRandom, pid: runtime.pid, version: options.version },
    responses: challenges,
    share: shares && ((own) => shares.certificates(own)),
    announce: () => dataPlane.announceChallenges?.() ?? Promise.resolve(),
  });
  const processCounters = () => sumProcessCounters([ownProcessCounters(), dataPlane.processCounters()]);
  const exhaustion = new ExhaustionMonitor({
    counts: () => processCounters().exhausted,
    eventLog,
    log,
    clock,
    wallClock,
    schedule,
  });
  const extensions = new ExtensionMonitor({
    counts: () => processCounters().extensionFailures,
    eventLog,
    clock,
    schedule,
  });
  const rateLimits = new RateLimitMonitor({
    counts() {
      if (!reconciler.config.routes.some(({ settings }) => settings.rateLimit)) return undefined;
      dataPlane.refreshCounters();
      return metrics.filters;
    },
    ...{ eventLog, log, clock, schedule },
  });
  const history = new History({
    pools() {
      dataPlane.refreshCounters();
      return registry.pools;
    },
    queuedIn: (pool) => snapshots.queuedIn(pool),
    metrics,
    store: options.historyStore,
    clock,
    wallClock,
    schedule,
    onSample: (upstream) => snapshots.observe(upstream),
    onSampled() {
      routeTraffic.turn();
      problems.sample();
      alerts.advance(problems);
    },
    onFailure: writeErrorReporter(log, clock),
  });
  if (fleet)
    running.fleet = fleet.control({
      ...{ reconciler, listeners, registry, dataPlane, metrics, eventLog },
      ...{ log, clock, wallClock, schedule, version: options.version },
      problems: () => problems.open,
      alerts: {
        report: () => alerts.report(problems),
        exchanged: (...exchange) => alerts.exchanged(...exchange),
      },
    });
  const alerts = new AlertDispatcher({
    ...{ balancer: options.name, version: options.version, config: () => reconciler.config },
    ...{ extensions: options.extensions, store, log, clock, wallClock, schedule, random: systemRandom },
    record: (event) => void eventLog.add(event),
    flushEvents: () => eventLog.flush(),
    fleet: fleet && { reportSoon: () => running.fleet?.fleet.reportSoon() },
  });
  const routeTraffic = new RouteTrafficReader({
    ...{ meter: metrics.routes, config: () => reconciler.config, clock },
  });
  const frontDoor = new FrontDoorMonitor({
    address: () => reconciler.config.frontDoor,
    ...{ probe: plainProbe, wallClock, schedule, log },
  });
  const problems = createProblemMonitor({
    frontDoor,
    alerts,
    marked: (problem) => alerts.marked(problem),
    onDismissed: onRefusalDismissed,
    ...{ balancer: options.name, registry, metrics, dataPlane, faults, snapshots, eventLog, memory, store },
    ...{
      usual,
      exhaustion,
      certificates,
      orders,
      clock,
      wallClock,
      log,
      random: systemRandom,
      configuration,
    },
    config: () => reconciler.config,
    fleet: running.fleet,
    ...{ discovery, upgrade: options.upgrade },
  });
  return {
    alerts,
    faults,
    metrics,
    eventLog,
    registry,
    names,
    discovery: discoveryControl,
    prober,
    snapshots,
    reconciler,
    dataPlane,
    memory,
    certificates,
    certificateStore,
    rotation,
    orders,
    exhaustion,
    extensions,
    frontDoor,
    rateLimits,
    history,
    problems,
    routeTraffic,
    requests,
    shares,
    fleet: running.fleet,
  };
}

/** The running balancer: starts, drains and stops its parts, and returns snapshots of them. */

import type { AlertDispatcher } from "../alerts/alert-dispatcher.ts";
import type { Config } from "../config/config.ts";
import type { Control } from "../control/control.ts";
import { Controller } from "../control/controller.ts";
import type { FleetControl } from "../control/fleet-control.ts";
import type { ProblemMonitor } from "../control/problem-monitor.ts";
import type { NewEvent } from "../control/event-log.ts";
import { type OwnListener, OwnListeners } from "../control/own-listeners.ts";
import { configurationStatusAfter, type ReloadOutcome } from "../control/reconciler.ts";
import type { HistoryQuery, HistoryResult, RangeQuery } from "../history/history.ts";
import { sleep, systemWallClock } from "../lib/clock.ts";
import type { Release } from "../handover/messages.ts";
import { hostAndPort } from "../net/address.ts";
import type { ListeningSocket } from "../net/listening-sockets.ts";
import { probeTargets } from "../registry/pool-registry.ts";
import type { Requests } from "../requests/requests.ts";
import type { RoutesReport } from "../snapshot/route-report.ts";
import type { FleetSnapshot } from "../snapshot/fleet-snapshot.ts";
import type { ConfigurationSnapshot, Phase, Snapshot, UpstreamDetail } from "../snapshot/snapshot.ts";
import type { KeptMembers } from "../state/store.ts";
import { fleetSnapshot, seenByFleet } from "../view/fleet-view.ts";
import { renderMetrics } from "../view/metrics-text.ts";
import { maxSnapshotEvents } from "../view/snapshot-builder.ts";
import { assemble } from "./assembly.ts";
import type { BalancerOptions, BalancerParts } from "./parts.ts";

/** How long clients may send one more request on a connection that another process will not serve. */
const announceMs = 1_000;

/** `starting → ready → draining → stopped` */
export class Balancer {
  readonly #options: BalancerOptions;
  readonly #startedAt = systemWallClock();
  readonly #parts: BalancerParts;
  #configuration: ConfigurationSnapshot;
  #phase: Phase = "starting";
  readonly #listeners = new OwnListeners();
  /** The operator's commands and queries. */
  readonly control: Control;

  constructor(options: BalancerOptions) {
    this.#options = options;
    this.#configuration = { takenAt: this.#startedAt, refused: null, needsRestart: [] };
    const onReload = (outcome: ReloadOutcome) => {
      this.#configuration = configurationStatusAfter(outcome, this.#configuration, systemWallClock());
    };
    const configuration = () => this.#configuration;
    const onRefusalDismissed = () => {
      this.#configuration = { ...this.#configuration, refused: null };
    };
    const listeners = this.#listeners;
    this.#parts = assemble(options, { onReload, configuration, onRefusalDismissed, listeners });
    const { reconciler, faults, rotation, fleet } = this.#parts;
    const parts = { listeners: this.#listeners, certificates: rotation, fleet };
    this.control = new Controller(reconciler, faults, parts);
    this.#listensOnClients(options.config.listeners.map(({ port }) => port));
  }

  /** Adds a listener of this process, which no upstream may be. */
  listensOn(listener: OwnListener): void {
    this.#listeners.add(listener);
  }

  #listensOnClients(ports: readonly number[]): void {
    for (const [index, { hostname, port }] of this.#options.config.listeners.entries())
      this.listensOn({ key: "listen", hostname, port: ports[index] ?? port });
  }

  /** The current configuration as loaded, without intents. */
  get config(): Config {
    return this.#parts.reconciler.config;
  }

  /** The last answers of sources of members, for the process that takes over. */
  get discoveredMembers(): readonly KeptMembers[] {
    return this.#parts.discovery.answers;
  }

  get phase(): Phase {
    return this.#phase;
  }

  /** The port of each client listener, in the order of the configuration; empty before they listen. */
  get ports(): readonly number[] {
    return this.#parts.dataPlane.ports;
  }

  get problems(): ProblemMonitor {
    return this.#parts.problems;
  }

  /** Traffic of the routes, worst first. */
  routes(): RoutesReport {
    this.#parts.dataPlane.refreshCounters();
    return this.#parts.routeTraffic.report();
  }

  get alerts(): AlertDispatcher {
    return this.#parts.alerts;
  }

  get requests(): Requests {
    return this.#parts.requests;
  }

  /** Probes every upstream once, then listens. Rejects with the system's error code if the port is not available. */
  async start(): Promise<void> {
    // Before the first request, so that none goes to an upstream that the fleet has drained.
    await this.#parts.fleet?.start();
    await this.prepare();
    this.serve();
  }

  /** The first half of a start: all that another process may do for the same clients at the same time. */
  async prepare(): Promise<void> {
    const { names, prober, registry, reconciler, dataPlane } = this.#parts;
    this.#parts.exhaustion.start();
    this.#parts.extensions.start();
    this.#parts.rateLimits.start();
    this.#parts.rotation.load();
    this.#parts.orders.configure(this.config.acme);
    this.#parts.shares?.start();
    await Promise.all([
      prober.watch(probeTargets(registry.prepare(reconciler.desired))),
      this.#parts.discovery.start(),
    ]);
    try {
      await dataPlane.listen();
    } catch (error) {
      prober.stop();
      this.#parts.discovery.stop();
      names.stop();
      this.#parts.exhaustion.stop();
      this.#parts.extensions.stop();
      this.#parts.rateLimits.stop();
      this.#parts.shares?.stop();
      dataPlane.close();
      this.#parts.fleet?.stop();
      throw error;
    }
    this.#listensOnClients(dataPlane.ports);
  }

  /** The second half, for the only process that has the state file. */
  serve(): void {
    this.#parts.memory.start();
    this.#startOwned();
    this.#setPhase("ready");
  }

  #startOwned(): void {
    this.#parts.alerts.start();
    this.#parts.frontDoor.start();
    this.#parts.history.start();
    this.#parts.certificates.start();
    this.#parts.rotation.start();
    this.#parts.orders.start();
    void this.#parts.fleet?.start();
  }

  /** Stops what one process at a time does, and writes what is left to write. Clients are served as before. */
  release(): void {
    this.#parts.history.stop();
    this.#parts.alerts.stop();
    this.#parts.frontDoor.stop();
    this.#parts.certificates.stop();
    this.#parts.rotation.stop();
    this.#parts.orders.stop();
    this.#parts.fleet?.stop();
    this.#parts.eventLog.flush();
  }

  /** Takes back what `release` gave: no other process has taken over. */
  resume(): void {
    this.#startOwned();
  }

  /** What operators and the balancer before did until it released its state. @param isChanged whether intents are others than at the start */
  async adopt({ intents, events }: Pick<Release, "intents" | "events">, isChanged: boolean): Promise<void> {
    const { reconciler, eventLog } = this.#parts;
    eventLog.adopt(events);
    if (isChanged) reconciler.intents.adopt(intents);
    this.#parts.fleet?.reload(this.#options.store);
    if (!isChanged) return;
    await reconciler.runExclusive(() => reconciler.reconcile({ by: "balancer", reason: "" }, "operator"));
  }

  /** Whether the prober does its work. */
  get isProbing(): boolean {
    return this.#parts.prober.isTurning;
  }

  /** The sockets of each client listener; undefined where they cannot be handed over. */
  sockets(): readonly (readonly ListeningSocket[])[] | undefined {
    return this.#parts.dataPlane.sockets();
  }

  /**
   * Another process serves new connections. Open ones stay for a moment, so that requests that are on the way get responses
   * that announce the end; then as `drain`.
   * @returns how many requests were aborted
   */
  async leave(): Promise<number> {
    const { dataPlane } = this.#parts;
    const { drainTimeoutMs } = this.config;
    this.control.endFaults("draining");
    this.#setPhase("draining");
    const inFlight = dataPlane.active();
    this.#options.log.info("drain started", { deadlineMs: drainTimeoutMs, inFlight, successor: true });
    dataPlane.retire();
    await sleep(announceMs);
    return this.#finish(drainTimeoutMs);
  }

  /**
   * Reports "not ready" and serves for `drainDelayMs`. Then accepts nothing new, waits up to `drainTimeoutMs` for the
   * requests in flight, and aborts the rest.
   * @returns how many requests were aborted
   */
  async drain(): Promise<number> {
    const { dataPlane } = this.#parts;
    const { drainDelayMs, drainTimeoutMs } = this.config;
    this.control.endFaults("draining");
    this.#setPhase("draining");
    const inFlight = dataPlane.active();
    this.#options.log.info("drain started", { delayMs: drainDelayMs, deadlineMs: drainTimeoutMs, inFlight });
    if (drainDelayMs > 0) await sleep(drainDelayMs);
    return this.#finish(drainTimeoutMs);
  }

  async #finish(drainTimeoutMs: number): Promise<number> {
    const { names, prober, dataPlane, history, memory, certificates, exhaustion, eventLog } = this.#parts;
    memory.stop();
    certificates.stop();
    this.#parts.frontDoor.stop();
    this.#parts.rotation.stop();
    this.#parts.orders.stop();
    exhaustion.stop();
    this.#parts.extensions.stop();
    this.#parts.rateLimits.stop();
    prober.stop();
    this.#parts.discovery.stop();
    names.stop();
    await Promise.race([dataPlane.drain(), sleep(drainTimeoutMs)]);
    this.#parts.shares?.stop();
    const aborted = dataPlane.active();
    await dataPlane.end();
    // Not before, because the others wait for its requests.
    await this.#parts.fleet?.fleet.leave();
    history.stop();
    this.#parts.alerts.stop();
    this.#parts.requests.stop();
    this.#setPhase("stopped");
    eventLog.flush();
    return aborted;
  }

  /** Aborts everything, and writes the remaining events to the store. */
  close(): void {
    const { names, prober, dataPlane, history, memory, certificates, exhaustion, eventLog } = this.#parts;
    memory.stop();
    certificates.stop();
    this.#parts.frontDoor.stop();
    this.#parts.rotation.stop();
    this.#parts.orders.stop();
    this.#parts.shares?.stop();
    exhaustion.stop();
    this.#parts.extensions.stop();
    this.#parts.rateLimits.stop();
    prober.stop();
    this.#parts.discovery.stop();
    names.stop();
    this.#parts.fleet?.stop();
    history.stop();
    this.#parts.alerts.stop();
    this.#parts.requests.stop();
    dataPlane.close();
    eventLog.flush();
  }

  /** Adds an event, for callers outside the control plane. */
  record(event: NewEvent): void {
    this.#parts.eventLog.add(event);
  }

  /** Makes worker processes reopen log files that were moved away. */
  reopenLogs(): void {
    this.#parts.dataPlane.reopenLogs?.();
  }

  snapshot(): Snapshot {
    const { engine, runtime, version } = this.#options;
    const { dataPlane, memory, certificates, orders, exhaustion, snapshots, eventLog, fleet } = this.#parts;
    const listeners = this.config.listeners.map(({ name, hostname: host, port, tls, protocols }, index) => ({
      name,
      host,
      port: this.ports[index] ?? port,
      tls: tls !== undefined,
      protocols,
    }));
    dataPlane.refreshCounters();
    return {
      at: systemWallClock(),
      phase: this.#phase,
      version,
      runtime: `${runtime.name} ${runtime.version}`,
      engine: engine.name,
      startedAt: this.#startedAt,
      listen: listeners.map(({ host, port }) => hostAndPort(host, port))[0] ?? "",
      listeners,
      inFlight: dataPlane.active(),
      clients: dataPlane.clients(),
      configuration: this.#configuration,
      memory: memory.snapshot,
      notKept: this.#options.store.notKept ?? null,
      ...this.#upgradeSnapshot,
      ...(exhaustion.snapshot && { exhaustion: exhaustion.snapshot }),
      ...(certificates.snapshot && { certificates: certificates.snapshot }),
      ...(orders.certificates.length > 0 && { orders: orders.certificates }),
      ...(dataPlane.workers && { workers: dataPlane.workers }),
      ...(fleet && { fleet: this.#fleetSnapshot(fleet) }),
      problems: this.#parts.problems.snapshot,
      pools: snapshots.pools(),
      events: eventLog.events({ limit: maxSnapshotEvents }),
    };
  }

  /** Undefined for a balancer on its own. */
  fleet(): FleetSnapshot | undefined {
    const { fleet } = this.#parts;
    return fleet && this.#fleetSnapshot(fleet);
  }

  #fleetSnapshot(control: FleetControl): FleetSnapshot {
    const events = this.#parts.eventLog.events({ kinds: new Set(["fleet"]), limit: maxSnapshotEvents });
    // One look at all, since each upstream that is not well is looked up.
    const pools = new Map(
      this.#parts.registry.entries.flatMap(({ pool }) => pool.upstreams.map(({ id }) => [id, pool.name])),
    );
    return fleetSnapshot({ control, poolOf: (upstream) => pools.get(upstream), events });
  }

  readonly #poolOf = (upstream: string): string | undefined =>
    this.#parts.registry.find(upstream)?.entry.pool.name;

  get #upgradeSnapshot(): Pick<Snapshot, "upgrade"> {
    const upgrade = this.#options.upgrade?.();
    const isUsed = upgrade && (upgrade.generation > 0 || upgrade.isRunning || upgrade.failures > 0);
    return isUsed ? { upgrade } : {};
  }

  /** Undefined if there is no such upstream. */
  upstream(id: string): UpstreamDetail | undefined {
    const { dataPlane, snapshots, fleet, registry } = this.#parts;
    dataPlane.refreshCounters();
    const detail = snapshots.upstream(id);
    const upstream = fleet && registry.find(id)?.upstream;
    if (!detail || !upstream) return detail;
    const elsewhere = fleet.elsewhere(upstream);
    // The caller may wait for it.
    if (elsewhere.length > 0) fleet.fleet.hurry();
    return {
      ...detail,
      elsewhere,
      seen: seenByFleet(id, fleet, this.#poolOf),
    };
  }

  /** Undefined if there is no such pool or upstream. */
  history(query: HistoryQuery): HistoryResult | undefined {
    return this.#parts.history.read(query);
  }

  /** Undefined if there is no such pool or upstream. */
  historyRange(query: RangeQuery): HistoryResult | undefined {
    return this.#parts.history.readRange(query);
  }

  /** All metrics in the Prometheus text format. */
  metricsText(): Promise<string> {
    const { store, upgrade } = this.#options;
    return renderMetrics({ ...this.#parts, store, ...(upgrade && { upgrade: upgrade() }) });
  }

  #setPhase(phase: Phase): void {
    const common = { kind: "phase", pool: null, upstream: null, reason: "lifecycle" } as const;
    this.#parts.eventLog.add({ ...common, from: this.#phase, to: phase, by: "balancer", detail: "" });
    this.#phase = phase;
  }
}

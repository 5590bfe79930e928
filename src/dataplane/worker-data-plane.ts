/** The data plane of several worker processes: sends them the desired state and combines their reports. */

import type { HttpChallengeResponses } from "../acme/challenges.ts";
import type { Config } from "../config/config.ts";
import { countedRoutes } from "../config/counted-routes.ts";
import type { FaultRegistry } from "../fault/fault-registry.ts";
import type { Budgets } from "../filter/budget.ts";
import { type Cancel, type Clock, repeat, type Schedule, sleep } from "../lib/clock.ts";
import type { InheritedSocket } from "../handover/inherited-sockets.ts";
import type { ListeningSocket } from "../net/listening-sockets.ts";
import type { Metrics } from "../metrics/metrics.ts";
import type { ProcessCounters } from "../metrics/process-families.ts";
import type { PoolObserver } from "../pool/pool.ts";
import type { Upstream } from "../pool/upstream.ts";
import type { StallSuspicion } from "../probe/stall-detector.ts";
import type { RequestRecord } from "../proxy/record.ts";
import type { PoolEntry } from "../registry/destinations.ts";
import { identityOf, type PoolRegistry } from "../registry/pool-registry.ts";
import type { WorkerSnapshot } from "../snapshot/snapshot.ts";
import type { CertificateStore } from "../tls/certificate-store.ts";
import type { DataPlane, PoolGauges } from "./data-plane.ts";
import { CounterAggregator } from "./counter-aggregator.ts";
import { type MergedReport, sumInFlight } from "./merged-report.ts";
import { perWorkerConfig, type WorkerReport } from "./messages.ts";
import { StateBroadcaster } from "./state-broadcaster.ts";
import { StateChanges } from "./state-changes.ts";
import { StallQuorum } from "./stall-quorum.ts";
import { BudgetRelay } from "./worker-budgets.ts";
import { AbortCoordinator, Confirmations, mergeVerdicts } from "./worker-aggregation.ts";
import { type SocketHolder, WorkerSockets } from "./worker-sockets.ts";
import { type Spawn, WorkerSupervisor } from "./worker-supervisor.ts";

/** Starts worker processes. */
export interface WorkerLauncher extends SocketHolder {
  /** Number of workers. */
  readonly count: number;
  /** @param sockets that the worker accepts from; without any it opens its own */
  readonly spawn: (onMessage: Parameters<Spawn>[0], sockets: readonly InheritedSocket[]) => ReturnType<Spawn>;
}

/** A change of one worker's state, for the event log and the log. */
export interface WorkerEvent {
  readonly pid: number | undefined;
  readonly from: "starting" | "serving" | "gone";
  readonly to: "serving" | "hung" | "gone";
  /** How the process exited, or for how long it has sent nothing; empty for `serving`. */
  readonly detail: string;
}

export interface WorkerDataPlaneOptions {
  readonly launcher: WorkerLauncher;
  /** The sockets that a listener adopts, by its position. */
  readonly sockets?: ((index: number) => readonly ListeningSocket[]) | undefined;
  /** The configuration at the start. */
  readonly config: Config;
  readonly registry: PoolRegistry;
  /** Receives the sums of the workers' counters. */
  readonly metrics: Metrics;
  /** Called with the outlier verdicts of the workers. */
  readonly observer: PoolObserver;
  /** Called with upstreams on which attempts wait too long in any worker. */
  readonly onSuspicion: (suspicions: readonly StallSuspicion[]) => void;
  /** Called with sampled request records of a worker, and whether its sampler skipped any. */
  readonly onRequests: (requests: readonly RequestRecord[], isSampled: boolean) => void;
  /** Called when a worker serves again, hangs, or has exited. */
  readonly onWorkerEvent: (event: WorkerEvent) => void;
  readonly faults: FaultRegistry;
  /** Of all TLS listeners. Workers get every change. */
  readonly certificates: CertificateStore;
  /** Sent to all workers. */
  readonly challenges?: Pick<HttpChallengeResponses, "state">;
  /** The balancer's name in Via. */
  readonly viaName: string;
  /** Of limits that a fleet shares. */
  readonly budgets?: Budgets;
  readonly clock: Clock;
  readonly schedule: Schedule;
}

/** Unresponsiveness is counted in these ticks. */
const tickMs = 1_000;

/** After that, a worker that shuts down is killed. Flushing its telemetry may take two seconds. */
const shutdownTimeoutMs = 3_000;

export class WorkerDataPlane implements DataPlane {
  readonly #options: WorkerDataPlaneOptions;
  readonly #supervisors: readonly WorkerSupervisor[];
  readonly #sockets: WorkerSockets;
  readonly #counters: CounterAggregator;
  readonly #quorum: StallQuorum;
  readonly #aborts: AbortCoordinator;
  readonly #confirmations: Confirmations;
  #desired: Config;
  #ports: readonly number[] = [];
  readonly #changes: StateChanges;
  readonly #broadcaster: StateBroadcaster;
  #made: { readonly from: Config; readonly ports: readonly number[]; readonly config: Config } | undefined;
  #isShedding = false;
  #cancelTick: Cancel | undefined;
  #unfollow: Cancel | undefined;

  constructor(options: WorkerDataPlaneOptions) {
    this.#options = options;
    this.#desired = options.config;
    this.#counters = new CounterAggregator(options);
    const { launcher, registry, clock, schedule } = options;
    this.#sockets = new WorkerSockets(launcher, launcher.count);
    this.#aborts = new AbortCoordinator(schedule);
    this.#confirmations = new Confirmations(schedule);
    this.#changes = new StateChanges(options);
    this.#broadcaster = new StateBroadcaster({
      schedule,
      supervisors: () => this.#supervisors,
      next: () => this.#changes.next(this.#workerConfig()),
      all: () => this.#changes.all,
      common: () => ({ now: clock(), shedding: this.#isShedding, viaName: options.viaName }),
    });
    this.#quorum = new StallQuorum({
      registry,
      clock,
      supervisors: () => this.#supervisors.filter(({ isResponsive }) => isResponsive),
      onSuspicion: (suspicions) => {
        options.onSuspicion(suspicions);
        if (suspicions.some(({ upstream }) => upstream.isDown)) this.#broadcaster.schedule();
      },
    });
    const relay = options.budgets && new BudgetRelay(options.budgets);
    this.#supervisors = Array.from(
      { length: launcher.count },
      (_, worker) =>
        new WorkerSupervisor({
          spawn: (onMessage) => launcher.spawn(onMessage, this.#sockets.of(worker)),
          clock,
          schedule,
          onRequests: options.onRequests,
          onHello: (supervisor) => {
            this.#sendCertificates([supervisor]);
            this.#broadcaster.greeted(supervisor);
          },
          onReport: (supervisor, report) => this.#reportReceived(supervisor, report),
          onEvidence: (supervisor, evidence) => this.#quorum.receive(supervisor, evidence),
          onAborted: (...report) => this.#aborts.receive(...report),
          // Without a fleet, no worker asks.
          onBudgetAsk: (supervisor, message) => relay?.receive(message, (reply) => supervisor.send(reply)),
          onReady: (supervisor) => {
            if (supervisor.snapshot.restarts > 0) this.#emitEvent(supervisor, "serving");
          },
          onUnresponsive: (supervisor, seconds) =>
            this.#emitEvent(supervisor, "hung", `no report for ${seconds} s`),
          onExit: (supervisor, exitStatus) => {
            if (!supervisor.isReady) void this.#sockets.renew(worker);
            this.#workerExited(supervisor, exitStatus);
          },
        }),
    );
  }

  get ports(): readonly number[] {
    return this.#ports;
  }

  get workers(): readonly WorkerSnapshot[] {
    return this.#supervisors.map((supervisor) => supervisor.snapshot);
  }

  #sendCertificates(supervisors: readonly WorkerSupervisor[]): void {
    const { content } = this.#options.certificates;
    for (const supervisor of supervisors) supervisor.send({ kind: "certificates", content });
  }

  async listen(): Promise<void> {
    const { config, sockets = () => [] } = this.#options;
    this.#ports = await this.#sockets.open(config.listeners, sockets);
    this.#unfollow = this.#options.certificates.onChange(() => this.#sendCertificates(this.#supervisors));
    this.#cancelTick = repeat(this.#options.schedule, tickMs, () => {
      for (const supervisor of this.#supervisors) supervisor.tick();
    });
    await Promise.all(this.#supervisors.map((supervisor) => supervisor.start()));
  }

  apply(desired: Config): void {
    if (desired.routes !== this.#desired.routes)
      this.#options.metrics.routes.retain(new Set(countedRoutes(desired.routes)));
    this.#desired = desired;
    this.#broadcaster.schedule();
  }

  refreshCounters(): void {
    this.#counters.write(this.#reports);
  }

  /** Broadcasts the state first, so that retries of aborted attempts go to another upstream. */
  abortAttempts(upstream: Upstream): Promise<number> {
    this.#broadcaster.broadcast();
    return this.#aborts.request(this.#supervisors, identityOf(upstream));
  }

  /** Each worker confirms the revision of the state that it has applied. */
  announceChallenges(): Promise<void> {
    this.#broadcaster.broadcast();
    return this.#confirmations.of(this.#broadcaster.revision, this.#supervisors);
  }

  active(): number {
    return this.#reports.reduce((sum, { latest }) => sum + latest.active, 0);
  }

  clients(): number | null {
    // A worker that starts has none yet; where the engine does not tell, none of them does.
    const known = this.#reports.flatMap(({ latest }) => latest.clients ?? []);
    return known.length > 0 ? known.reduce((sum, clients) => sum + clients, 0) : null;
  }

  rssBytes(): number {
    return this.#reports.reduce((sum, { latest }) => sum + latest.rssBytes, 0);
  }

  processCounters(): ProcessCounters {
    return this.#counters.processCounters(this.#reports);
  }

  setShedding(isShedding: boolean): void {
    this.#isShedding = isShedding;
    this.#broadcaster.schedule();
  }

  reopenLogs(): void {
    for (const supervisor of this.#supervisors) supervisor.send({ kind: "reopen-logs" });
  }

  /** True only after every worker has applied the state in which the upstream takes no traffic, and has reported since. */
  isDrained({ mode, inFlight }: Upstream): boolean {
    if (mode === "ready" || inFlight > 0 || this.#broadcaster.isPending) return false;
    return this.#supervisors.every(
      ({ isReady, reported }) => !isReady || reported?.latest.revision === this.#broadcaster.revision,
    );
  }

  measure({ pool: { name } }: PoolEntry): PoolGauges {
    const parts = this.#reports.flatMap(({ pools }) => pools.get(name) ?? []);
    return {
      retryBudget: { balance: parts.reduce((sum, { retryBudgetBalance }) => sum + retryBudgetBalance, 0) },
      queue: { size: parts.reduce((sum, { queued }) => sum + queued, 0) },
    };
  }

  sockets(): readonly (readonly ListeningSocket[])[] | undefined {
    return this.#sockets.all;
  }

  retire(): void {
    this.#sockets.close();
    for (const supervisor of this.#supervisors) supervisor.send({ kind: "retire" });
  }

  async drain(): Promise<void> {
    // Otherwise connections would wait where no worker accepts them.
    this.#sockets.close();
    await Promise.all(this.#supervisors.map((supervisor) => supervisor.drain()));
    this.#stopTimers();
  }

  /** Lets the workers flush their telemetry and exit; kills the remaining ones after a timeout. */
  async end(): Promise<void> {
    this.#stopTimers();
    await Promise.race([
      Promise.all(this.#supervisors.map((supervisor) => supervisor.shutdown())),
      sleep(shutdownTimeoutMs),
    ]);
    this.close();
  }

  close(): void {
    this.#sockets.close();
    this.#stopTimers();
    for (const supervisor of this.#supervisors) supervisor.close();
  }

  #stopTimers(): void {
    this.#broadcaster.stop();
    this.#cancelTick?.();
    this.#unfollow?.();
  }

  /** Made once for each configuration, so that what has not changed is the same object. */
  #workerConfig(): Config {
    const made = this.#made;
    if (made?.from === this.#desired && made.ports === this.#ports) return made.config;
    const config = perWorkerConfig(this.#desired, this.#options.launcher.count, this.#ports);
    this.#made = { from: this.#desired, ports: this.#ports, config };
    return config;
  }

  /** Of each worker that has reported and not exited. */
  get #reports(): readonly MergedReport[] {
    return this.#supervisors.flatMap(({ reported }) => reported ?? []);
  }

  #reportReceived(supervisor: WorkerSupervisor, report: WorkerReport): void {
    const { registry, observer, clock } = this.#options;
    this.#counters.reported(report);
    this.#confirmations.reported(supervisor);
    this.#sumInFlight(report.upstreams.map(({ upstream }) => upstream));
    const onOlder = (upstream: Upstream) => this.#changes.repeat(upstream);
    if (mergeVerdicts(registry, report, { observer, onOlder, now: clock() })) this.#broadcaster.schedule();
  }

  /** Writes the sums of all workers to the pools, for limits, drains and snapshots. @param identities of the upstreams */
  #sumInFlight(identities: Iterable<string>): void {
    const { registry } = this.#options;
    const reports = this.#reports;
    for (const identity of identities) {
      const found = registry.locate(identity);
      if (found) found.entry.pool.setInFlight(found.upstream, sumInFlight(reports, identity));
    }
  }

  #workerExited(supervisor: WorkerSupervisor, exitStatus: string): void {
    const { reported } = supervisor;
    if (reported) this.#counters.retire(reported);
    supervisor.reported = undefined;
    this.#broadcaster.exited(supervisor);
    this.#aborts.supervisorExited(supervisor);
    this.#confirmations.supervisorExited(supervisor);
    if (reported) this.#sumInFlight(reported.upstreams.keys());
    this.#emitEvent(supervisor, "gone", exitStatus);
  }

  #emitEvent({ pid, isReady }: WorkerSupervisor, to: WorkerEvent["to"], detail = ""): void {
    const from = to === "serving" ? "gone" : isReady ? "serving" : "starting";
    this.#options.onWorkerEvent({ pid, from, to, detail });
  }
}

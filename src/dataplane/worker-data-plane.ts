/** The plane in several processes: tells each of them the state, and makes one picture of what they report. */

import type { Config } from "../config/config.ts";
import type { DataPlane, PoolGauges } from "./data-plane.ts";
import { type DesiredState, perWorkerConfig, buildDesiredState, sumInFlight } from "./messages.ts";
import { StallQuorum } from "./stall-quorum.ts";
import { AbortCoordinator, CounterAggregator, mergeVerdicts } from "./worker-aggregation.ts";
import { type Spawn, WorkerSupervisor } from "./worker-supervisor.ts";
import { type WorkerSnapshot } from "../snapshot/snapshot.ts";
import { type Cancel, type Clock, repeat, type Schedule, sleep } from "../lib/clock.ts";
import type { FaultRegistry } from "../fault/fault-registry.ts";
import type { Metrics } from "../metrics/metrics.ts";
import type { ProcessCounters } from "../metrics/process-families.ts";
import type { PoolObserver } from "../pool/pool.ts";
import type { Upstream } from "../pool/upstream.ts";
import type { StallSuspicion } from "../probe/stall-detector.ts";
import type { RequestRecord } from "../proxy/record.ts";
import { identityOf, type PoolEntry, type PoolRegistry } from "../registry/pool-registry.ts";

/** What only the process around it can do. */
export interface WorkerLauncher {
  readonly count: number;
  readonly spawn: Spawn;
  /** The port, or a free one for 0, if nobody else listens there. Rejects with the system's code. */
  readonly claimPort: (hostname: string, port: number) => Promise<number>;
}

/** A change of one worker's state, for event log and log. */
export interface WorkerEvent {
  readonly pid: number | undefined;
  readonly from: "starting" | "serving" | "gone";
  readonly to: "serving" | "hung" | "gone";
  /** How it ended, or for how long it has been silent; empty where nothing more is known. */
  readonly detail: string;
}

export interface WorkerDataPlaneOptions {
  readonly launcher: WorkerLauncher;
  /** As it was at the start. */
  readonly config: Config;
  readonly registry: PoolRegistry;
  /** Its meters become the sum of the workers'. */
  readonly metrics: Metrics;
  /** Hears of the verdicts that workers reach. */
  readonly observer: PoolObserver;
  /** Hears of upstreams on which attempts wait for too long, whoever waits. */
  readonly onSuspicion: (suspicions: readonly StallSuspicion[]) => void;
  /** Hears of requests that workers have kept, and whether there were others. */
  readonly onRequests: (requests: readonly RequestRecord[], isSampled: boolean) => void;
  /** Called when a worker is serving again, hangs, or is gone. */
  readonly onWorkerEvent: (event: WorkerEvent) => void;
  readonly faults: FaultRegistry;
  readonly clock: Clock;
  readonly schedule: Schedule;
}

/** The second that workers' silence is counted in. */
const tickMs = 1_000;

/** How long one that has nothing to do any more may take to end: what it writes may take two seconds. */
const shutdownTimeoutMs = 3_000;

export class WorkerDataPlane implements DataPlane {
  readonly #options: WorkerDataPlaneOptions;
  readonly #supervisors: readonly WorkerSupervisor[];
  readonly #counters: CounterAggregator;
  readonly #quorum: StallQuorum;
  readonly #aborts: AbortCoordinator;
  #desired: Config;
  #port = 0;
  readonly #broadcaster: StateBroadcaster;
  #isShedding = false;
  #cancelTick: Cancel | undefined;

  constructor(options: WorkerDataPlaneOptions) {
    this.#options = options;
    this.#desired = options.config;
    this.#counters = new CounterAggregator(options);
    const { launcher, registry, clock, schedule } = options;
    this.#aborts = new AbortCoordinator(schedule);
    this.#broadcaster = new StateBroadcaster({
      schedule,
      state: () => this.#state(),
      send: (state, revision) => this.#sendState(state, revision),
    });
    this.#quorum = new StallQuorum({
      ...{ registry, clock },
      supervisors: () => this.#supervisors.filter(({ isResponsive }) => isResponsive),
      onSuspicion: (suspicions) => {
        options.onSuspicion(suspicions);
        if (suspicions.some(({ upstream }) => upstream.isDown)) this.#broadcaster.schedule();
      },
    });
    this.#supervisors = Array.from(
      { length: launcher.count },
      () =>
        new WorkerSupervisor({
          ...{ spawn: launcher.spawn, clock, schedule, onRequests: options.onRequests },
          onHello: () => this.#broadcaster.broadcast(),
          onReport: (supervisor) => this.#reportReceived(supervisor),
          onEvidence: (supervisor, evidence) => this.#quorum.receive(supervisor, evidence),
          onAborted: (...report) => this.#aborts.receive(...report),
          onReady: (supervisor) => {
            if (supervisor.snapshot.restarts > 0) this.#emitEvent(supervisor, "serving");
          },
          onUnresponsive: (supervisor, seconds) =>
            this.#emitEvent(supervisor, "hung", `silent for ${seconds} s`),
          onExit: (supervisor, exitStatus) => this.#workerExited(supervisor, exitStatus),
        }),
    );
  }

  get port(): number {
    return this.#port;
  }

  get workers(): readonly WorkerSnapshot[] {
    return this.#supervisors.map((supervisor) => supervisor.snapshot);
  }

  async listen(): Promise<void> {
    const { launcher, config } = this.#options;
    this.#port = await launcher.claimPort(config.listen.hostname, config.listen.port);
    this.#cancelTick = repeat(this.#options.schedule, tickMs, () => {
      for (const supervisor of this.#supervisors) supervisor.tick();
    });
    await Promise.all(this.#supervisors.map((supervisor) => supervisor.start()));
  }

  apply(desired: Config): void {
    this.#desired = desired;
    this.#broadcaster.schedule();
  }

  refreshCounters(): void {
    this.#counters.write(this.#supervisors.flatMap(({ lastReport: counts }) => (counts ? [counts] : [])));
  }

  /** They hear first that nothing shall go there any more: what is cut and may be tried again goes elsewhere. */
  abortAttempts(upstream: Upstream): Promise<number> {
    this.#broadcaster.broadcast();
    return this.#aborts.request(this.#supervisors, identityOf(upstream));
  }

  active(): number {
    return this.#supervisors.reduce((sum, { lastReport: counts }) => sum + (counts?.active ?? 0), 0);
  }

  rssBytes(): number {
    return this.#supervisors.reduce((sum, { lastReport: counts }) => sum + (counts?.rssBytes ?? 0), 0);
  }

  processCounters(): ProcessCounters {
    return this.#counters.processCounters(
      this.#supervisors.flatMap(({ lastReport: counts }) => (counts ? [counts] : [])),
    );
  }

  setShedding(isShedding: boolean): void {
    this.#isShedding = isShedding;
    this.#broadcaster.schedule();
  }

  /** Only when every worker has reported after it heard that nothing shall go there any more. */
  isDrained({ mode, inFlight }: Upstream): boolean {
    if (mode === "ready" || inFlight > 0 || this.#broadcaster.isPending) return false;
    return this.#supervisors.every(
      ({ isReady, lastReport: counts }) => !isReady || counts?.revision === this.#broadcaster.revision,
    );
  }

  measure({ pool: { name } }: PoolEntry): PoolGauges {
    const parts = this.#supervisors.flatMap(
      ({ lastReport: counts }) => counts?.pools.find((pool) => pool.name === name) ?? [],
    );
    return {
      retryBudget: { balance: parts.reduce((sum, { retriesLeft }) => sum + retriesLeft, 0) },
      queue: { size: parts.reduce((sum, { queued }) => sum + queued, 0) },
    };
  }

  async drain(): Promise<void> {
    await Promise.all(this.#supervisors.map((supervisor) => supervisor.drain()));
    this.#stopTimers();
  }

  /** They write down what they did; whoever does not leave is ended. */
  async end(): Promise<void> {
    this.#stopTimers();
    await Promise.race([
      Promise.all(this.#supervisors.map((supervisor) => supervisor.shutdown())),
      sleep(shutdownTimeoutMs),
    ]);
    this.close();
  }

  close(): void {
    this.#stopTimers();
    for (const supervisor of this.#supervisors) supervisor.close();
  }

  #stopTimers(): void {
    this.#broadcaster.stop();
    this.#cancelTick?.();
  }

  #state(): DesiredState {
    const { registry, launcher, faults } = this.#options;
    // Reading brings verdicts up to date whose time has come.
    for (const pool of registry.pools) void pool.available;
    return buildDesiredState(perWorkerConfig(this.#desired, launcher.count, this.#port), registry, faults);
  }

  #sendState(state: DesiredState, revision: number): void {
    const common = { revision, now: this.#options.clock(), shedding: this.#isShedding };
    for (const [index, supervisor] of this.#supervisors.entries()) {
      supervisor.send({
        kind: "state",
        ...common,
        worker: { index, count: this.#supervisors.length },
        ...state,
      });
    }
  }

  #reportReceived({ lastReport: counts }: WorkerSupervisor): void {
    const { registry, observer, clock } = this.#options;
    this.#sumInFlight();
    if (counts && mergeVerdicts(registry, counts, { observer, now: clock() })) this.#broadcaster.schedule();
  }

  /** What is under way everywhere, for limits, drains and pictures. */
  #sumInFlight(): void {
    const totals = sumInFlight(
      this.#supervisors.flatMap(({ lastReport: counts }) => counts?.upstreams ?? []),
    );
    for (const pool of this.#options.registry.pools) {
      for (const upstream of pool.upstreams) {
        pool.setInFlight(upstream, totals.get(identityOf(upstream)) ?? { inFlight: 0, tunnels: 0 });
      }
    }
  }

  #workerExited(supervisor: WorkerSupervisor, exitStatus: string): void {
    const { lastReport: counts } = supervisor;
    if (counts) this.#counters.retire(counts);
    supervisor.lastReport = undefined;
    this.#aborts.supervisorExited(supervisor);
    this.#sumInFlight();
    this.#emitEvent(supervisor, "gone", exitStatus);
  }

  #emitEvent({ pid, isReady }: WorkerSupervisor, to: WorkerEvent["to"], detail = ""): void {
    const from = to === "serving" ? "gone" : isReady ? "serving" : "starting";
    this.#options.onWorkerEvent({ pid, from, to, detail });
  }
}

// When workers are told the state: soon after it has changed, all changes of a moment together, and each second in any case.

export interface StateBroadcasterOptions {
  readonly schedule: Schedule;
  /** The state as it is now. */
  readonly state: () => DesiredState;
  /** Sends it to everybody. */
  readonly send: (state: DesiredState, revision: number) => void;
}

/** Whoever missed a state is right again after this long. */
const broadcastIntervalMs = 1_000;

/** Changes that come together are told together. */
const broadcastDelayMs = 2;

/** `resting ──soon, or a second──▶ now ──▶ resting`; a revision for each state that differs from the one before. */
export class StateBroadcaster {
  readonly #options: StateBroadcasterOptions;
  #sentState = "";
  #cancel: Cancel | undefined;
  /** Of the state that was told last. */
  revision = 0;
  /** Something has changed that nobody has been told yet. */
  isPending = false;

  constructor(options: StateBroadcasterOptions) {
    this.#options = options;
  }

  schedule(): void {
    if (this.isPending) return;
    this.isPending = true;
    this.#broadcastIn(broadcastDelayMs);
  }

  broadcast(): void {
    const { state, send } = this.#options;
    const current = state();
    const serialized = JSON.stringify(current);
    if (serialized !== this.#sentState) this.revision += 1;
    [this.#sentState, this.isPending] = [serialized, false];
    this.#broadcastIn(broadcastIntervalMs);
    send(current, this.revision);
  }

  stop(): void {
    this.#cancel?.();
  }

  #broadcastIn(delayMs: number): void {
    this.#cancel?.();
    this.#cancel = this.#options.schedule(delayMs, () => this.broadcast());
  }
}

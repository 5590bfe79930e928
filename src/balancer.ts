/** The running whole: puts the pieces together from a configuration, starts, drains and stops them. */

import type { Config } from "./config/config.ts";
import { configurationAfter } from "./control/configuration-after.ts";
import type { Control } from "./control/control.ts";
import { type Course, courseOf, type ReloadEnd, type Reread } from "./control/course.ts";
import { Drains } from "./control/drains.ts";
import { metricsText } from "./control/exposed.ts";
import { Fleet, targetsOf } from "./control/fleet.ts";
import { Helm } from "./control/helm.ts";
import { Intents } from "./control/intents.ts";
import { type Happening, Journal } from "./control/journal.ts";
import type { MemoryWatch } from "./control/memory-watch.ts";
import { eventsShown, Pictures } from "./control/pictures.ts";
import { sheddingWatch } from "./control/shedding.ts";
import { recordDrain, recordProbed, verdictObserver } from "./control/verdicts.ts";
import type { UpstreamDetail } from "./detail.ts";
import type { Engine } from "./engine/engine.ts";
import { History, type HistoryAnswer, type HistoryQuery } from "./history/history.ts";
import { historyReports } from "./history/reports.ts";
import type { HistoryStore } from "./history/store.ts";
import { type Clock, sleep, systemClock, systemSchedule, systemWallClock } from "./lib/clock.ts";
import type { Log } from "./lib/log.ts";
import { systemRandom } from "./lib/random.ts";
import { Metrics } from "./metrics/metrics.ts";
import { DataPlane, type DataPlaneSetting, type Plane } from "./plane/data-plane.ts";
import { type WorkerHost, Workers } from "./plane/workers.ts";
import type { StreakState } from "./pool/streak.ts";
import { type ProbeResult, probeWith } from "./probe/probe.ts";
import { Prober, type Target } from "./probe/prober.ts";
import { Requests } from "./requests/requests.ts";
import type { Runtime } from "./runtime/runtime.ts";
import type { ConfigurationSnapshot, Phase, Snapshot } from "./snapshot.ts";
import type { Store } from "./state/store.ts";
import { type Onlookers, withTaker } from "./telemetry/telemetry.ts";

export interface BalancerSetting {
  readonly config: Config;
  readonly reread: Reread;
  readonly runtime: Runtime;
  readonly engine: Engine;
  readonly store: Store;
  readonly historyStore: HistoryStore;
  readonly log: Log;
  readonly version: string;
  /** Present where other processes serve the clients. */
  readonly workers?: WorkerHost;
  readonly onlookers?: Onlookers;
}

/** `starting → ready → draining → stopped` */
export class Balancer {
  readonly #setting: BalancerSetting;
  readonly #clock: Clock = systemClock;
  readonly #startedAt = systemWallClock();
  readonly #metrics: Metrics;
  readonly #journal: Journal;
  readonly #fleet: Fleet;
  readonly #pictures: Pictures;
  readonly #prober: Prober;
  readonly #course: Course;
  #configuration: ConfigurationSnapshot;
  readonly #plane: Plane;
  readonly #history: History;
  readonly #memory: MemoryWatch;
  #phase: Phase = "starting";
  /** What the operator can do while it runs. */
  readonly control: Control;
  readonly requests: Requests;

  constructor(setting: BalancerSetting) {
    this.#setting = setting;
    const { config, reread, runtime, store, log } = setting;
    const [clock, wallClock, schedule] = [this.#clock, systemWallClock, systemSchedule];
    this.#metrics = new Metrics(clock);
    this.#journal = new Journal({ store, wallClock, schedule, log });
    const observer = verdictObserver({ metrics: this.#metrics, journal: this.#journal, log });
    this.#fleet = new Fleet({ clock, random: systemRandom, observer });
    const intents = new Intents(store);
    const drains = new Drains({
      ...{ clock, wallClock, schedule, isEmpty: (upstream) => this.#plane.isEmpty(upstream) },
      onStage: (upstream, stage) => {
        const pool = this.#fleet.find(upstream.id)?.member.pool.name ?? null;
        recordDrain(this.#journal, { pool, upstream, stage });
      },
    });
    this.#prober = new Prober({
      probe: probeWith(runtime, clock),
      ...{ clock, schedule, random: systemRandom },
      onResult: (target, result, changedFrom) => this.#probed(target, result, changedFrom),
    });
    const [fleet, prober, journal, metrics] = [this.#fleet, this.#prober, this.#journal, this.#metrics];
    const measure: Plane["measure"] = (member) => this.#plane.measure(member);
    this.#pictures = new Pictures({
      ...{ fleet, intents, drains, journal, metrics, clock, wallClock, measure },
    });
    this.#course = courseOf({
      ...{ config, reread, intents, fleet, prober, drains, journal, log, wallClock },
      cutter: () => this.#plane.cut?.bind(this.#plane),
      onSteered: () => this.#plane.follow(this.#course.wanted),
      onReload: (end) => this.#reloaded(end),
    });
    this.control = new Helm(this.#course);
    const onSuspicion: DataPlaneSetting["onSuspicion"] = (all) => all.forEach((one) => prober.suspect(one));
    const requests = (this.requests = new Requests({ fleet, clock, wallClock }));
    const house = { config: this.#course.wanted, fleet, metrics, clock, schedule, log, onSuspicion };
    const { engine, workers: host, onlookers } = setting;
    this.#plane = host
      ? new Workers({ ...house, host, observer, journal, onRequests: (...kept) => requests.adopt(...kept) })
      : new DataPlane({ ...house, ...withTaker(onlookers, requests.taker), engine, sharesPort: false });
    this.#configuration = { takenAt: this.#startedAt, refused: null, needsRestart: [] };
    const watched = { memory: runtime.memory, config: () => this.config, plane: this.#plane };
    this.#memory = sheddingWatch({ ...watched, journal, log, schedule });
    this.#history = new History({
      pools: () => this.#tallied(),
      queuedIn: (pool) => this.#pictures.queuedIn(pool),
      ...{ metrics, store: setting.historyStore, clock, wallClock, schedule },
      onLook: (upstream) => this.#pictures.look(upstream),
      onFailure: historyReports(log, clock),
    });
  }

  /** The one that counts now, as it was read. */
  get config(): Config {
    return this.#course.config;
  }

  get phase(): Phase {
    return this.#phase;
  }

  /** The port that clients reach it on; 0 before it listens. */
  get port(): number {
    return this.#plane.port;
  }

  /** First verdicts, then the listener. Rejects with the system's code if the port cannot be had. */
  async start(): Promise<void> {
    await this.#prober.watch(targetsOf(this.#fleet.next(this.#course.wanted)));
    try {
      await this.#plane.listen();
    } catch (error) {
      this.#prober.stop();
      this.#plane.close();
      throw error;
    }
    this.#history.start();
    this.#memory.start();
    this.#turnTo("ready");
  }

  /**
   * Says that it is not ready, goes on serving for the configured delay, then takes nothing new and waits for what is
   * under way, at most as long as configured; then cuts the rest.
   * @returns how many requests were cut
   */
  async drain(): Promise<number> {
    const { drainDelayMs, drainTimeoutMs } = this.#course.config;
    this.control.endRehearsals("draining");
    this.#turnTo("draining");
    const inFlight = this.#plane.active();
    this.#setting.log.info("draining", { delayMs: drainDelayMs, deadlineMs: drainTimeoutMs, inFlight });
    if (drainDelayMs > 0) await sleep(drainDelayMs);
    this.#memory.stop();
    this.#prober.stop();
    await Promise.race([this.#plane.drain(), sleep(drainTimeoutMs)]);
    const cut = this.#plane.active();
    await this.#plane.end();
    this.#history.stop();
    this.#turnTo("stopped");
    this.#journal.flush();
    return cut;
  }

  /** Cuts everything, and writes down what the record still holds. */
  close(): void {
    this.#memory.stop();
    this.#prober.stop();
    this.#history.stop();
    this.#plane.close();
    this.#journal.flush();
  }

  /** Adds to the record: for verdicts that are found elsewhere. */
  record(happening: Happening): void {
    this.#journal.add(happening);
  }

  snapshot(): Snapshot {
    const { engine, runtime, version } = this.#setting;
    const { listen } = this.#course.config;
    this.#plane.tally();
    return {
      at: systemWallClock(),
      phase: this.#phase,
      version,
      runtime: `${runtime.name} ${runtime.version}`,
      engine: engine.name,
      startedAt: this.#startedAt,
      listen: `${listen.hostname}:${this.port || listen.port}`,
      inFlight: this.#plane.active(),
      configuration: this.#configuration,
      memory: this.#memory.snapshot,
      ...(this.#plane.workers && { workers: this.#plane.workers }),
      pools: this.#pictures.pools(),
      events: this.#journal.events({ limit: eventsShown }),
    };
  }

  /** One upstream's picture; undefined if there is no such upstream. */
  upstream(id: string): UpstreamDetail | undefined {
    this.#plane.tally();
    return this.#pictures.upstream(id);
  }

  /** Undefined if there is no such pool or upstream. */
  history(query: HistoryQuery): HistoryAnswer | undefined {
    return this.#history.read(query);
  }

  #tallied() {
    this.#plane.tally();
    return this.#fleet.pools;
  }

  /** The Prometheus text of all metrics. */
  metricsText(): Promise<string> {
    const [metrics, fleet, plane, memory] = [this.#metrics, this.#fleet, this.#plane, this.#memory];
    return metricsText({ metrics, fleet, plane, memory });
  }

  #turnTo(phase: Phase): void {
    const whole = { kind: "phase", pool: null, upstream: null, reason: "lifecycle" } as const;
    this.#journal.add({ ...whole, from: this.#phase, to: phase, by: "balancer", detail: "" });
    this.#phase = phase;
  }

  #probed(target: Target, result: ProbeResult, from: StreakState | undefined): void {
    this.#metrics.of(target.upstream).probed(result.success);
    this.#pictures.probed(target.upstream, { at: systemWallClock(), ...result });
    if (from === undefined) return;
    this.#plane.follow(this.#course.wanted);
    recordProbed({ journal: this.#journal, log: this.#setting.log }, target, { result, from });
  }

  #reloaded(end: ReloadEnd): void {
    this.#metrics.reloaded(end.result);
    this.#configuration = configurationAfter(end, this.#configuration, systemWallClock());
  }
}

/** The running whole: puts the pieces together from a configuration, starts, drains and stops them. */

import type { Config } from "./config/config.ts";
import type { Control } from "./control/control.ts";
import { type Course, courseOf, type ReloadEnd, type Reread } from "./control/course.ts";
import { Drains } from "./control/drains.ts";
import { Fleet, targetsOf } from "./control/fleet.ts";
import { Helm } from "./control/helm.ts";
import { Intents } from "./control/intents.ts";
import { type Happening, Journal } from "./control/journal.ts";
import { eventsShown, Pictures } from "./control/pictures.ts";
import { verdictObserver } from "./control/verdicts.ts";
import type { Engine, EngineListener, EngineLog } from "./engine/engine.ts";
import { type Clock, sleep, systemClock, systemSchedule, systemWallClock } from "./lib/clock.ts";
import type { Log } from "./lib/log.ts";
import { systemRandom } from "./lib/random.ts";
import { throttle } from "./lib/throttle.ts";
import { exposition } from "./metrics/exposition.ts";
import { families } from "./metrics/families.ts";
import { Metrics } from "./metrics/metrics.ts";
import type { StreakState } from "./pool/streak.ts";
import { authorityOf } from "./pool/upstream.ts";
import { type ProbeResult, probeWith } from "./probe/probe.ts";
import { Prober, type Target } from "./probe/prober.ts";
import { Exchange } from "./proxy/exchange.ts";
import { requestIds } from "./proxy/request-id.ts";
import { trustedBy } from "./proxy/trust.ts";
import type { Runtime } from "./runtime/runtime.ts";
import type { ConfigurationSnapshot, Phase, Snapshot, UpstreamSnapshot } from "./snapshot.ts";
import type { Store } from "./state/store.ts";

export interface BalancerSetting {
  readonly config: Config;
  readonly reread: Reread;
  readonly runtime: Runtime;
  readonly engine: Engine;
  readonly store: Store;
  readonly log: Log;
  readonly version: string;
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
  #trusts: (address: string) => boolean;
  #listener: EngineListener | undefined;
  #phase: Phase = "starting";
  /** What the operator can do while it runs. */
  readonly control: Control;

  constructor(setting: BalancerSetting) {
    this.#setting = setting;
    const { config, reread, runtime, store, log } = setting;
    const [clock, wallClock, schedule] = [this.#clock, systemWallClock, systemSchedule];
    this.#metrics = new Metrics(clock);
    this.#journal = new Journal({ store, wallClock, schedule, log });
    this.#fleet = new Fleet({
      clock,
      random: systemRandom,
      observer: verdictObserver({ metrics: this.#metrics, journal: this.#journal, log }),
    });
    const intents = new Intents(store);
    const drains = new Drains({
      ...{ clock, wallClock, schedule },
      onStage: (upstream, stage) => {
        const pool = this.#fleet.find(upstream.id)?.member.pool.name ?? null;
        const left = `${upstream.inFlight} in flight`;
        const from = { kind: "drain", pool, upstream: upstream.id, from: "draining" } as const;
        this.#journal.add({
          ...from,
          to: stage,
          reason: stage === "drained" ? "drain_done" : "drain_late",
          by: "balancer",
          detail: left,
        });
      },
    });
    this.#prober = new Prober({
      probe: probeWith(runtime, clock),
      schedule,
      random: systemRandom,
      lookout: { clock, p99Ms: (upstream) => this.#metrics.of(upstream).p99Ms(clock()) },
      onResult: (target, result, changedFrom) => this.#probed(target, result, changedFrom),
    });
    const [fleet, prober, journal, metrics] = [this.#fleet, this.#prober, this.#journal, this.#metrics];
    this.#pictures = new Pictures({ fleet, intents, drains, journal, metrics, clock, wallClock });
    this.#course = courseOf({
      ...{ config, reread, intents, fleet, prober, drains, journal, log, wallClock },
      cutter: () => {
        const listener = this.#listener;
        return listener?.cut && ((upstream) => listener.cut?.(upstream) ?? 0);
      },
      onReload: (end) => this.#reloaded(end),
    });
    this.control = new Helm(this.#course);
    this.#configuration = { takenAt: this.#startedAt, refused: null, needsRestart: [] };
    this.#trusts = trustedBy(config.trustedProxies);
  }

  get phase(): Phase {
    return this.#phase;
  }

  /** The port that clients reach it on; 0 before it listens. */
  get port(): number {
    return this.#listener?.port ?? 0;
  }

  /** First verdicts, then the listener. Rejects with the system's code if the port cannot be had. */
  async start(): Promise<void> {
    const { engine, log } = this.#setting;
    const { config } = this.#course;
    await this.#prober.watch(targetsOf(this.#fleet.next(this.#course.wanted)));
    try {
      this.#listener = await engine.listen({
        ...config.listen,
        clientTimeouts: config.clientTimeouts,
        exchange: () =>
          new Exchange({ routes: () => this.#fleet.routes, clock: this.#clock, observer: this.#metrics }),
        requestId: requestIds(systemRandom),
        trusts: (address) => this.#trusts(address),
        log: engineLogOf(log, this.#clock),
      });
    } catch (error) {
      this.#prober.stop();
      throw error;
    }
    this.#turnTo("ready");
  }

  /**
   * Says that it is not ready, goes on serving for the configured delay, then takes nothing new and waits for what is
   * under way, at most as long as configured; then cuts the rest.
   * @returns how many requests were cut
   */
  async drain(): Promise<number> {
    const { drainDelayMs, drainTimeoutMs } = this.#course.config;
    this.#turnTo("draining");
    const inFlight = this.#listener?.active() ?? 0;
    this.#setting.log.info("draining", { delayMs: drainDelayMs, deadlineMs: drainTimeoutMs, inFlight });
    if (drainDelayMs > 0) await sleep(drainDelayMs);
    this.#prober.stop();
    const listener = this.#listener;
    let cut = 0;
    if (listener) {
      await Promise.race([listener.drain(), sleep(drainTimeoutMs)]);
      cut = listener.active();
      listener.close();
    }
    this.#turnTo("stopped");
    this.#journal.flush();
    return cut;
  }

  /** Cuts everything, and writes down what the record still holds. */
  close(): void {
    this.#prober.stop();
    this.#listener?.close();
    this.#journal.flush();
  }

  /** Adds to the record: for verdicts that are found elsewhere. */
  record(happening: Happening): void {
    this.#journal.add(happening);
  }

  snapshot(): Snapshot {
    const { engine, runtime, version } = this.#setting;
    const { listen } = this.#course.config;
    return {
      at: systemWallClock(),
      phase: this.#phase,
      version,
      runtime: `${runtime.name} ${runtime.version}`,
      engine: engine.name,
      startedAt: this.#startedAt,
      listen: `${listen.hostname}:${this.port || listen.port}`,
      inFlight: this.#listener?.active() ?? 0,
      configuration: this.#configuration,
      pools: this.#pictures.pools(),
      events: this.#journal.events({ limit: eventsShown }),
    };
  }

  /** One upstream's picture; undefined if there is no such upstream. */
  upstream(id: string): UpstreamSnapshot | undefined {
    return this.#pictures.upstream(id);
  }

  /** The Prometheus text of all metrics. */
  metricsText(): string {
    return exposition(families(this.#metrics, this.#fleet.members));
  }

  #turnTo(phase: Phase): void {
    const whole = { kind: "phase", pool: null, upstream: null, reason: "lifecycle" } as const;
    this.#journal.add({ ...whole, from: this.#phase, to: phase, by: "balancer", detail: "" });
    this.#phase = phase;
  }

  #probed({ pool, upstream }: Target, result: ProbeResult, from: StreakState | undefined): void {
    this.#metrics.of(upstream).probed(result.success);
    this.#pictures.probed(upstream, { at: systemWallClock(), ...result });
    if (from === undefined) return;
    const { log } = this.#setting;
    const to = upstream.streak.state;
    const named = { pool: pool.name, upstream: upstream.id };
    const reason = result.success ? "probe_passed" : "probe_failed";
    this.#journal.add({ kind: "probe", ...named, from, to, reason, by: "prober", detail: result.detail });
    const fields = { ...named, address: authorityOf(upstream.address), probe: result.detail };
    if (result.success) log.info("upstream passing", fields);
    else log.warn("upstream failing", fields);
  }

  #reloaded(end: ReloadEnd): void {
    this.#metrics.reloaded(end.result);
    const at = systemWallClock();
    if (end.result === "refused") {
      const { by, problems } = end;
      this.#configuration = { ...this.#configuration, refused: { at, by, problems } };
      return;
    }
    const takenAt = end.result === "applied" ? at : this.#configuration.takenAt;
    this.#configuration = { takenAt, refused: null, needsRestart: end.needsRestart };
    this.#trusts = trustedBy(this.#course.config.trustedProxies);
  }
}

/** One dead upstream can fail thousands of requests a second: a few a second tell as much as all of them. */
const faultLinesPerSecond = 10;

function engineLogOf(log: Log, clock: Clock): EngineLog {
  const mayPass = throttle(faultLinesPerSecond, clock);
  return {
    bug: (error, requestId) => log.error("bug", { requestId, error }),
    fault: (message, fields) => {
      const held = mayPass();
      if (held !== undefined) log.warn(message, held > 0 ? { ...fields, heldBack: held } : fields);
    },
  };
}

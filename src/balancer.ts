/** The running whole: puts the pieces together from a configuration, and is what the admin side reads and steers. */

import type { Config, PoolConfig } from "./config/config.ts";
import { type UpstreamDetail, upstreamDetail } from "./detail.ts";
import type { Engine, EngineListener } from "./engine/engine.ts";
import { History, type HistoryAnswer, type HistoryQuery } from "./history/history.ts";
import type { HistoryStore } from "./history/store.ts";
import { type Clock, sleep, systemClock, systemSchedule, systemWallClock } from "./lib/clock.ts";
import type { Log } from "./lib/log.ts";
import { systemRandom } from "./lib/random.ts";
import { exposition } from "./metrics/exposition.ts";
import { families } from "./metrics/families.ts";
import { Metrics } from "./metrics/metrics.ts";
import { Observed } from "./observed.ts";
import { policyEntry } from "./policy/policies.ts";
import { Pool } from "./pool/pool.ts";
import { type Mode, Upstream } from "./pool/upstream.ts";
import { describePlan, probeWith } from "./probe/probe.ts";
import { Prober } from "./probe/prober.ts";
import { keyOf } from "./proxy/affinity.ts";
import { Exchange } from "./proxy/exchange.ts";
import { requestIds } from "./proxy/request-id.ts";
import type { Destination, Route } from "./proxy/route.ts";
import { engineLogOf, historyLogOf, logVerdict } from "./reports.ts";
import type { Runtime } from "./runtime/runtime.ts";
import {
  type Control,
  type Phase,
  poolSnapshot,
  type PoolView,
  type Snapshot,
  upstreamSnapshot,
  type UpstreamSnapshot,
} from "./snapshot.ts";
import type { Store } from "./state/store.ts";
import { trustedBy } from "./proxy/trust.ts";

export interface BalancerSetting {
  readonly config: Config;
  readonly runtime: Runtime;
  readonly engine: Engine;
  readonly store: Store;
  readonly historyStore: HistoryStore;
  readonly log: Log;
  readonly version: string;
}

/** A pool with the configuration it was made from. */
interface Member {
  readonly config: PoolConfig;
  readonly pool: Pool;
}

/** `starting → ready → draining → stopped` */
export class Balancer implements Control {
  readonly #setting: BalancerSetting;
  readonly #clock: Clock = systemClock;
  readonly #startedAt = systemWallClock();
  readonly #metrics: Metrics;
  readonly #members: readonly Member[];
  readonly #routes: readonly Route[];
  readonly #prober: Prober;
  readonly #observed = new Observed(systemWallClock);
  readonly #history: History;
  readonly #modesSet = new Map<Upstream, NonNullable<UpstreamSnapshot["modeSet"]>>();
  #listener: EngineListener | undefined;
  #phase: Phase = "starting";

  constructor(setting: BalancerSetting) {
    this.#setting = setting;
    const { config, runtime, log } = setting;
    this.#metrics = new Metrics(this.#clock);
    this.#members = config.pools.map((pool) => ({ config: pool, pool: poolOf(pool, this.#clock) }));
    this.#routes = routesOf(config, this.#members);
    this.#restoreModes();
    this.#prober = new Prober({
      probed: this.#members.map(({ config: { probe: plan }, pool }) => ({ pool, plan })),
      probe: probeWith(runtime, this.#clock),
      schedule: systemSchedule,
      random: systemRandom,
      onResult: (pool, upstream, result, changed) => {
        this.#metrics.of(upstream).probed(result.success);
        this.#observed.probed(upstream, { at: systemWallClock(), ...result });
        if (changed) logVerdict(log, pool, upstream, result);
      },
    });
    this.#history = new History({
      pools: () => this.#members.map(({ pool }) => pool),
      ...{ metrics: this.#metrics, store: setting.historyStore },
      ...{ clock: this.#clock, wallClock: systemWallClock, schedule: systemSchedule },
      onLook: (upstream) => void this.#observed.look(upstream),
      onFailure: historyLogOf(log, this.#clock),
    });
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
    const { config, engine, log } = this.#setting;
    await this.#prober.start();
    try {
      this.#listener = await engine.listen({
        ...config.listen,
        clientTimeouts: config.clientTimeouts,
        exchange: () =>
          new Exchange({ routes: () => this.#routes, clock: this.#clock, observer: this.#metrics }),
        requestId: requestIds(systemRandom),
        trusts: trustedBy(config.trustedProxies),
        log: engineLogOf(log, this.#clock),
      });
    } catch (error) {
      this.#prober.stop();
      throw error;
    }
    this.#history.start();
    this.#phase = "ready";
  }

  /**
   * Takes nothing new and waits for what is under way, at most as long as configured; then cuts the rest.
   * @returns how many requests were cut
   */
  async drain(): Promise<number> {
    this.#phase = "draining";
    this.#prober.stop();
    const listener = this.#listener;
    let cut = 0;
    if (listener) {
      await Promise.race([listener.drain(), sleep(this.#setting.config.drainTimeoutMs)]);
      cut = listener.active();
      listener.close();
    }
    this.#history.stop();
    this.#phase = "stopped";
    return cut;
  }

  setMode(id: string, mode: Mode, by: string): UpstreamSnapshot | undefined {
    const found = this.#find(id);
    if (!found) return undefined;
    const { member, upstream } = found;
    const at = systemWallClock();
    this.#setting.store.setMode({ upstream: id, mode, by, at });
    this.#modesSet.set(upstream, { by, at });
    if (member.pool.setMode(upstream, mode)) this.#setting.log.info("mode set", { upstream: id, mode, by });
    return upstreamSnapshot(this.#viewOf(member), upstream);
  }

  upstream(id: string): UpstreamDetail | undefined {
    const found = this.#find(id);
    return found && upstreamDetail(this.#viewOf(found.member), found.upstream, this.#observed);
  }

  history(query: HistoryQuery): HistoryAnswer | undefined {
    return this.#history.read(query);
  }

  snapshot(): Snapshot {
    const { config, engine, runtime, version } = this.#setting;
    return {
      at: systemWallClock(),
      phase: this.#phase,
      version,
      runtime: `${runtime.name} ${runtime.version}`,
      engine: engine.name,
      startedAt: this.#startedAt,
      listen: `${config.listen.hostname}:${this.port || config.listen.port}`,
      inFlight: this.#listener?.active() ?? 0,
      pools: this.#members.map((member) => poolSnapshot(this.#viewOf(member))),
    };
  }

  /** The Prometheus text of all metrics. */
  metricsText(): string {
    const pools = this.#members.map(({ pool }) => pool);
    return exposition(families(this.#metrics, pools));
  }

  #find(id: string): { readonly member: Member; readonly upstream: Upstream } | undefined {
    for (const member of this.#members) {
      const upstream = member.pool.upstreams.find((candidate) => candidate.id === id);
      if (upstream) return { member, upstream };
    }
    return undefined;
  }

  #viewOf({ config, pool }: Member): PoolView {
    return {
      pool,
      policy: config.policy,
      probe: describePlan(config.probe),
      metrics: this.#metrics,
      now: this.#clock(),
      notesOf: (upstream) => ({
        lastProbe: this.#observed.probesOf(upstream).at(-1) ?? null,
        statusSince: this.#observed.statusSince(upstream),
        modeSet: this.#modesSet.get(upstream) ?? null,
      }),
    };
  }

  #restoreModes(): void {
    const intents = new Map(this.#setting.store.modes().map((intent) => [intent.upstream, intent]));
    for (const { pool } of this.#members) {
      for (const upstream of pool.upstreams) {
        const intent = intents.get(upstream.id);
        if (!intent) continue;
        pool.setMode(upstream, intent.mode);
        this.#modesSet.set(upstream, { by: intent.by, at: intent.at });
      }
    }
  }
}

function poolOf(config: PoolConfig, clock: Clock): Pool {
  const { rise, fall } = config.probe;
  return new Pool({
    name: config.name,
    policy: policyEntry(config.policy).create({ random: systemRandom, clock }),
    upstreams: config.upstreams.map((spec) => new Upstream(spec, { rise, fall })),
    random: systemRandom,
  });
}

function routesOf(config: Config, members: readonly Member[]): readonly Route[] {
  const destinations = new Map(members.map((member) => [member.config.name, destinationOf(member)]));
  return config.routes.flatMap(({ pool, ...match }) => {
    const destination = destinations.get(pool);
    return destination ? [{ ...match, destination }] : [];
  });
}

function destinationOf({ config, pool }: Member): Destination {
  const { timeouts, retries } = config;
  return {
    pool,
    timeouts,
    retries,
    ...(policyEntry(config.policy).keyed && { keyOf: keyOf(config.hashBy) }),
  };
}

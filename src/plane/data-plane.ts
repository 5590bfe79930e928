/** The part that serves clients: exchanges over the pools of a fleet, behind one engine's listener. */

import type { Config } from "../config/config.ts";
import type { Fleet, Member } from "../control/fleet.ts";
import type { Engine, EngineListener, EngineLog } from "../engine/engine.ts";
import { type Clock, systemSchedule } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import { systemRandom } from "../lib/random.ts";
import { throttle } from "../lib/throttle.ts";
import type { Metrics } from "../metrics/metrics.ts";
import type { Upstream } from "../pool/upstream.ts";
import { Exchange } from "../proxy/exchange.ts";
import { Hedger } from "../proxy/hedger.ts";
import { requestIds } from "../proxy/request-id.ts";
import { trustedBy } from "../proxy/trust.ts";
import type { WorkerSnapshot } from "./seat.ts";

/** What the control plane asks of it: the same for one in this process and for several in processes of their own. */
export interface Plane {
  /** The port that clients reach it on; 0 before it listens. */
  readonly port: number;
  /** Missing where a single process does everything. */
  readonly workers?: readonly WorkerSnapshot[];
  /** Cuts what is under way on one upstream; missing where it has no way to. */
  readonly cut: ((upstream: Upstream) => number) | undefined;
  /** Takes clients. Rejects with the system's code if the port cannot be had. */
  listen(): Promise<void>;
  /** The fleet, its modes or its health have changed: goes by this from now on. */
  follow(wanted: Config): void;
  /** Brings the meters up to date, for somebody who reads them now. */
  tally(): void;
  /** Requests that clients wait for now. */
  active(): number;
  /** Whether nothing is under way on an upstream, beyond doubt. */
  isEmpty(upstream: Upstream): boolean;
  /** Retries that a pool could pay for now. */
  retriesLeft(member: Member): number;
  /** Takes nothing new; resolves when nothing is active. */
  drain(): Promise<void>;
  /** Cuts what is left, synchronously. */
  close(): void;
}

export interface DataPlaneSetting {
  /** As it was at the start. */
  readonly config: Config;
  readonly engine: Engine;
  readonly sharesPort: boolean;
  readonly fleet: Fleet;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly log: Log;
}

/** The plane in this process: its orders and reports are function calls. */
export class DataPlane implements Plane {
  readonly #setting: DataPlaneSetting;
  #trusts: (address: string) => boolean;
  #listener: EngineListener | undefined;
  readonly #hedger: Hedger;

  constructor(setting: DataPlaneSetting) {
    this.#setting = setting;
    const { fleet, metrics, clock } = setting;
    this.#hedger = new Hedger({
      ...{ clock, schedule: systemSchedule },
      pools: () => hedgedPoolsOf(fleet),
      answering: (pool) => metrics.answering(pool),
    });
    this.#trusts = trustedBy(setting.config.trustedProxies);
  }

  get port(): number {
    return this.#listener?.port ?? 0;
  }

  get cut(): Plane["cut"] {
    const listener = this.#listener;
    return listener?.cut && ((upstream) => listener.cut?.(upstream) ?? 0);
  }

  async listen(): Promise<void> {
    const { config, engine, sharesPort, fleet, metrics, clock, log } = this.#setting;
    const { tls, ...place } = config.listen;
    this.#listener = await engine.listen({
      ...place,
      ...(tls && { tls: { cert: tls.cert, key: tls.key } }),
      sharesPort,
      clientTimeouts: config.clientTimeouts,
      exchange: () => new Exchange({ routes: () => fleet.routes, clock, observer: metrics }),
      requestId: requestIds(systemRandom),
      trusts: (address) => this.#trusts(address),
      log: engineLogOf(log, clock),
    });
    this.#hedger.wake();
  }

  follow({ trustedProxies }: Config): void {
    this.#hedger.wake();
    this.#trusts = trustedBy(trustedProxies);
  }

  tally(): void {}

  active(): number {
    return this.#listener?.active() ?? 0;
  }

  isEmpty({ inFlight }: Upstream): boolean {
    return inFlight === 0;
  }

  retriesLeft({ retryBudget }: Member): number {
    return retryBudget.left;
  }

  drain(): Promise<void> {
    return this.#listener?.drain() ?? Promise.resolve();
  }

  close(): void {
    this.#hedger.stop();
    this.#listener?.close();
  }
}

function hedgedPoolsOf({ members }: Fleet) {
  return members.flatMap(({ pool, config: { hedgeAfter: after } }) => (after === 0 ? [] : [{ pool, after }]));
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

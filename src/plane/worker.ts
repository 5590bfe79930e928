/** A process that only serves clients: does what its control plane says, and reports what came of it. */

import type { EngineName } from "../config/config.ts";
import { PoolRegistry } from "../control/fleet.ts";
import { identityOf } from "../control/wanted.ts";
import type { Engine } from "../engine/engine.ts";
import { bugs } from "../lib/bugs.ts";
import { type Cancel, type Clock, type Schedule, systemClock, systemSchedule } from "../lib/clock.ts";
import { type Log, lostLogLines } from "../lib/log.ts";
import { systemRandom } from "../lib/random.ts";
import { Metrics } from "../metrics/metrics.ts";
import type { Upstream } from "../pool/upstream.ts";
import { rescueWaiting, type StallEvidence } from "../probe/lookout.ts";
import type { RequestRecord } from "../proxy/record.ts";
import { RequestSampler } from "../requests/sieve.ts";
import { startTelemetry, type Telemetry, withSink } from "../telemetry/telemetry.ts";
import { LocalDataPlane } from "./data-plane.ts";
import {
  applyState,
  type EvidenceRequest,
  type FromWorker,
  buildReport,
  type UpstreamEvidence,
  type ToWorker,
} from "./messages.ts";

export interface WorkerOptions {
  readonly engines: Readonly<Record<EngineName, Engine>>;
  readonly send: (message: FromWorker) => void;
  readonly log: Log;
  /** Ends the process. */
  readonly leave: () => void;
  /** What this process takes. */
  readonly rssBytes: () => number;
  readonly clock?: Clock;
  readonly schedule?: Schedule;
}

const reportEveryMs = 1_000;
/** While somebody waits for the end of what is under way. */
const reportSoonMs = 100;

type StateMessage = Extract<ToWorker, { kind: "state" }>;

/** `hello ──state──▶ ready ──drain──▶ drained ──close──▶ gone` */
export class Worker {
  readonly #options: WorkerOptions;
  readonly #schedule: Schedule;
  #running: Running | undefined;
  #revision = 0;
  #isDraining = false;
  #cancelReport: Cancel | undefined;
  /** Kept since the last report; the sieve lets at most a few hundred a second through. */
  #requests: RequestRecord[] = [];

  constructor(options: WorkerOptions) {
    this.#options = options;
    this.#schedule = options.schedule ?? systemSchedule;
    options.send({ kind: "hello" });
  }

  hear(message: ToWorker): void {
    switch (message.kind) {
      case "state":
        return this.#follow(message);
      case "look":
        return this.#look(message.upstreams);
      case "cut":
        return this.#cut(message);
      case "drain":
        return void this.#drain();
      case "close":
        return void this.#close();
    }
  }

  #follow(state: StateMessage): void {
    this.#running?.plane.setShedding(state.shedding);
    if (state.revision === this.#revision) return;
    const isFirst = this.#running === undefined;
    const { fleet, plane, telemetry } = (this.#running ??= this.#begin(state));
    applyState(fleet, state, state.place);
    // What still waits on one that was found down moves on at once.
    for (const upstream of fleet.pools.flatMap((pool) => pool.upstreams)) {
      if (upstream.isDown) rescueWaiting(upstream);
    }
    plane.apply(state.config);
    plane.setShedding(state.shedding);
    this.#revision = state.revision;
    if (isFirst) void this.#listen(plane, telemetry);
    else this.#report();
  }

  /** The control plane's clock is this one's, so that times need no translation. */
  #begin({ now, config }: StateMessage): Running {
    const { engines, log, clock: ownClock = systemClock } = this.#options;
    const aheadMs = now - ownClock();
    const clock = () => ownClock() + aheadMs;
    const metrics = new Metrics(clock);
    const fleet = new PoolRegistry({
      clock,
      random: systemRandom,
      // A verdict is news for the other workers too. Not on the way of the request that brought it about.
      observer: { outlierChanged: () => this.#reportIn(0), panicChanged() {} },
    });
    const engine = engines[config.engine];
    const sieve = new RequestSampler(clock, (request) => void this.#requests.push(request));
    const telemetry = startTelemetry({ config, isShared: true, log });
    const plane = new LocalDataPlane({
      ...{ config, engine, sharesPort: true, fleet, metrics, clock, schedule: this.#schedule, log },
      ...withSink(telemetry.onlookers, sieve),
      onSuspicion: (suspicions) =>
        this.#see(suspicions.flatMap((one) => one.sights.map((sight) => seenOf(one.upstream, sight, true)))),
    });
    return { fleet, metrics, plane, sieve, telemetry };
  }

  async #listen(plane: LocalDataPlane, { ready }: Telemetry): Promise<void> {
    const { send } = this.#options;
    try {
      await ready;
      await plane.listen();
      send({ kind: "ready", port: plane.port });
      this.#report();
    } catch (error) {
      const code = error instanceof Error && "code" in error ? String(error.code) : "";
      send({ kind: "failed", code, message: String(error) });
    }
  }

  /** What it sees of upstreams that any worker suspects; the verdict is the control plane's, who hears all of them. */
  #look(asked: readonly EvidenceRequest[]): void {
    if (!this.#running) return;
    const { fleet, plane } = this.#running;
    const sights = asked.flatMap(({ id, since }) => {
      const found = fleet.find(id);
      if (!found) return [];
      const { member, upstream } = found;
      return [seenOf(upstream, plane.sightOf(member.pool, upstream, since), false)];
    });
    if (sights.length > 0) this.#see(sights);
  }

  #cut({ upstream, request }: Extract<ToWorker, { kind: "cut" }>): void {
    const { fleet, plane } = this.#running ?? {};
    const found = fleet?.pools
      .flatMap(({ upstreams }) => upstreams)
      .find((one) => identityOf(one) === upstream);
    this.#options.send({ kind: "cut", request, count: (found && plane?.abortAttempts?.(found)) ?? 0 });
    this.#reportIn(reportSoonMs);
  }

  #see(sights: readonly UpstreamEvidence[]): void {
    this.#options.send({ kind: "sights", sights });
  }

  async #drain(): Promise<void> {
    this.#isDraining = true;
    this.#report();
    await this.#running?.plane.drain();
    this.#report();
    this.#options.send({ kind: "drained" });
  }

  async #close(): Promise<void> {
    await this.#running?.plane.end();
    await this.#running?.telemetry.close();
    this.#options.leave();
  }

  #reportIn(delayMs: number): void {
    this.#cancelReport?.();
    this.#cancelReport = this.#schedule(delayMs, () => this.#report());
  }

  #report(): void {
    if (!this.#running) return;
    const { fleet, metrics, plane, sieve } = this.#running;
    const active = plane.active();
    plane.refreshCounters();
    const rssBytes = this.#options.rssBytes();
    const own = { bugs: bugs.count, lostLogLines: lostLogLines() };
    this.#options.send(buildReport(fleet, metrics, { revision: this.#revision, active, rssBytes, own }));
    if (this.#requests.length > 0) {
      this.#options.send({ kind: "requests", requests: this.#requests, isSampled: sieve.skipped > 0 });
      this.#requests = [];
    }
    const isEmptying = fleet.pools.some(({ upstreams }) =>
      upstreams.some(({ mode, inFlight }) => mode !== "ready" && inFlight > 0),
    );
    this.#reportIn(this.#isDraining || isEmptying ? reportSoonMs : reportEveryMs);
  }
}

function seenOf({ id }: Upstream, sight: StallEvidence, isSuspected: boolean): UpstreamEvidence {
  return { id, isSuspected, ...sight };
}

interface Running {
  readonly fleet: PoolRegistry;
  readonly metrics: Metrics;
  readonly plane: LocalDataPlane;
  readonly telemetry: Telemetry;
  readonly sieve: RequestSampler;
}

/** The worker process of `--workers`: serves clients, applies the control plane's state and reports to it. */

import { HttpChallengeResponses } from "../acme/challenges.ts";
import type { Config, EngineName } from "../config/config.ts";
import { NameWatcher } from "../dns/name-watcher.ts";
import type { Engine } from "../engine/engine.ts";
import { Extensions, extensionsIn } from "../extension/extensions.ts";
import type { InheritedSockets } from "../handover/inherited-sockets.ts";
import { FaultRegistry } from "../fault/fault-registry.ts";
import { type Cancel, type Clock, type Schedule, systemClock, systemSchedule } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import { systemRandom } from "../lib/random.ts";
import { Metrics } from "../metrics/metrics.ts";
import { ownProcessCounters } from "../metrics/process-families.ts";
import { rescueWaiting } from "../pool/attempt-control.ts";
import type { Upstream } from "../pool/upstream.ts";
import type { StallEvidence } from "../probe/stall-detector.ts";
import type { RequestRecord } from "../proxy/record.ts";
import { PoolRegistry } from "../registry/pool-registry.ts";
import { RequestSampler } from "../requests/sampler.ts";
import { CertificateStore } from "../tls/certificate-store.ts";
import { startTelemetry, type Telemetry, withSink } from "../telemetry/telemetry.ts";
import { type AccessRuntime, accessResourcesOf } from "./access-resources.ts";
import { LocalDataPlane } from "./local-data-plane.ts";
import { type EvidenceRequest, type FromWorker, type ToWorker, type UpstreamEvidence } from "./messages.ts";
import { ReportBuilder } from "./report-builder.ts";
import { WorkerBudgets } from "./worker-budgets.ts";
import { WorkerState } from "./worker-state.ts";

export interface WorkerOptions {
  readonly engines: Readonly<Record<EngineName, Engine>>;
  readonly send: (message: FromWorker) => void;
  readonly log: Log;
  /** Ends the process. */
  readonly exit: () => void;
  /** Resident memory of this process. */
  readonly rssBytes: () => number;
  /** Loads a file of extensions. */
  readonly importExtension: (path: string) => Promise<unknown>;
  /** Listening sockets that this process was started with. */
  readonly inherited?: InheritedSockets | undefined;
  /** For the filters of routes. */
  readonly access?: AccessRuntime;
  readonly clock?: Clock;
  readonly schedule?: Schedule;
}

const reportIntervalMs = 1_000;

/** While a drain waits for requests to finish. */
const drainReportIntervalMs = 100;

/** DNS servers that are silent delay the start of a worker by this at most. */
const maxNamesMs = 2_000;

type StateMessage = Extract<ToWorker, { kind: "state" }>;

/** `hello ──state──▶ ready ──drain──▶ drained ──close──▶ exited` */
export class Worker {
  readonly #options: WorkerOptions;
  readonly #schedule: Schedule;
  readonly #certificates = new CertificateStore();
  readonly #challenges = new HttpChallengeResponses();
  readonly #budgets: WorkerBudgets;
  #parts: WorkerParts | undefined;
  #extensions = new Extensions();
  readonly #state = new WorkerState();
  /** States that came while extensions are loaded. */
  #waitingStates: StateMessage[] = [];
  #isLoading = false;
  #revision = 0;
  /** Whether the whole state was asked for again. */
  #hasAsked = false;
  #isReportWhole = true;
  #isDraining = false;
  #cancelReport: Cancel | undefined;
  /** Records since the last report; the sampler passes at most a few hundred a second. */
  #requests: RequestRecord[] = [];

  constructor(options: WorkerOptions) {
    this.#options = options;
    this.#schedule = options.schedule ?? systemSchedule;
    this.#budgets = new WorkerBudgets(options.send, this.#schedule);
    options.send({ kind: "hello" });
  }

  receive(message: ToWorker): void {
    switch (message.kind) {
      case "state":
        return this.#applyState(message);
      case "certificates":
        return this.#certificates.adopt(message.content);
      case "collect-evidence":
        return this.#collectEvidence(message.upstreams);
      case "abort":
        return this.#abort(message);
      case "budgets":
        return this.#budgets.receive(message);
      case "retire":
        return this.#parts?.dataPlane.retire();
      case "drain":
        return void this.#drain();
      case "reopen-logs":
        return this.#parts?.telemetry.reopen();
      case "close":
        return void this.#close();
    }
  }

  #applyState(state: StateMessage): void {
    const extensions = this.#parts ? undefined : state.change?.config?.settings.extensions;
    if (extensions === undefined && !this.#isLoading) return this.#applyLoaded(state);
    this.#waitingStates.push(state);
    if (extensions !== undefined && !this.#isLoading) void this.#loadExtensions(extensions);
  }

  /** A file that the first process could load and that fails here ends the worker: it is started again. */
  async #loadExtensions(path: string): Promise<void> {
    this.#isLoading = true;
    const { importExtension, send } = this.#options;
    try {
      const found = extensionsIn(await importExtension(path));
      if (!(found instanceof Extensions)) throw new Error(found.why);
      this.#extensions = found;
      this.#isLoading = false;
      for (const state of this.#waitingStates) this.#applyLoaded(state);
      this.#waitingStates = [];
    } catch (error) {
      send({ kind: "failed", code: "", message: `Cannot load ${path}: ${String(error)}` });
    }
  }

  #applyLoaded(state: StateMessage): void {
    const { change, base, revision } = state;
    this.#parts?.dataPlane.setShedding(state.shedding);
    if (base !== 0 && base !== this.#revision) return this.#askForState();
    this.#hasAsked = false;
    if (!change) return;
    const config = this.#state.adopt(change, base === 0);
    if (change.challenges) this.#challenges.adopt(change.challenges);
    const isFirst = this.#parts === undefined;
    const { names, registry, faults, dataPlane, telemetry } = (this.#parts ??= this.#createParts(
      config,
      state,
    ));
    const applied = this.#state.applyTo({ registry, faults, names }, state.worker);
    // Attempts that still wait on an upstream that is down are rescued at once.
    for (const upstream of applied.upstreams) if (upstream.isDown) rescueWaiting(upstream);
    if (applied.isConfigChanged) {
      dataPlane.apply(config);
      this.#isReportWhole = true;
    }
    dataPlane.setShedding(state.shedding);
    this.#revision = revision;
    if (isFirst) void this.#listen(dataPlane, telemetry, names);
    else this.#report();
  }

  /** A message was lost: what has changed since cannot be applied. */
  #askForState(): void {
    if (this.#hasAsked) return;
    this.#hasAsked = true;
    this.#options.send({ kind: "hello" });
  }

  /** Adopts the control plane's clock, so that times in messages need no conversion. */
  #createParts(config: Config, { now, viaName }: StateMessage): WorkerParts {
    const { engines, log, access, clock: ownClock = systemClock } = this.#options;
    const clockOffsetMs = now - ownClock();
    const clock = () => ownClock() + clockOffsetMs;
    const metrics = new Metrics(clock);
    const faults = new FaultRegistry();
    const names = new NameWatcher({ clock, schedule: this.#schedule, random: systemRandom });
    const registry = new PoolRegistry({
      names,
      clock,
      random: systemRandom,
      extensions: this.#extensions,
      // The other workers need the verdict too. In a timer, so that it delays no request.
      observer: { outlierChanged: () => this.#reportIn(0), panicChanged() {} },
      access: access
        ? accessResourcesOf({
            ...{ ...access, clock, schedule: this.#schedule, metrics, log, viaName },
            attemptFilters: [faults],
            ...(config.fleet && { budgets: this.#budgets }),
          })
        : { meter: metrics.filters },
    });
    const engine = engines[config.engine];
    const adopted = config.listeners.map((listener) => this.#options.inherited?.take(listener) ?? []);
    const sampler = new RequestSampler(
      clock,
      (request) => void this.#requests.push(request),
      config.requests.slowMs,
    );
    const telemetry = startTelemetry({ config, isShared: true, log });
    const dataPlane = new LocalDataPlane({
      config,
      engine,
      sharesPort: true,
      sockets: (index) => adopted[index] ?? [],
      viaName,
      registry,
      metrics,
      clock,
      schedule: this.#schedule,
      log,
      ...withSink(telemetry.sinks, sampler),
      attemptFilters: [faults],
      certificates: this.#certificates,
      challenges: this.#challenges,
      onSuspicion: (suspicions) =>
        this.#sendEvidence(
          suspicions.flatMap((one) =>
            one.evidence.map((evidence) => toUpstreamEvidence(one.upstream, evidence, true)),
          ),
        ),
    });
    const reports = new ReportBuilder(registry, metrics);
    return { names, registry, faults, reports, dataPlane, sampler, telemetry };
  }

  /**
   * The upstreams that serve are known from the control plane, so that requests come at once: not before the addresses of
   * their names are known here too.
   */
  async #listen(dataPlane: LocalDataPlane, { ready }: Telemetry, names: NameWatcher): Promise<void> {
    const { send } = this.#options;
    try {
      await ready;
      const limit = new Promise<void>((resolve) => void this.#schedule(maxNamesMs, resolve));
      await Promise.race([names.firstAnswers(), limit]);
      await dataPlane.listen();
      send({ kind: "ready", ports: dataPlane.ports });
      this.#report();
    } catch (error) {
      const code = error instanceof Error && "code" in error ? String(error.code) : "";
      send({ kind: "failed", code, message: String(error) });
    }
  }

  /** Replies with this process's evidence; the control plane decides when it has that of all workers. */
  #collectEvidence(requests: readonly EvidenceRequest[]): void {
    if (!this.#parts) return;
    const { registry, dataPlane } = this.#parts;
    const evidence = requests.flatMap(({ id, since }) => {
      const found = registry.find(id);
      if (!found) return [];
      const { entry, upstream } = found;
      return [toUpstreamEvidence(upstream, dataPlane.evidenceFor(entry.pool, upstream, since), false)];
    });
    if (evidence.length > 0) this.#sendEvidence(evidence);
  }

  #abort({ upstream, requestId }: Extract<ToWorker, { kind: "abort" }>): void {
    const { registry, dataPlane } = this.#parts ?? {};
    const found = registry?.locate(upstream);
    const count = (found && dataPlane?.abortAttempts?.(found.upstream)) ?? 0;
    this.#options.send({ kind: "aborted", requestId, count });
    this.#reportIn(drainReportIntervalMs);
  }

  #sendEvidence(evidence: readonly UpstreamEvidence[]): void {
    this.#options.send({ kind: "evidence", evidence });
  }

  async #drain(): Promise<void> {
    this.#isDraining = true;
    this.#report();
    await this.#parts?.dataPlane.drain();
    this.#report();
    this.#options.send({ kind: "drained" });
  }

  async #close(): Promise<void> {
    await this.#parts?.dataPlane.end();
    await this.#parts?.telemetry.close();
    this.#options.exit();
  }

  #reportIn(delayMs: number): void {
    this.#cancelReport?.();
    this.#cancelReport = this.#schedule(delayMs, () => this.#report());
  }

  #report(): void {
    if (!this.#parts) return;
    const { registry, reports, dataPlane, sampler } = this.#parts;
    const active = dataPlane.active();
    dataPlane.refreshCounters();
    const rssBytes = this.#options.rssBytes();
    const processCounters = ownProcessCounters();
    this.#options.send(
      reports.build(
        { revision: this.#revision, active, clients: dataPlane.clients(), rssBytes, processCounters },
        this.#isReportWhole,
      ),
    );
    this.#isReportWhole = false;
    if (this.#requests.length > 0) {
      this.#options.send({ kind: "requests", requests: this.#requests, isSampled: sampler.skipped > 0 });
      this.#requests = [];
    }
    const hasDrainingUpstream = registry.pools.some(({ upstreams }) =>
      upstreams.some(({ mode, inFlight }) => mode !== "ready" && inFlight > 0),
    );
    this.#reportIn(this.#isDraining || hasDrainingUpstream ? drainReportIntervalMs : reportIntervalMs);
  }
}

function toUpstreamEvidence(
  { id }: Upstream,
  evidence: StallEvidence,
  isSuspected: boolean,
): UpstreamEvidence {
  return { id, isSuspected, ...evidence };
}

interface WorkerParts {
  readonly names: NameWatcher;
  readonly registry: PoolRegistry;
  readonly faults: FaultRegistry;
  readonly reports: ReportBuilder;
  readonly dataPlane: LocalDataPlane;
  readonly telemetry: Telemetry;
  readonly sampler: RequestSampler;
}

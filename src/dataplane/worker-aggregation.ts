/** Takes over what workers say of upstreams: one verdict for all of them, and the pool's rules hold for all together. */

import { identityOf } from "../registry/pool-registry.ts";
import type { WorkerReport } from "./messages.ts";
import type { WorkerSupervisor } from "./worker-supervisor.ts";
import type { Cancel, Clock, Schedule } from "../lib/clock.ts";
import {
  mergePoolCounters,
  mergeUpstreamCounters,
  poolCountersOf,
  upstreamCountersOf,
} from "../metrics/counter-report.ts";
import { Metrics } from "../metrics/metrics.ts";
import { type ProcessCounters, sumProcessCounters } from "../metrics/process-families.ts";
import type { OutlierVerdict } from "../pool/outlier-detector.ts";
import type { Pool, PoolObserver } from "../pool/pool.ts";
import type { Upstream } from "../pool/upstream.ts";
import type { PoolRegistry } from "../registry/pool-registry.ts";

export interface MergeContext {
  readonly observer: PoolObserver;
  /** Clock time, milliseconds. */
  readonly now: number;
}

/** @returns whether there is anything that the other workers should know */
export function mergeVerdicts(
  registry: Pick<PoolRegistry, "pools">,
  report: WorkerReport,
  context: MergeContext,
): boolean {
  const verdicts = new Map(report.upstreams.map(({ upstream, verdict }) => [upstream, verdict]));
  let hasChanged = false;
  for (const pool of registry.pools) {
    for (const upstream of pool.upstreams) {
      const verdict = verdicts.get(identityOf(upstream));
      if (!verdict || verdict.decidedAt <= upstream.outlier.verdict.decidedAt) continue;
      hasChanged = true;
      applyVerdict(pool, upstream, { verdict, ...context });
    }
  }
  return hasChanged;
}

function applyVerdict(
  pool: Pool,
  upstream: Upstream,
  { verdict, observer, now }: MergeContext & { readonly verdict: OutlierVerdict },
): void {
  const own = upstream.outlier.verdict;
  const streak = upstream.activeHealth.state;
  const isEjection = verdict.state === "ejected" && own.state !== "ejected";
  if (isEjection && !pool.canEject(upstream)) {
    // Two workers may each have ejected another one at the same moment. A later word of ours overrules the second.
    const decidedAt = Math.max(now, verdict.decidedAt + 1);
    pool.adoptHealth(upstream, { streak, verdict: { ...own, decidedAt } });
    return;
  }
  if (!pool.adoptHealth(upstream, { streak, verdict })) return;
  const { state: to, reason } = upstream.outlier;
  observer.outlierChanged(pool, { upstream, from: own.state, to, reason });
}

// Adds up what workers counted: those that serve, and those that are gone.

export interface CounterAggregatorOptions {
  readonly registry: Pick<PoolRegistry, "pools">;
  /** Where the sums are written. */
  readonly metrics: Metrics;
  readonly clock: Clock;
}

export class CounterAggregator {
  readonly #options: CounterAggregatorOptions;
  /** Of the workers that are gone. */
  readonly #retired: Metrics;
  #retiredProcess = sumProcessCounters([]);

  constructor(options: CounterAggregatorOptions) {
    this.#options = options;
    this.#retired = new Metrics(options.clock);
  }

  /** Keeps the last counts of a worker that is gone: no counter may go back. */
  retire(report: WorkerReport): void {
    this.#add([report], this.#retired);
    this.#retiredProcess = sumProcessCounters([this.#retiredProcess, report.processCounters]);
  }

  /** @param reports of all workers that serve, one each */
  processCounters(reports: readonly WorkerReport[]): ProcessCounters {
    return sumProcessCounters([this.#retiredProcess, ...reports.map(({ processCounters: own }) => own)]);
  }

  /** @param reports of all workers that serve, one each */
  write(reports: readonly WorkerReport[]): void {
    this.#add(reports, this.#options.metrics);
  }

  /** The past of whatever there is now, and these. */
  #add(reports: readonly WorkerReport[], into: Metrics): void {
    const { pools } = this.#options.registry;
    into.lostLines = reports.reduce((sum, { lostLines }) => sum + lostLines, this.#retired.lostLines);
    into.lostSpans = reports.reduce((sum, { lostSpans }) => sum + lostSpans, this.#retired.lostSpans);
    const upstreams = reports.map(
      (report) => new Map(report.upstreams.map((one) => [one.upstream, one.counts])),
    );
    const named = reports.map((report) => new Map(report.pools.map((one) => [one.name, one.counts])));
    for (const upstream of pools.flatMap((pool) => pool.upstreams)) {
      const parts = upstreams.flatMap((report) => report.get(identityOf(upstream)) ?? []);
      mergeUpstreamCounters(into.of(upstream), [upstreamCountersOf(this.#retired.of(upstream)), ...parts]);
    }
    for (const name of ["", ...pools.map((pool) => pool.name)]) {
      const parts = named.flatMap((report) => report.get(name) ?? []);
      mergePoolCounters(into.ofPool(name), [poolCountersOf(this.#retired.ofPool(name)), ...parts]);
    }
  }
}

// Forced ends across processes: asks each worker to cut what it has on an upstream, and adds up what they answer.

/** Whoever has not said by then how many it cut is counted with none. */
const responseTimeoutMs = 1_000;

interface AbortRequest {
  readonly waiting: Set<WorkerSupervisor>;
  readonly cancel: Cancel;
  readonly resolve: (aborted: number) => void;
  aborted: number;
}

/** `asked ──every worker has answered, or is gone, or a second is over──▶ told` */
export class AbortCoordinator {
  readonly #schedule: Schedule;
  readonly #pending = new Map<number, AbortRequest>();
  #lastRequestId = 0;

  constructor(schedule: Schedule) {
    this.#schedule = schedule;
  }

  /** @param upstream id and origin @returns how many were cut */
  request(supervisors: readonly WorkerSupervisor[], upstream: string): Promise<number> {
    const serving = supervisors.filter(({ isReady }) => isReady);
    if (serving.length === 0) return Promise.resolve(0);
    const requestId = (this.#lastRequestId += 1);
    const { promise, resolve } = Promise.withResolvers<number>();
    const cancel = this.#schedule(responseTimeoutMs, () => this.#finish(requestId));
    this.#pending.set(requestId, { waiting: new Set(serving), cancel, resolve, aborted: 0 });
    for (const supervisor of serving) supervisor.send({ kind: "cut", upstream, requestId });
    return promise;
  }

  receive(supervisor: WorkerSupervisor, requestId: number, aborted: number): void {
    const pending = this.#pending.get(requestId);
    if (!pending?.waiting.delete(supervisor)) return;
    pending.aborted += aborted;
    if (pending.waiting.size === 0) this.#finish(requestId);
  }

  /** What went with a process was cut by nobody. */
  supervisorExited(supervisor: WorkerSupervisor): void {
    for (const requestId of this.#pending.keys()) this.receive(supervisor, requestId, 0);
  }

  #finish(requestId: number): void {
    const pending = this.#pending.get(requestId);
    this.#pending.delete(requestId);
    pending?.cancel();
    pending?.resolve(pending.aborted);
  }
}

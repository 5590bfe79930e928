/** What the control plane and its workers tell each other: whole states, never deltas, so that the next one mends a loss. */

import type { Config, PoolConfig } from "../config/config.ts";
import type { PoolRegistry } from "../registry/pool-registry.ts";
import { identityOf } from "../registry/pool-registry.ts";
import { hashString } from "../lib/hash.ts";
import { systemRandom } from "../lib/random.ts";
import type { Metrics } from "../metrics/metrics.ts";
import type { ProcessCounters } from "../metrics/process-families.ts";
import {
  upstreamCountersOf,
  type UpstreamCounters,
  type PoolCounters,
  poolCountersOf,
} from "../metrics/counter-report.ts";
import type { OutlierVerdict } from "../pool/outlier-detector.ts";
import { FaultInjection, type FaultSpec } from "../fault/fault.ts";
import type { FaultRegistry } from "../fault/fault-registry.ts";
import type { UpstreamHealth, Mode } from "../pool/upstream.ts";
import type { RequestRecord } from "../proxy/record.ts";
import type { StallEvidence } from "../probe/stall-detector.ts";

/** What is wanted of one upstream, and what is known of it. */
export interface UpstreamState extends UpstreamHealth {
  /** Id and origin. */
  readonly upstream: string;
  readonly mode: Mode;
  /** A fault that is played there. */
  readonly fault?: FaultSpec;
}

export interface DesiredState {
  readonly config: Config;
  readonly upstreams: readonly UpstreamState[];
}

/** Which one of how many workers it is. */
export interface WorkerIndex {
  readonly index: number;
  readonly count: number;
}

export type ToWorker =
  /** `now` is the control plane's clock, which the worker goes by. */
  | ({
      readonly kind: "state";
      readonly revision: number;
      readonly now: number;
      readonly worker: WorkerIndex;
      /** Whether new requests are refused. */
      readonly shedding: boolean;
    } & DesiredState)
  /** Somebody suspects these: what does it see of them? Waits count that began after `since`. */
  | { readonly kind: "look"; readonly upstreams: readonly EvidenceRequest[] }
  /** Ends what is under way on this one (id and origin); the answer has the same number. */
  | { readonly kind: "cut"; readonly upstream: string; readonly requestId: number }
  | { readonly kind: "drain" | "close" };

export interface EvidenceRequest {
  /** Id. */
  readonly id: string;
  /** Clock time. */
  readonly since: number;
}

/** What one worker sees of an upstream. */
export interface UpstreamEvidence extends StallEvidence {
  readonly id: string;
  /** It speaks up itself, and was not asked. */
  readonly isSuspected: boolean;
}

export interface WorkerReport {
  readonly kind: "counts";
  /** Of the state that it follows. */
  readonly revision: number;
  /** Requests that clients wait for. */
  readonly active: number;
  /** Of the access log, that could not be written. */
  readonly lostLines: number;
  /** Of the traces, that did not get to the collector. */
  readonly lostSpans: number;
  /** What its process takes. */
  readonly rssBytes: number;
  readonly processCounters: ProcessCounters;
  readonly upstreams: readonly {
    readonly upstream: string;
    readonly inFlight: number;
    readonly tunnels: number;
    readonly verdict: OutlierVerdict;
    readonly counts: UpstreamCounters;
  }[];
  /** That of what no route matched has an empty name. */
  readonly pools: readonly {
    readonly name: string;
    readonly retriesLeft: number;
    /** Requests that wait for a place. */
    readonly queued: number;
    readonly counts: PoolCounters;
  }[];
}

export type FromWorker =
  /** It runs and wants to know its state. */
  | { readonly kind: "hello" | "drained" }
  | { readonly kind: "ready"; readonly port: number }
  /** It cannot listen. */
  | { readonly kind: "failed"; readonly code: string; readonly message: string }
  | { readonly kind: "sights"; readonly sights: readonly UpstreamEvidence[] }
  /** What it was told to end, and how much that was. */
  | { readonly kind: "cut"; readonly requestId: number; readonly count: number }
  /** Those that ended since the last ones and are worth keeping: what gets lost is missing in a list, and no more. */
  | { readonly kind: "requests"; readonly requests: readonly RequestRecord[]; readonly isSampled: boolean }
  | WorkerReport;

/** What a fleet has to be in another process. @param config what is wanted, as that process shall see it */
export function buildDesiredState(
  config: Config,
  { pools }: Pick<PoolRegistry, "pools">,
  faults: FaultRegistry,
): DesiredState {
  const upstreams = pools.flatMap((pool) =>
    pool.upstreams.map((upstream) => {
      const fault = faults.get(upstream);
      return {
        upstream: identityOf(upstream),
        mode: upstream.mode,
        streak: upstream.activeHealth.state,
        verdict: upstream.outlier.verdict,
        ...(fault && { fault: fault.spec }),
      };
    }),
  );
  return { config, upstreams };
}

/**
 * How much later the next worker tries an upstream on probation, milliseconds. The first one's answer is known to all
 * within a few; should it have no request to try it with, the next one has.
 */
const probationStaggerMs = 1_000;

/** Makes a fleet what a state says. What a verdict has said here since stays. */
export function applyState(
  { registry, faults }: { readonly registry: PoolRegistry; readonly faults: FaultRegistry },
  { config, upstreams }: DesiredState,
  { index, count: of }: WorkerIndex = { index: 0, count: 1 },
): void {
  const upstreamStates = new Map(upstreams.map((upstreamState) => [upstreamState.upstream, upstreamState]));
  registry.commit(registry.prepare(config));
  for (const pool of registry.pools) {
    for (const upstream of pool.upstreams) {
      const upstreamState = upstreamStates.get(identityOf(upstream));
      if (!upstreamState) continue;
      pool.setMode(upstream, upstreamState.mode);
      // The first try is not always the same worker's.
      upstream.outlier.probationDelayMs =
        ((index + hashString(upstreamState.upstream)) % of) * probationStaggerMs;
      pool.adoptHealth(upstream, upstreamState);
      const { fault } = upstreamState;
      faults.set(upstream, fault && new FaultInjection(fault, systemRandom));
    }
  }
}

export function buildReport(
  { entries }: Pick<PoolRegistry, "entries">,
  metrics: Metrics,
  own: Pick<WorkerReport, "revision" | "active" | "rssBytes" | "processCounters">,
): WorkerReport {
  const upstreams = entries.flatMap(({ pool }) =>
    pool.upstreams.map((upstream) => ({
      upstream: identityOf(upstream),
      ...{ inFlight: upstream.inFlight, tunnels: upstream.tunnels },
      verdict: upstream.outlier.verdict,
      counts: upstreamCountersOf(metrics.of(upstream)),
    })),
  );
  const pools = [
    { name: "", retriesLeft: 0, queued: 0 },
    ...entries.map(({ pool: { name }, retryBudget, queue }) => ({
      ...{ name, retriesLeft: retryBudget.balance, queued: queue.size },
    })),
  ].map((pool) => ({ ...pool, counts: poolCountersOf(metrics.ofPool(pool.name)) }));
  return {
    kind: "counts",
    ...own,
    lostLines: metrics.lostLines,
    lostSpans: metrics.lostSpans,
    upstreams,
    pools,
  };
}

/**
 * The configuration as one of several workers has to keep it: limits that hold for all together are divided.
 * @param port the one that all listen on
 */
export function perWorkerConfig(config: Config, workers: number, port: number): Config {
  const { hostname, port: adminPort } = config.admin;
  const divide = (limit: number) => Math.ceil(limit / workers);
  const poolConfigFor = (pool: PoolConfig): PoolConfig => ({
    ...pool,
    maxInFlight: divide(pool.maxInFlight),
    queue: { ...pool.queue, maxWaiting: divide(pool.queue.maxWaiting) },
    retryBudget: { ...pool.retryBudget, perSecond: pool.retryBudget.perSecond / workers },
  });
  return {
    ...config,
    listen: { ...config.listen, port, maxClients: divide(config.listen.maxClients) },
    // Without the token, which is nobody else's business.
    admin: { hostname, port: adminPort },
    pools: config.pools.map(poolConfigFor),
  };
}

/** What all workers together have under way on each upstream. */
export function sumInFlight(
  reported: WorkerReport["upstreams"],
): ReadonlyMap<string, { readonly inFlight: number; readonly tunnels: number }> {
  const totals = new Map<string, { inFlight: number; tunnels: number }>();
  for (const { upstream, inFlight, tunnels } of reported) {
    const total = totals.get(upstream) ?? { inFlight: 0, tunnels: 0 };
    totals.set(upstream, { inFlight: total.inFlight + inFlight, tunnels: total.tunnels + tunnels });
  }
  return totals;
}

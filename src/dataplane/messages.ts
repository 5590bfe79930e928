/** The messages between control plane and workers. What has not changed since the message before is left out. */

import type { ChallengeState } from "../acme/challenges.ts";
import type { Config, ListenerConfig, PoolConfig } from "../config/config.ts";
import type { BudgetAsk, BudgetReply } from "../filter/budget.ts";
import type { FilterCounters } from "../metrics/filter-meter.ts";
import type { ListenerCounters } from "../metrics/listener-meter.ts";
import type { RouteCounters } from "../metrics/route-meter.ts";
import type { ProcessCounters } from "../metrics/process-families.ts";
import type { PoolCounters, UpstreamCounters } from "../metrics/counter-report.ts";
import type { OutlierVerdict } from "../pool/outlier-detector.ts";
import type { FaultSpec } from "../fault/fault.ts";
import type { UpstreamHealth, Mode } from "../pool/upstream.ts";
import type { RequestRecord } from "../proxy/record.ts";
import { rescueReserve } from "../proxy/retry-budget.ts";
import type { StallEvidence } from "../probe/stall-detector.ts";
import type { StoreContent } from "../tls/certificate-store.ts";

export type ToWorker =
  /** Sent each second and after every change. `now` is the control plane's clock, which the worker adopts. */
  | {
      readonly kind: "state";
      readonly revision: number;
      /** The revision that `change` is relative to; 0 if it has everything. A worker with another one says `hello` again. */
      readonly base: number;
      readonly now: number;
      readonly worker: WorkerIndex;
      /** The balancer's name in Via. Read once, from the first state. */
      readonly viaName: string;
      /** Whether new requests are refused. */
      readonly shedding: boolean;
      /** What differs from the state of the revision `base`; missing if nothing does. */
      readonly change?: StateChange;
    }
  /** All certificates of the TLS listeners. Precedes the first state, and follows every change. */
  | { readonly kind: "certificates"; readonly content: StoreContent }
  /** A worker suspects these upstreams of stalling. Only waits that began after `since` count as evidence. */
  | { readonly kind: "collect-evidence"; readonly upstreams: readonly EvidenceRequest[] }
  /** Aborts all attempts on this upstream (id and origin). `aborted` replies with the same `requestId`. */
  | { readonly kind: "abort"; readonly upstream: string; readonly requestId: number }
  /** Reply to `ask-budgets`; null while the store cannot be reached. */
  | { readonly kind: "budgets"; readonly id: number; readonly reply: BudgetReply | null }
  /** `retire`: another process accepts the new connections. */
  | { readonly kind: "retire" | "drain" | "close" | "reopen-logs" };

export type FromWorker =
  /** `hello`: the process runs and needs the whole state. */
  | { readonly kind: "hello" | "drained" }
  | { readonly kind: "ready"; readonly ports: readonly number[] }
  /** The worker cannot listen. `code` is the system's, empty if there is no such code. */
  | { readonly kind: "failed"; readonly code: string; readonly message: string }
  | { readonly kind: "evidence"; readonly evidence: readonly UpstreamEvidence[] }
  /** Reply to `abort`: how many attempts it aborted. */
  | { readonly kind: "aborted"; readonly requestId: number; readonly count: number }
  /** Sampled records of requests that ended since the last report. A lost message only shortens a list. */
  | { readonly kind: "requests"; readonly requests: readonly RequestRecord[]; readonly isSampled: boolean }
  /** Asks for tokens of limits that the fleet shares. `budgets` replies with the same `id`. */
  | { readonly kind: "ask-budgets"; readonly id: number; readonly asks: readonly BudgetAsk[] }
  | WorkerReport;

/** A part of the state that workers have to apply. */
export interface StateChange {
  readonly config?: ConfigChange;
  /** Open challenges of certificate authorities. */
  readonly challenges?: ChallengeState;
  /** The upstreams whose state is new. */
  readonly upstreams: readonly UpstreamState[];
}

/** What differs between two configurations, except for weights and backups, which each upstream's state has. */
export interface ConfigChange {
  readonly settings: Partial<Omit<Config, "pools">>;
  /** Settings that are gone. */
  readonly removed?: readonly string[];
  /** Pools that are new or have changed, whole. */
  readonly pools: readonly PoolConfig[];
  /** Names of all pools in their order, if that has changed. */
  readonly poolNames?: readonly string[];
}

/** An upstream's desired mode, weight and fault, its current health, and its addresses. */
export interface UpstreamState extends UpstreamHealth {
  /** Id and origin. */
  readonly upstream: string;
  readonly mode: Mode;
  readonly weight: number;
  readonly backup: boolean;
  /** Its drain has no time left, so that no client stays. */
  readonly isDrainLate?: true;
  /** The active fault injection. */
  readonly fault?: FaultSpec;
  /** The addresses of its host name, where the control plane knows them. */
  readonly hosts?: readonly string[];
}

/** The position of a worker among all workers. */
export interface WorkerIndex {
  /** From 0. */
  readonly index: number;
  readonly count: number;
}

export interface EvidenceRequest {
  /** The upstream's id. */
  readonly id: string;
  /** Clock time. */
  readonly since: number;
}

/** What one worker observed of an upstream. */
export interface UpstreamEvidence extends StallEvidence {
  readonly id: string;
  /** The worker itself suspects the upstream; false in a reply to `collect-evidence`. */
  readonly isSuspected: boolean;
}

/** Counters are cumulative. Of upstreams, pools and routes it has those with which something happened since the report before. */
export interface WorkerReport {
  readonly kind: "report";
  /** Whether it has all of them, and replaces what was reported before. */
  readonly isWhole: boolean;
  /** Revision of the state that the worker applied. */
  readonly revision: number;
  /** Client requests in flight. */
  readonly active: number;
  /** Connections of clients; null where the engine does not tell. */
  readonly clients: number | null;
  /** Access log lines dropped. */
  readonly lostLines: number;
  /** Trace spans dropped. */
  readonly lostSpans: number;
  /** Resident memory of the process. */
  readonly rssBytes: number;
  readonly processCounters: ProcessCounters;
  readonly upstreams: readonly UpstreamReport[];
  readonly listeners: readonly { readonly name: string; readonly counts: ListenerCounters }[];
  readonly filters: FilterCounters;
  readonly routes: readonly RouteCounters[];
  /** The entry with an empty name counts requests that matched no route. */
  readonly pools: readonly PoolReport[];
}

export interface UpstreamReport {
  /** Id and origin. */
  readonly upstream: string;
  readonly inFlight: number;
  readonly tunnels: number;
  readonly streams: number;
  readonly verdict: OutlierVerdict;
  readonly counts: UpstreamCounters;
}

export interface PoolReport {
  readonly name: string;
  /** Balance of the retry budget. */
  readonly retryBudgetBalance: number;
  /** Requests that wait for a slot. */
  readonly queued: number;
  readonly counts: PoolCounters;
}

/**
 * The configuration for each of several workers: limits that apply to all workers together are divided among them.
 * @param ports the ones that all workers listen on
 */
export function perWorkerConfig(config: Config, workers: number, ports: readonly number[]): Config {
  const { hostname, port: adminPort } = config.admin;
  const divide = (limit: number) => Math.ceil(limit / workers);
  const poolConfigFor = (pool: PoolConfig): PoolConfig => ({
    ...pool,
    ...(pool.maxInFlight !== undefined && { maxInFlight: divide(pool.maxInFlight) }),
    queue: { ...pool.queue, maxWaiting: divide(pool.queue.maxWaiting) },
    retryBudget: {
      ...pool.retryBudget,
      perSecond: pool.retryBudget.perSecond / workers,
      rescues: divide(rescueReserve),
    },
  });
  const listenerFor = (listener: ListenerConfig, index: number): ListenerConfig => ({
    ...listener,
    port: ports[index] ?? listener.port,
    maxClients: divide(listener.maxClients),
  });
  const [first, ...rest] = config.listeners;
  return {
    ...config,
    listeners: [listenerFor(first, 0), ...rest.map((listener, index) => listenerFor(listener, index + 1))],
    limits: {
      ...config.limits,
      webSocketBufferBytes: Math.max(
        config.limits.webSocketMessageBytes,
        divide(config.limits.webSocketBufferBytes),
      ),
    },
    // They have a message of their own.
    ...{ certificates: [], foundCertificates: [], certificateWarnings: [] },
    // Without the token: workers have no use for it.
    admin: { hostname, port: adminPort },
    // Without the passwords: workers reach the store through the control plane.
    ...(config.fleet && {
      fleet: { name: config.fleet.name, group: config.fleet.group, store: config.fleet.store },
    }),
    pools: config.pools.map(poolConfigFor),
    processes: workers,
  };
}

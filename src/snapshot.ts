/** The plain read-only picture of now: what admin API, dashboard, metrics and command line read. Types and nothing else. */

import type { PolicyName } from "./policy/policies.ts";
import type { Mode, Status } from "./pool/upstream.ts";

/** `starting → ready → draining → stopped` */
export type Phase = "starting" | "ready" | "draining" | "stopped";

/** Counts since the start, and rates and percentiles of the last ten seconds or, for latencies, the last minute. */
export interface Traffic {
  /** Attempts that ended, cancelled ones excepted. */
  readonly requests: number;
  /** Those that failed or were answered with 5xx. */
  readonly errors: number;
  readonly requestsPerSecond: number;
  /** Errors ÷ requests of the last ten seconds, 0–1. */
  readonly errorShare: number;
  /** Milliseconds from start to head; null without a request in the last minute. */
  readonly p50Ms: number | null;
  readonly p95Ms: number | null;
  readonly p99Ms: number | null;
}

export interface ProbeSnapshot {
  /** Epoch milliseconds. */
  readonly at: number;
  readonly success: boolean;
  readonly detail: string;
  readonly latencyMs: number;
}

export interface UpstreamSnapshot {
  readonly id: string;
  readonly url: string;
  readonly weight: number;
  readonly backup: boolean;
  readonly status: Status;
  readonly mode: Mode;
  /** Who set the mode and when (epoch milliseconds); null while it is as configured. */
  readonly modeSet: { readonly by: string; readonly at: number } | null;
  /** Whether it gets new requests now. */
  readonly fit: boolean;
  readonly inFlight: number;
  readonly lastProbe: ProbeSnapshot | null;
  readonly traffic: Traffic;
}

export interface PoolSnapshot {
  readonly name: string;
  readonly policy: PolicyName;
  readonly probe: string;
  readonly upstreams: readonly UpstreamSnapshot[];
  readonly traffic: Traffic;
  /** Attempts that followed a failed one. */
  readonly retries: number;
  /** The balancer's own answers, since the start, by reason word. */
  readonly refusals: Readonly<Record<string, number>>;
}

export interface Snapshot {
  /** Epoch milliseconds. */
  readonly at: number;
  readonly phase: Phase;
  readonly version: string;
  readonly runtime: string;
  readonly engine: string;
  readonly startedAt: number;
  /** Where clients reach the balancer: "0.0.0.0:8080". */
  readonly listen: string;
  /** Requests that clients wait for now. */
  readonly inFlight: number;
  readonly pools: readonly PoolSnapshot[];
}

/** An operator's request, made through the admin side. */
export interface Control {
  /** Sets one upstream's mode, durably; false if there is no such upstream. */
  setMode(id: string, mode: Mode, by: string): boolean;
}

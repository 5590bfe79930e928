/** The plain read-only picture of now: what admin API, dashboard and command line read. Types and nothing else. */

import type { InjectedError } from "../fault/fault.ts";
import type { PolicyName } from "../policy/policies.ts";
import type { OutlierReason, OutlierState } from "../pool/outlier-detector.ts";
import type { Mode, Status } from "../pool/upstream.ts";
import type { BalancerEvent } from "../state/event.ts";
import type { UnsavedState } from "../state/store.ts";
import type { CertificateStatus, ListenerCertificate } from "../tls/expiry.ts";

/** What all processes of the balancer take, and may take. */
export interface MemorySnapshot {
  readonly rssBytes: number;
  /** New requests are refused from here on; null without a limit. */
  readonly limitBytes: number | null;
  /** Whether they are refused now. */
  readonly shedding: boolean;
}

/** A certificate that clients see: as it was read at the start, whatever its file holds by now. */
export interface CertificateSnapshot extends ListenerCertificate {
  readonly status: CertificateStatus;
}

/** `starting → ready → draining → stopped` */
export type Phase = "starting" | "ready" | "draining" | "stopped";

/** Counts since the start, and rates and percentiles of the last ten seconds or, for latencies, the last minute. */
export interface Traffic {
  /** Attempts that ended, cancelled ones excepted; of a pool also requests that were answered before any attempt. */
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

/** The passive verdict, and what follows a recovery. */
export interface OutlierSnapshot {
  readonly state: OutlierState;
  /** Epoch milliseconds of the last change; null before the first. */
  readonly since: number | null;
  /** Epoch milliseconds at which the ejection ends; null while there is none. */
  readonly until: number | null;
  /** Why it changed last; null before the first change. */
  readonly reason: OutlierReason | null;
  /** How the attempt failed that took it out, as a reason word; null while it is up, and where none answered at all. */
  readonly cause: string | null;
  /** Ejections that count: the next one lasts one more times as long. */
  readonly count: number;
}

/** Who set something at run time, when (epoch milliseconds) and why (may be empty). */
export interface ChangeStamp {
  readonly by: string;
  readonly at: number;
  readonly why: string;
}

export interface DrainSnapshot {
  /** Epoch milliseconds. */
  readonly since: number;
  /** Epoch milliseconds by which it should be empty; null if nobody named a time. */
  readonly deadline: number | null;
  readonly inFlight: number;
  /** Nothing is under way there any more. */
  readonly drained: boolean;
  /** It goes when it is empty. */
  readonly leaving: boolean;
}

/** `unknown` before the first verdict; `out` while an operator drains it or keeps it in maintenance. */
export type UptimeState = "unknown" | "up" | "down" | "out";

/** How long it has been up, and how much of the time. Restarts of the balancer that take less than five minutes do not end it. */
export interface UptimeSnapshot {
  readonly state: UptimeState;
  /** Epoch milliseconds at which that began. */
  readonly since: number;
  /** Time up ÷ time up or down, 0–1, of the last 24 hours as far as it was watched; null before any. */
  readonly share: number | null;
  /** The time that the share is of, milliseconds: what an operator took out of it is not in it. */
  readonly countedMs: number;
}

/** A fault that is played on an upstream. */
export interface FaultSnapshot {
  /** Added to each attempt, milliseconds. */
  readonly latencyMs: number;
  /** Of the attempts that fail, 0–1. */
  readonly errorShare: number;
  readonly error: InjectedError;
  /** Whether active checks fail too. */
  readonly probes: boolean;
  /** Epoch milliseconds at which it ends by itself. */
  readonly until: number;
  readonly by: string;
  readonly why: string;
}

export interface UpstreamSnapshot {
  readonly id: string;
  readonly url: string;
  readonly weight: number;
  /** What it serves with now: less than the weight during a slow start. */
  readonly effectiveWeight: number;
  /** How far a slow start has come, 0–1; null while none is under way. */
  readonly slowStart: number | null;
  readonly backup: boolean;
  readonly status: Status;
  /** Epoch milliseconds at which the status became what it is. */
  readonly statusSince: number;
  readonly mode: Mode;
  /** Null while the mode is as configured. */
  readonly modeSet: ChangeStamp | null;
  /** Null while the weight is as configured. */
  readonly weightSet: ChangeStamp | null;
  /** Null if it comes from the configuration. */
  readonly added: ChangeStamp | null;
  /** Null unless it is being emptied, or is kept empty. */
  readonly drain: DrainSnapshot | null;
  /** Null while nothing is played there. */
  readonly rehearsal: FaultSnapshot | null;
  /** Whether it gets new requests now. */
  readonly fit: boolean;
  /** Tunnels among them. */
  readonly inFlight: number;
  /** Those whose protocol was switched, such as WebSockets. */
  readonly tunnels: number;
  /** Of those that are no tunnels. */
  readonly maxInFlight: number;
  /** Requests that were moved away while they waited here, since the start. */
  readonly rescues: number;
  readonly outlier: OutlierSnapshot;
  readonly lastProbe: ProbeSnapshot | null;
  /** The last 60 probes, oldest first: `+` passed, `-` failed. */
  readonly probeHistory: string;
  readonly uptime: UptimeSnapshot;
  readonly traffic: Traffic;
  /** Errors since the start: failures by their reason word, answers with 5xx as `status_503`. */
  readonly errorsByReason: Readonly<Record<string, number>>;
}

export interface PoolSnapshot {
  readonly name: string;
  readonly policy: PolicyName;
  readonly probe: string;
  /** Nothing but ejections was left to go by, so they are ignored: everybody serves. */
  readonly panic: boolean;
  readonly upstreams: readonly UpstreamSnapshot[];
  /** Of all its upstreams, and of what was turned away. */
  readonly traffic: Traffic;
  /** Requests that got 5xx before any attempt, as when nobody is fit: a part of the errors. Over the last ten seconds. */
  readonly turnedAwayPerSecond: number;
  /** Attempts that followed another one. */
  readonly retries: number;
  /** Those of them that were moved away while they waited on an upstream that was found down. */
  readonly rescues: number;
  /** Attempts beside one that took long: those whose answers were passed on, and those in vain. */
  readonly hedges: { readonly won: number; readonly lost: number };
  /** Retries that could be paid for now. */
  readonly retryBudget: number;
  /** Requests that wait for a place now. */
  readonly queued: number;
  /** Failed attempts that none followed, since the start, by why not. */
  readonly notRetried: Readonly<Record<string, number>>;
  /** The balancer's own answers, since the start, by reason word. */
  readonly refusals: Readonly<Record<string, number>>;
  /** The last twenty, oldest first. */
  readonly events: readonly BalancerEvent[];
}

/** How the configuration came to be the one that counts. */
export interface ConfigurationSnapshot {
  /** Epoch milliseconds at which it was taken. */
  readonly takenAt: number;
  /** The last try to take another one that was refused since; null if there was none. */
  readonly refused: { readonly at: number; readonly by: string; readonly problems: readonly string[] } | null;
  /** Settings that a restart would change. */
  readonly needsRestart: readonly string[];
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
  readonly configuration: ConfigurationSnapshot;
  readonly memory: MemorySnapshot;
  /** That what is set or recorded may not survive a restart; null if it does, or if nobody asked for that. */
  readonly notKept: UnsavedState | null;
  /** Missing where clients come over plain HTTP. */
  readonly certificates?: readonly CertificateSnapshot[];
  /** Missing where a single process does everything. */
  readonly workers?: readonly WorkerSnapshot[];
  readonly pools: readonly PoolSnapshot[];
  /** The last twenty of everything, oldest first. */
  readonly events: readonly BalancerEvent[];
}

// Everything about one upstream: its part of the snapshot, and what would be too much of it for all at once. Types and nothing else.

/** How many answers took between `fromMs` and `toMs` to their head. */
export interface LatencyBucket {
  readonly fromMs: number;
  readonly toMs: number;
  readonly count: number;
}

export interface UpstreamDetail extends UpstreamSnapshot {
  readonly pool: string;
  readonly policy: PolicyName;
  /** How it is probed, for people. */
  readonly probe: string;
  /** Oldest first, at most 60. */
  readonly probes: readonly ProbeSnapshot[];
  /** Answers since the start, by status. */
  readonly codes: Readonly<Record<string, number>>;
  /** Attempts whose client went away. */
  readonly cancelled: number;
  /** Answers of the last minute by latency, without gaps from the fastest to the slowest; empty without any. */
  readonly latencies: readonly LatencyBucket[];
}

/** One of the processes that serve clients. */
export interface WorkerSnapshot {
  readonly pid: number;
  readonly ready: boolean;
  /** How often it was started anew. */
  readonly restarts: number;
  readonly inFlight: number;
  /** Attempts that ended since this process began, cancelled ones excepted. */
  readonly requests: number;
}

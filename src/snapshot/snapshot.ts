/** Types of the snapshot: the read-only state of now, as admin API, dashboard and command line read it. */

import type { InjectedError } from "../fault/fault.ts";
import type { PolicyName } from "../policy/policies.ts";
import type { OutlierReason, OutlierState } from "../pool/outlier-detector.ts";
import type { Mode, Status } from "../pool/upstream.ts";
import type { ServiceProblem } from "../problems/problem.ts";
import type { BalancerEvent } from "../state/event.ts";
import type { UnsavedState } from "../state/store.ts";
import type { ManagedCertificate } from "../acme/certificate-issuer.ts";
import type { CertificateFacts } from "../tls/certificate-pair.ts";
import type { FleetSnapshot, SeenSnapshot } from "./fleet-snapshot.ts";
import type { CertificateStatus } from "../tls/expiry.ts";

/** Memory of all processes of the balancer. */
export interface MemorySnapshot {
  readonly rssBytes: number;
  /** From this size on, new requests are refused; null without a limit. */
  readonly limitBytes: number | null;
  /** Whether new requests are refused now. */
  readonly shedding: boolean;
}

/** The system gives the balancer no more descriptors, ports or socket memory. */
export interface ExhaustionSnapshot {
  /** The system's error code: EMFILE, EADDRNOTAVAIL … */
  readonly code: string;
  /** Epoch milliseconds. */
  readonly since: number;
  /** Connects that were not made since then. */
  readonly failures: number;
}

/** A certificate that TLS listeners present, without its key. */
export interface CertificateSnapshot extends CertificateFacts {
  readonly status: CertificateStatus;
}

/** One address that clients connect to. */
export interface ListenerSnapshot {
  readonly name: string;
  readonly host: string;
  readonly port: number;
  readonly tls: boolean;
  readonly protocols: readonly string[];
}

/** `starting → ready → draining → stopped` */
export type Phase = "starting" | "ready" | "draining" | "stopped";

/** Counts since the start, rates of the last 10 s, latency percentiles of the last minute. */
export interface Traffic {
  /** Attempts that ended, without cancelled ones. For a pool also requests that ended before any attempt. */
  readonly requests: number;
  /** Of these, the ones that failed or got a 5xx response. */
  readonly errors: number;
  readonly requestsPerSecond: number;
  /** Errors ÷ requests of the last 10 s, 0–1. */
  readonly errorShare: number;
  /** Milliseconds from the start to the response headers; null without a request in the last minute. */
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

/** The verdict of the outlier detection. */
export interface OutlierSnapshot {
  readonly state: OutlierState;
  /** Epoch milliseconds of the last change; null before the first. */
  readonly since: number | null;
  /** Epoch milliseconds at which the ejection ends; null when not ejected. */
  readonly until: number | null;
  /** Reason of the last change; null before the first. */
  readonly reason: OutlierReason | null;
  /** Reason word of the failure that caused the ejection; null while up, and when no attempt got a response at all. */
  readonly cause: string | null;
  /** Ejections that count towards the length of the next one, which lasts `count + 1` times the configured time. */
  readonly count: number;
}

/** The actor of a change at run time, its time (epoch milliseconds) and the actor's reason (may be empty). */
export interface ChangeStamp {
  readonly by: string;
  readonly at: number;
  readonly why: string;
}

export interface DrainSnapshot {
  /** Epoch milliseconds. */
  readonly since: number;
  /** Epoch milliseconds by which the upstream should be idle; null if the operator set no deadline. */
  readonly deadline: number | null;
  readonly inFlight: number;
  /** No request is in flight any more. */
  readonly drained: boolean;
  /** The upstream is removed when it is idle. */
  readonly leaving: boolean;
  /** In a fleet: other balancers that still use it, or may do so, each with the reason. */
  readonly elsewhere?: readonly string[];
}

/** `unknown` before the first verdict; `out` while draining or in maintenance. */
export type UptimeState = "unknown" | "up" | "down" | "out";

/** How long the upstream has been in its state, and its share of time up. Balancer restarts of less than five minutes do not count. */
export interface UptimeSnapshot {
  readonly state: UptimeState;
  /** Epoch milliseconds at which the state began. */
  readonly since: number;
  /** Time up ÷ (time up + time down), 0–1, of the observed part of the last 24 hours; null before the first observation. */
  readonly share: number | null;
  /** Milliseconds that `share` covers; time spent `out` is not included. */
  readonly countedMs: number;
}

/** A fault injected on an upstream. */
export interface FaultSnapshot {
  /** Added to each attempt, milliseconds. */
  readonly latencyMs: number;
  /** Share of attempts that fail, 0–1. */
  readonly errorShare: number;
  readonly error: InjectedError;
  /** Whether probes fail too. */
  readonly probes: boolean;
  /** Epoch milliseconds at which the fault ends by itself. */
  readonly until: number;
  readonly by: string;
  readonly why: string;
}

/** `waiting` before the first answer; `absent` while a source says that it has nothing; `stale` while it fails. */
export type SourceState = "waiting" | "current" | "absent" | "stale";

/** A source of members of a pool. */
export interface SourceSnapshot {
  /** "dns api.internal:8080" */
  readonly source: string;
  readonly state: SourceState;
  /** Epoch milliseconds of the last answer; null before the first. */
  readonly answeredAt: number | null;
  /** Epoch milliseconds at which `absent` or `stale` began; null in the other states. */
  readonly since: number | null;
  /** Why it fails or has nothing; empty otherwise. */
  readonly why: string;
  /** Members that the pool should have now. */
  readonly members: number;
  /** Members beyond the limit of an entry. */
  readonly omitted: number;
  /** What was meant and cannot be a member, with its cause; at most ten. */
  readonly skipped: readonly string[];
  /** Since the start of the source. */
  readonly failures: number;
}

/** Where a discovered upstream comes from. */
export interface OriginSnapshot {
  /** "dns api.internal:8080" */
  readonly source: string;
  /** What its source calls it: a container, a pod; null without a name. */
  readonly name: string | null;
  /** Whether its source does not report it any more. */
  readonly gone: boolean;
}

export interface UpstreamSnapshot {
  readonly id: string;
  readonly url: string;
  readonly weight: number;
  /** Weight in use now; less than `weight` during a slow start. */
  readonly effectiveWeight: number;
  /** Progress of the slow start, 0–1; null outside of one. */
  readonly slowStart: number | null;
  readonly backup: boolean;
  readonly status: Status;
  /** Epoch milliseconds of the last change of `status`. */
  readonly statusSince: number;
  readonly mode: Mode;
  /** Null while the mode is as configured. */
  readonly modeSet: ChangeStamp | null;
  /** Null while the weight is as configured. */
  readonly weightSet: ChangeStamp | null;
  /** Null if it comes from the configuration. */
  readonly added: ChangeStamp | null;
  /** Missing unless it comes from a source of members. */
  readonly discovered?: OriginSnapshot;
  /** Null unless the upstream is draining or drained. */
  readonly drain: DrainSnapshot | null;
  /** In a fleet: whether all orders about it are shared; else "not yet: " and why. */
  readonly shared?: true | string;
  /**
   * In a fleet: other balancers that do not follow the orders about it yet, still use it though it is out, or may do so, each with
   * the reason. Empty once the orders count everywhere. In a snapshot only for upstreams that drain or are in maintenance.
   */
  readonly elsewhere?: readonly string[];
  /** Null without an injected fault. */
  readonly rehearsal: FaultSnapshot | null;
  /** Whether the upstream is available: it may receive new requests now. */
  readonly fit: boolean;
  /** Including tunnels and streams. */
  readonly inFlight: number;
  /** Connections that switched protocols, such as WebSockets. */
  readonly tunnels: number;
  /** Responses that hold no slot: streams of events, and responses that clients read too slowly while others wait. */
  readonly streams: number;
  /** Limit of in-flight requests; tunnels and streams do not count. Null for no limit. */
  readonly maxInFlight: number | null;
  /** Waiting requests that were moved to another upstream, since the start. */
  readonly rescues: number;
  readonly outlier: OutlierSnapshot;
  readonly lastProbe: ProbeSnapshot | null;
  /** The last 60 probes, oldest first: `+` passed, `-` failed. */
  readonly probeHistory: string;
  readonly uptime: UptimeSnapshot;
  readonly traffic: Traffic;
  /** Errors since the start: failures by reason word, 5xx responses as `status_503`. */
  readonly errorsByReason: Readonly<Record<string, number>>;
}

/** What is usual at this hour of the day, from the history of the last week. */
export interface UsualSnapshot {
  /** Medians of the minutes of this hour; null where too little is known. */
  readonly requestsPerSecond: number | null;
  readonly errorShare: number | null;
  readonly p95Ms: number | null;
  /** Of the busiest minute of the week. */
  readonly peakRequestsPerSecond: number | null;
}

export interface PoolSnapshot {
  readonly name: string;
  readonly policy: PolicyName;
  readonly probe: string;
  /** Panic mode: no upstream would be available, so ejections are ignored. */
  readonly panic: boolean;
  readonly upstreams: readonly UpstreamSnapshot[];
  /** Sources of its members; missing without any. */
  readonly discovery?: readonly SourceSnapshot[];
  /** Of all upstreams, and of requests that ended before any attempt. */
  readonly traffic: Traffic;
  /** Missing until there is a history of several days. */
  readonly usual?: UsualSnapshot;
  /** Requests per second that got 5xx before any attempt, such as without an available upstream; included in the errors. Last 10 s. */
  readonly turnedAwayPerSecond: number;
  /** Attempts that followed another one of the same request. */
  readonly retries: number;
  /** Of these, requests that were moved off an upstream that went down while they waited. */
  readonly rescues: number;
  /** Hedges: `won` if the client got their response, else `lost`. */
  readonly hedges: { readonly won: number; readonly lost: number };
  /** Retries that the budget allows now. */
  readonly retryBudget: number;
  /** Requests in the queue now. */
  readonly queued: number;
  /** Requests that may wait in the queue at one time: `queue.maxWaiting`. */
  readonly maxQueued: number;
  /** Failed attempts that were not retried, since the start, by reason. */
  readonly notRetried: Readonly<Record<string, number>>;
  /** Refusals since the start, by reason word. */
  readonly refusals: Readonly<Record<string, number>>;
  /** The last twenty, oldest first. */
  readonly events: readonly BalancerEvent[];
}

/** State of the configuration. */
export interface ConfigurationSnapshot {
  /** Epoch milliseconds at which the current configuration was loaded. */
  readonly takenAt: number;
  /** The last rejected reload since then; null if there was none. */
  readonly refused: { readonly at: number; readonly by: string; readonly problems: readonly string[] } | null;
  /** Settings that take effect only after a restart. */
  readonly needsRestart: readonly string[];
}

/** How this process came to serve, and whether it hands over to the next one. */
export interface UpgradeSnapshot {
  /** Number of takeovers since the first process started. */
  readonly generation: number;
  /** When this process took over, epoch milliseconds; null for the first one. */
  readonly since: number | null;
  /** A new process starts, or has taken over already. */
  readonly isRunning: boolean;
  /** Upgrades of this process that failed. */
  readonly failures: number;
  /** The last failed one, in one or several sentences. */
  readonly failed: { readonly at: number; readonly by: string; readonly why: string } | null;
}

export interface Snapshot {
  /** Epoch milliseconds. */
  readonly at: number;
  readonly phase: Phase;
  readonly version: string;
  readonly runtime: string;
  readonly engine: string;
  readonly startedAt: number;
  /** Address of the first client listener: "0.0.0.0:8080". */
  readonly listen: string;
  readonly listeners: readonly ListenerSnapshot[];
  /** Client requests in flight now. */
  readonly inFlight: number;
  /** Connections of clients now, of all processes; null where the engine does not tell. */
  readonly clients: number | null;
  readonly configuration: ConfigurationSnapshot;
  readonly memory: MemorySnapshot;
  /** Set while changes cannot be saved and may be lost on restart; null if they are saved, or no state file is configured. */
  readonly notKept: UnsavedState | null;
  /** Present where a new process has taken over, is about to, or could not. */
  readonly upgrade?: UpgradeSnapshot;
  /** Missing while nothing is short. */
  readonly exhaustion?: ExhaustionSnapshot;
  /** Missing with plain HTTP. */
  readonly certificates?: readonly CertificateSnapshot[];
  /** Certificates that are ordered from an authority; missing if there are none. */
  readonly orders?: readonly ManagedCertificate[];
  /** Missing without workers. */
  readonly workers?: readonly WorkerSnapshot[];
  /** Missing for a balancer on its own. */
  readonly fleet?: FleetSnapshot;
  /** What is wrong: the open problems, worst first, then the ones that closed in the last ten minutes. At most 100 of each. */
  readonly problems: readonly ServiceProblem[];
  readonly pools: readonly PoolSnapshot[];
  /** The last twenty of the whole balancer, oldest first. */
  readonly events: readonly BalancerEvent[];
}

/** Number of responses whose headers came within `fromMs` to `toMs`. */
export interface LatencyBucket {
  readonly fromMs: number;
  readonly toMs: number;
  readonly count: number;
}

/** One upstream with everything that would be too large in a snapshot of all upstreams. */
export interface UpstreamDetail extends UpstreamSnapshot {
  readonly pool: string;
  readonly policy: PolicyName;
  /** The probe, described for people. */
  readonly probe: string;
  /** Oldest first, at most 60. */
  readonly probes: readonly ProbeSnapshot[];
  /** Responses since the start, by status code. */
  readonly codes: Readonly<Record<string, number>>;
  /** In a fleet: what each balancer says of it. */
  readonly seen?: SeenSnapshot;
  /** Attempts whose client disconnected. */
  readonly cancelled: number;
  /** Responses of the last minute by latency, contiguous from the fastest to the slowest; empty without any. */
  readonly latencies: readonly LatencyBucket[];
}

/** A process that serves clients. */
export interface WorkerSnapshot {
  readonly pid: number;
  readonly ready: boolean;
  /** Number of restarts. */
  readonly restarts: number;
  readonly inFlight: number;
  /** Attempts that ended since this process started, without cancelled ones. */
  readonly requests: number;
}

/** The effective configuration as the rest of the house sees it, and the only home of defaults. */

import manifest from "../../package.json" with { type: "json" };
import type { Accounts } from "../access/accounts.ts";
import type { ClientTimeouts, ListenerTls } from "../engine/engine.ts";
import type { PolicyName } from "../policy/policies.ts";
import type { OutlierLimits } from "../pool/outlier-detector.ts";
import type { UpstreamSpec } from "../pool/upstream.ts";
import type { UpstreamTls } from "../net/address.ts";
import type { ProbePlan } from "../probe/probe.ts";
import type { HedgeAfter } from "../proxy/hedger.ts";
import type { QueueLimits } from "../proxy/queue.ts";
import type { RetryAllowance } from "../proxy/retry-budget.ts";
import type { HashBy, Timeouts } from "../proxy/route.ts";

/** The default first. */
export const engineNames = ["wire", "fetch"] as const;
export type EngineName = (typeof engineNames)[number];

export interface PoolConfig {
  readonly name: string;
  readonly policy: PolicyName;
  /** What a keyed policy hashes; other policies ignore it. */
  readonly hashBy: HashBy;
  /** Further attempts after the first failed one, 0–2. */
  readonly retries: number;
  /** Statuses of upstreams that are tried elsewhere like failures, among 502, 503 and 504. */
  readonly retryStatuses: readonly number[];
  readonly retryBudget: RetryAllowance;
  /** When an idempotent request that still waits gets a second attempt beside the first. */
  readonly hedgeAfter: HedgeAfter;
  /** Attempts at the same time for each upstream. */
  readonly maxInFlight: number;
  /** For requests that find every fit upstream at its limit. */
  readonly queue: QueueLimits;
  /** Longest request body; without it any is passed on. */
  readonly maxRequestBodyBytes?: number;
  /** From 10 % to the whole weight after a recovery; 0 for none. */
  readonly slowStartMs: number;
  readonly outlier: OutlierConfig;
  readonly probe: ProbePlan;
  readonly timeouts: Timeouts;
  /** What `https` upstreams go by that do not say otherwise; those of the list have it already. */
  readonly upstreamTls?: UpstreamTls;
  readonly upstreams: readonly UpstreamSpec[];
}

export interface OutlierConfig extends OutlierLimits {
  /** Share of the pool that may be ejected at the same time, 0–1; 0 ejects nobody. */
  readonly maxEjectedShare: number;
}

export interface RouteConfig {
  readonly host?: string;
  readonly path?: string;
  /** Name of a pool. */
  readonly pool: string;
}

/** Where one of the program's own listeners stands. */
export interface ListenConfig {
  /** An IP address without brackets, or a name. */
  readonly hostname: string;
  /** 0 takes any free port. */
  readonly port: number;
}

/** A certificate and its key, with the files that they were read from. */
export interface ListenTlsConfig extends ListenerTls {
  readonly certPath: string;
  readonly keyPath: string;
}

export const accessLogFormats = ["json", "common"] as const;
export type AccessLogFormat = (typeof accessLogFormats)[number];

export interface AccessLogConfig {
  /** "stdout", or a file. */
  readonly to: string;
  readonly format: AccessLogFormat;
  /** Share of requests that are written, 0–1; those that failed always are. */
  readonly share: number;
}

export interface TracingConfig {
  /** Where a collector takes OTLP over HTTP; `/v1/traces` is added. */
  readonly endpoint: string;
  /** Share of requests that are traced where the client does not say, 0–1. */
  readonly share: number;
  readonly serviceName: string;
}

export interface Config {
  readonly listen: ListenConfig & {
    /** Present where clients come over TLS. */
    readonly tls?: ListenTlsConfig;
    /** Clients' connections at one time; more are answered with 503. */
    readonly maxClients: number;
  };
  readonly engine: EngineName;
  /** Processes that serve clients, 1–64; "auto" is one for each core. With one everything is in a single process. */
  readonly workers: number | "auto";
  /** Without accounts only on loopback. Their secrets are never shown or logged. */
  readonly admin: ListenConfig & Accounts;
  /** A file, or ":memory:". */
  readonly state: string;
  /** Bytes of memory at which new requests are refused, 0 for never; "auto" is a share of the control group's limit. */
  readonly maxMemory: number | "auto";
  /** How long the balancer goes on serving after SIGTERM while readiness says 503, so that orchestrators look away first. */
  readonly drainDelayMs: number;
  /** How long requests in flight may take to finish after SIGTERM. */
  readonly drainTimeoutMs: number;
  readonly clientTimeouts: ClientTimeouts;
  /** Addresses and CIDR ranges whose X-Forwarded fields are believed. */
  readonly trustedProxies: readonly string[];
  /** Without it no request is written down. */
  readonly accessLog?: AccessLogConfig;
  /** Without it traces only pass through. */
  readonly tracing?: TracingConfig;
  readonly pools: readonly PoolConfig[];
  /** In order; the last one matches everything, and leads to the first pool unless the file says otherwise. */
  readonly routes: readonly RouteConfig[];
}

/** The dashboard as a process of its own. */
export interface DashboardConfig extends ListenConfig {
  /** Origin of the front door that clients use, without a slash at its end. */
  readonly balancerUrl: string;
  /** Origin of the admin side it reads and acts through. */
  readonly adminUrl: string;
  /** What the admin side asks of its callers. Never shown or logged. */
  readonly adminToken?: string;
}

/** One demo server. */
export interface BackendConfig extends ListenConfig {
  readonly name: string;
  /** Each answer waits for a time between these, in milliseconds. */
  readonly latencyMs: { readonly min: number; readonly max: number };
  /** Share of requests answered with 500, 0–1. */
  readonly failRate: number;
}

/** Each with its source. */
export const defaults = {
  /** Read without being asked for, if it is there. */
  configFile: "evenkeel.yaml",
  listen: { hostname: "0.0.0.0", port: 8080 },
  /** With a connection to an upstream for each of them still below the 65,536 files that services commonly may open. */
  maxClients: 16_384,
  /** The only engine that passes every law of the law suite. */
  engine: "wire",
  /** A single process, until somebody asks for more. */
  workers: 1,
  admin: { hostname: "127.0.0.1", port: 8091 },
  /** Whoever is limited is ended by the system at that limit; whoever is not shares memory with others anyway. */
  maxMemory: "auto",
  /** Kubernetes wants about 5 s; whoever runs it by hand wants none. */
  drainDelayMs: 0,
  drainTimeoutMs: 30_000,
  /** NGINX: client_header_timeout shortened to 10 s, client_body_timeout halved, keepalive_timeout. */
  clientTimeouts: { headMs: 10_000, bodyIdleMs: 30_000, keepAliveMs: 75_000 },
  trustedProxies: [],
  accessLog: { to: "stdout", format: "json", share: 1 },
  /** One in a hundred: enough to see a pattern, and cheap. A client that decides for itself is believed. */
  tracing: { share: 0.01, serviceName: "evenkeel" },
  pool: {
    name: "main",
    policy: "round-robin",
    hashBy: "client-address",
    /** Envoy and HAProxy retry once elsewhere. */
    retries: 1,
    /** Which answers may be asked for twice, only the operator knows. */
    retryStatuses: [],
    /** Envoy's and Finagle's share; Envoy's min_retry_concurrency of 3, as a rate. */
    retryBudget: { share: 0.2, perSecond: 3 },
    /** Which requests cost little enough to be asked twice, only the operator knows. */
    hedgeAfter: 0,
    /** HAProxy's habit of a maxconn for each server, with room for slow ones. */
    maxInFlight: 256,
    /** HAProxy's queue with its timeout queue of 5 s, bounded. Without a fit upstream an early 503 is the better answer. */
    queue: { maxWaiting: 1_024, timeoutMs: 5_000, whenNoneFit: false },
    /** Of the order of HAProxy's examples and of Envoy's slow_start_window. */
    slowStartMs: 30_000,
    /**
     * Envoy: consecutive_gateway_failure 5, base_ejection_time 30 s, max_ejection_time 300 s; interval 10 s and request
     * volume 50 of its failure percentage. The ratio lies between Finagle's 0.2, which would eject servers that shed
     * load, and Envoy's 0.85, which would keep one that resets every second connection.
     */
    outlier: {
      consecutiveFailures: 5,
      failureRatio: 0.5,
      minimumVolume: 50,
      windowMs: 10_000,
      ejectionMs: 30_000,
      maxEjectionMs: 300_000,
      maxEjectedShare: 0.5,
    },
    /** Caddy's dial timeout; HAProxy's tunnel timeout; NGINX's keepalive_time. */
    timeouts: {
      connectMs: 3_000,
      headMs: 30_000,
      bodyIdleMs: 60_000,
      tunnelIdleMs: 3_600_000,
      connectionAgeMs: 3_600_000,
    },
    /** HAProxy's rise and fall; NGINX Plus's interval. */
    probe: {
      kind: "tcp",
      intervalMs: 5_000,
      changingIntervalMs: 1_000,
      jitter: 0.1,
      timeoutMs: 2_000,
      rise: 2,
      fall: 3,
    },
    upstreams: ["http://localhost:8081", "http://localhost:8082", "http://localhost:8083"],
  },
  upstream: { weight: 1, backup: false },
  /** What `up` adds where nobody named upstreams: the demo servers behind the pool's default upstreams. */
  demo: { hostname: "127.0.0.1", ports: [8081, 8082, 8083], probePath: "/readyz" },
  dashboard: {
    hostname: "127.0.0.1",
    port: 8090,
    balancerUrl: "http://localhost:8080",
    adminUrl: "http://localhost:8091",
  },
  backend: { hostname: "0.0.0.0", port: 8081, latencyMs: { min: 50, max: 150 }, failRate: 0 },
} as const;

// The version of this program, from package.json, so that it is written down once.

export const version: string = manifest.version;

/** The effective configuration, as the rest of the program uses it, and all defaults with their sources. */

import manifest from "../../package.json" with { type: "json" };
import type { AcmeSettings } from "../acme/settings.ts";
import type { Accounts } from "../access/accounts.ts";
import type { ClientTimeouts, MessageLimits } from "../engine/engine.ts";
import type { FleetSettings } from "../fleet/settings.ts";
import type { ProxyVersion } from "../net/proxy-protocol.ts";
import type { UpstreamTls } from "../net/address.ts";
import type { PolicyName } from "../policy/policies.ts";
import type { OutlierLimits } from "../pool/outlier-detector.ts";
import type { UpstreamSpec } from "../pool/upstream.ts";
import type { ProbePlan } from "../probe/probe.ts";
import type { HedgeAfter } from "../proxy/hedger.ts";
import type { QueueLimits } from "../proxy/queue.ts";
import type { RetryAllowance } from "../proxy/retry-budget.ts";
import type { HashBy } from "../proxy/hash-key.ts";
import type { Timeouts } from "../proxy/route.ts";
import type { RouteConditions } from "../routing/conditions.ts";
import type { StickySettings } from "../filter/sticky-cookie.ts";
import type { CertificateEntry } from "../tls/certificate-files.ts";
import type { CertificateFacts } from "../tls/certificate-pair.ts";
import type { ClientCertificates, TlsVersion } from "../tls/listener-tls.ts";
import type { DiscoveryEntry } from "./discovery.ts";
import type { AlertReceiverConfig } from "./alerts.ts";
import type { FilterSettings } from "./filter-schema.ts";
import type { KeptRequestsConfig } from "./kept-requests.ts";
import type { RouteFile } from "./route-schema.ts";

/** The default is first. */
export const engineNames = ["wire", "fetch"] as const;
export type EngineName = (typeof engineNames)[number];

/** Enough for any machine, and low enough that a mistyped number does no harm. */
export const maxWorkers = 64;

export interface PoolConfig {
  readonly name: string;
  readonly policy: PolicyName;
  /** What a keyed policy hashes. Other policies ignore it. */
  readonly hashBy: HashBy;
  /** Attempts after the first one failed, 0–2. */
  readonly retries: number;
  /** Response statuses that are retried like failures: 502, 503 or 504. */
  readonly retryStatuses: readonly number[];
  readonly retryBudget: RetryAllowance;
  /** When an idempotent request without a response gets a second, concurrent attempt. */
  readonly hedgeAfter: HedgeAfter;
  /**
   * Concurrent attempts per upstream. Undefined for no limit, the default of NGINX, HAProxy and Caddy too: the slots under
   * a limit can be held by slow clients, so only an operator who knows what the servers can bear should set one.
   */
  readonly maxInFlight?: number;
  /** For requests that arrive when every available upstream is at `maxInFlight`. */
  readonly queue: QueueLimits;
  /** Present where upstreams get the client's address in a PROXY header. */
  readonly proxyProtocol?: ProxyVersion;
  /** Maximum size of a request body; undefined for no limit. */
  readonly maxRequestBodyBytes?: number;
  /** Time from 10 % to full weight after a recovery; 0 for no slow start. */
  readonly slowStartMs: number;
  /** Present where clients stay with their upstreams. */
  readonly sticky?: StickySettings;
  readonly outlier: OutlierConfig;
  readonly probe: ProbePlan;
  readonly timeouts: Timeouts;
  /** Whether upstreams speak HTTP/2, unless they say otherwise; already merged into `upstreams`. */
  readonly http2: boolean;
  /** Default for the `https` upstreams of the pool; already merged into `upstreams`. */
  readonly upstreamTls?: UpstreamTls;
  readonly upstreams: readonly UpstreamSpec[];
  /** Sources of further upstreams; present if there are any. */
  readonly discovery?: readonly DiscoveryEntry[];
}

export interface OutlierConfig extends OutlierLimits {
  /** Share of the pool that may be ejected at the same time, 0–1; 0 disables ejections. */
  readonly maxEjectedShare: number;
}

export interface RouteConfig {
  /** Where it stands in the file: "routes[3]". */
  readonly place: string;
  readonly name?: string;
  readonly conditions: RouteConditions;
  /** Name of a pool. Exactly one of this and the next three is present. */
  readonly pool?: string;
  readonly split?: NonNullable<RouteFile["split"]>;
  readonly redirect?: { readonly to: string; readonly status?: number };
  readonly respond?: NonNullable<RouteFile["respond"]>;
  /** False where it is served although a listener redirects other requests to https. */
  readonly isRedirected?: false;
  /** What is done with a request, with profiles and defaults merged into it. */
  readonly settings: FilterSettings;
  /** Contents of the files that the settings name, by path. */
  readonly texts: Readonly<Record<string, string>>;
}

export const ambiguousPathsModes = ["refuse", "pass"] as const;
export type AmbiguousPaths = (typeof ambiguousPathsModes)[number];

/** Address of one of the program's listeners. */
export interface ListenConfig {
  /** An IP address without brackets, or a name. */
  readonly hostname: string;
  /** 0 selects a free port. */
  readonly port: number;
}

/** HTTP versions of a listener. */
export const httpProtocols = ["http1", "http2"] as const;
export type HttpProtocol = (typeof httpProtocols)[number];

/** One address that clients connect to. */
export interface ListenerConfig extends ListenConfig {
  readonly name: string;
  /** Present if clients connect over TLS. */
  readonly tls?: ListenTlsConfig;
  /** Maximum concurrent client connections; more get 503. */
  readonly maxClients: number;
  /** Without TLS, clients of HTTP/2 need prior knowledge. */
  readonly protocols: readonly HttpProtocol[];
  /** Present where proxies begin their connections with a PROXY header. */
  readonly proxyProtocol?: ProxyProtocolConfig;
  /** Whether HTTP/3 is served on the UDP port of the same number. */
  readonly http3?: true;
  /** Present where responses have Strict-Transport-Security (RFC 6797); only with TLS. */
  readonly hsts?: HstsConfig;
  /** Present where clients are sent to https. */
  readonly redirect?: RedirectConfig;
  /** For hosts that no route takes; by default they get 404. */
  readonly unknownHosts?: 421 | "close";
  /** Instead of the trusted proxies of all listeners. */
  readonly trustedProxies?: readonly string[];
}

export interface ProxyProtocolConfig {
  /** Addresses and CIDR ranges of the proxies. */
  readonly from: readonly string[];
  readonly timeoutMs: number;
}

export interface HstsConfig {
  /** How long clients use https only; 0 ends that. */
  readonly maxAgeSeconds: number;
  /** Whether this applies to all names below the host. */
  readonly subdomains: boolean;
  /** Whether browsers may have the host in their own lists. */
  readonly preload: boolean;
}

export interface RedirectConfig {
  /** By default that of the only listener with TLS. */
  readonly port?: number;
  /** By default 308, and 301 for GET and HEAD. */
  readonly status?: number;
}

/** Whether handshakes are refused whose name no certificate covers; "auto": where clients show certificates. */
export type StrictSni = boolean | "auto";

/** A certificate that was found while the configuration was read. */
export interface ConfiguredCertificate extends CertificateFacts {
  /** The setting that it comes from. */
  readonly setting: string;
}

export interface ListenTlsConfig {
  /** The listener's own certificate: its default one. */
  readonly files?: Extract<CertificateEntry, { certPath: string }>;
  readonly minVersion: TlsVersion;
  /** The name whose certificate clients get that send no name, or one that no certificate covers. */
  readonly defaultCertificate?: string;
  readonly strictSni: StrictSni;
  readonly clientCertificates?: ClientCertificates & { readonly caPath: string };
}

export const accessLogFormats = ["json", "common", "combined"] as const;
export type AccessLogFormat = (typeof accessLogFormats)[number];

export interface AccessLogConfig {
  /** "stdout" or a path. */
  readonly to: string;
  readonly format: AccessLogFormat;
  /** Share of requests that are logged, 0–1. Failed requests are always logged. */
  readonly share: number;
}

export interface TracingConfig {
  /** URL of a collector for OTLP over HTTP; `/v1/traces` is appended. */
  readonly endpoint: string;
  /** Share of traced requests among those without a sampling decision of the client, 0–1. */
  readonly share: number;
  readonly serviceName: string;
}

export interface Config {
  /** Where clients connect. The first is the balancer's main address. */
  readonly listeners: readonly [ListenerConfig, ...ListenerConfig[]];
  /** Where the certificates of all TLS listeners come from, beside the listeners' own. */
  readonly certificates: readonly CertificateEntry[];
  /** Authorities that certificates are ordered from. */
  readonly acme: readonly AcmeSettings[];
  /** What was found there, and at the listeners' own files, while the configuration was read. Without keys. */
  readonly foundCertificates: readonly ConfiguredCertificate[];
  /** About certificates that cannot be used; sentences without a full stop. */
  readonly certificateWarnings: readonly string[];
  /** Absolute path of the file of extensions. */
  readonly extensions?: string;
  readonly engine: EngineName;
  /** Serving processes, 1–64; "auto" is one per core. With 1 everything runs in a single process. */
  readonly workers: number | "auto";
  /** Without accounts it listens only on loopback. Secrets are never shown or logged. */
  readonly admin: ListenConfig & Accounts;
  /** A path or ":memory:". */
  readonly state: string;
  /** Memory in bytes at which new requests are refused; 0 for no limit, "auto" for a share of the control group's limit. */
  readonly maxMemory: number | "auto";
  /** Secrets of sticky cookies; the first makes them. Undefined: one in the state file. Never shown or logged. */
  readonly stickySecrets?: readonly string[];
  /** Where some of them come from. */
  readonly stickySecretFile?: string;
  /** Present if this balancer shares with others what operators set. */
  readonly fleet?: FleetSettings;
  /** How long the balancer continues to serve after SIGTERM while readiness is 503, so that orchestrators stop routing first. */
  readonly drainDelayMs: number;
  /** How long in-flight requests may take to finish after SIGTERM. */
  readonly drainTimeoutMs: number;
  readonly clientTimeouts: ClientTimeouts;
  readonly limits: MessageLimits;
  /** Addresses and CIDR ranges whose X-Forwarded-* headers are kept. */
  readonly trustedProxies: readonly string[];
  /** DNS servers for the names of upstreams, "address" or "address:port"; empty for the system's. */
  readonly resolvers: readonly string[];
  /** Undefined: no access log. */
  readonly accessLog?: AccessLogConfig;
  /** Undefined: trace headers only pass through. */
  readonly tracing?: TracingConfig;
  readonly requests: KeptRequestsConfig;
  /** Who is sent problems. */
  readonly alerts: readonly AlertReceiverConfig[];
  /** Where people reach the dashboard, for links in alerts; without a slash at its end. */
  readonly dashboardUrl?: string;
  /** Where clients reach the service, which the balancer asks as one of them. */
  readonly frontDoor?: string;
  readonly pools: readonly PoolConfig[];
  /** Whether operators may add upstreams with link-local addresses, where clouds serve the machine's credentials. */
  readonly allowLinkLocal: boolean;
  /** What happens to a path that servers read in different ways, on a host whose routes tell paths apart. */
  readonly ambiguousPaths: AmbiguousPaths;
  /** Addresses and ranges by name, for allow and deny. */
  readonly networks?: Readonly<Record<string, readonly string[]>>;
  /** Processes among which the limits of routes are divided; by default one. Set for workers. */
  readonly processes?: number;
  /** In order. The last one matches everything, and leads to the first pool by default. */
  readonly routes: readonly RouteConfig[];
  /** What routes have unless they say otherwise; already merged into them. Present if there are any. */
  readonly defaults?: Pick<RouteConfig, "settings" | "texts">;
}

/** The dashboard as a separate process. */
export interface DashboardConfig extends ListenConfig {
  /** Origin of the client listener, without a trailing slash. */
  readonly balancerUrl: string;
  /** Origin of the admin API, without a trailing slash. */
  readonly adminUrl: string;
  /** Of other balancers of its fleet. */
  readonly otherAdminUrls?: readonly string[];
  /** Bearer token for the admin API. Never shown or logged. */
  readonly adminToken?: string;
  /** Proxies in front of the dashboard. */
  readonly trustedProxies?: readonly string[];
}

/** One demo server. */
export interface BackendConfig extends ListenConfig {
  readonly name: string;
  /** Range of the delay of each response, in milliseconds. */
  readonly latencyMs: { readonly min: number; readonly max: number };
  /** Share of requests that get 500, 0–1. */
  readonly failRate: number;
}

/** All defaults, with their sources. */
export const defaults = {
  /** Read if it exists and no other file is named. */
  configFile: "evenkeel.yaml",
  listen: { name: "main", hostname: "0.0.0.0", port: 8080, protocols: ["http1"] },
  tls: {
    minVersion: "1.2",
    strictSni: "auto",
    clientCertificates: { verify: "required", forward: false },
  },
  /** With one upstream connection each, this stays below the common limit of 65,536 open files. */
  maxClients: 16_384,
  /** The only engine that passes every law of the law suite. */
  engine: "wire",
  workers: 1,
  admin: { hostname: "127.0.0.1", port: 8091 },
  /** The system kills a process at the limit of its control group. Without a limit, memory is shared with other programs. */
  maxMemory: "auto",
  /** Kubernetes needs about 5 s; other setups need none. */
  drainDelayMs: 0,
  drainTimeoutMs: 30_000,
  /** NGINX: client_header_timeout shortened to 10 s, client_body_timeout halved, keepalive_timeout. */
  clientTimeouts: { headMs: 10_000, bodyIdleMs: 30_000, keepAliveMs: 75_000 },
  /**
   * Requests: NGINX's four large_client_header_buffers of 8 KiB, of which one takes the target; Apache's 100 fields and some
   * more. Responses come from the operator's own servers: what a field may hold is theirs to decide, up to Envoy's 60 KiB.
   */
  limits: {
    requestHeadBytes: 32_768,
    requestFields: 128,
    requestTargetBytes: 8_192,
    responseHeadBytes: 65_536,
    responseFields: 256,
    /** The limit of common libraries and gateways lies between 64 KiB and 16 MiB. */
    webSocketMessageBytes: 1_048_576,
    webSocketBufferBytes: 67_108_864,
  },
  trustedProxies: [],
  /** The hosts file and search list count too, as for every other program on the machine. */
  resolvers: [],
  allowLinkLocal: false,
  /** A path that an upstream reads as another one would pass its route. */
  ambiguousPaths: "refuse",
  accessLog: { to: "stdout", format: "json", share: 1 },
  /** One in a hundred shows patterns at little cost. A sampling decision of the client is kept. */
  tracing: { share: 0.01, serviceName: "evenkeel" },
  pool: {
    name: "main",
    policy: "round-robin",
    hashBy: "client-address",
    /** Envoy and HAProxy retry once, on another upstream. */
    retries: 1,
    /** Empty: only the operator can decide which responses may be requested twice. */
    retryStatuses: [],
    /** The share of Envoy and Finagle; Envoy's min_retry_concurrency of 3 as a rate. */
    retryBudget: { share: 0.2, perSecond: 3 },
    /** Off: only the operator can decide which requests are cheap enough to send twice. */
    hedgeAfter: 0,
    /** HAProxy's queue with its `timeout queue` of 5 s, bounded. Without an available upstream, an early 503 is better. */
    queue: { maxWaiting: 1_024, timeoutMs: 5_000, whenNoneFit: false },
    /** In the order of HAProxy's examples and Envoy's slow_start_window. */
    slowStartMs: 30_000,
    /** NGINX Plus: a session cookie. HAProxy's sessions of a draining server go on; here its deadline ends them. */
    sticky: { maxAgeSeconds: 0, sameSite: "Lax", secure: "auto", path: "/", whileDraining: "keep" },
    /** HTTP/1.1 costs less to forward, and every server speaks it. */
    http2: false,
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
  /** Demo servers that `up` starts at the pool's default upstreams if no upstreams are configured. */
  demo: { hostname: "127.0.0.1", port: 8081, servers: 3, probePath: "/readyz" },
  dashboard: {
    hostname: "127.0.0.1",
    port: 8090,
    balancerUrl: "http://localhost:8080",
    adminUrl: "http://localhost:8091",
  },
  backend: { hostname: "0.0.0.0", port: 8081, latencyMs: { min: 50, max: 150 }, failRate: 0 },
} as const;

/** One year: what the lists of browsers ask for. */
export const hstsDefaults: HstsConfig = { maxAgeSeconds: 31_536_000, subdomains: false, preload: false };

/** The version of this program, from package.json. */
export const version: string = manifest.version;

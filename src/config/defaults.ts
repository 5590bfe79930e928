/** Turns a valid configuration file into the effective configuration: every missing setting gets its default here. */

import { resolve } from "node:path";

import type { Accounts } from "../access/accounts.ts";
import type { ProbePlan } from "../probe/probe.ts";
import type { QueueLimits } from "../proxy/queue.ts";
import type { Timeouts } from "../proxy/route.ts";
import type { CertificateEntry } from "../tls/certificate-files.ts";
import type { Certificates } from "./certificates.ts";
import { acmeSettingsOf } from "./acme.ts";
import {
  type Config,
  defaults,
  hstsDefaults,
  type ListenConfig,
  type ListenerConfig,
  type OutlierConfig,
  type PoolConfig,
} from "./config.ts";
import { discoveryEntriesOf } from "./discovery-entries.ts";
import { type FleetFiles, fleetSettingsOf } from "./fleet.ts";
import { alertReceiversOf, type AlertTexts } from "./alerts.ts";
import { keptRequestsOf } from "./kept-requests.ts";
import { withoutBrackets } from "./network.ts";
import type { CertificateFile } from "./listener-tls-schema.ts";
import type { ListenerFile } from "./listener-schema.ts";
import { defaultSettingsOf, routeConfigsOf } from "./routes.ts";
import type { ConfigFile, PoolFile } from "./schema.ts";
import { stickySettingsOf } from "./sticky.ts";
import { type PoolAddress, toUpstreamSpec, upstreamTlsOf } from "./upstreams.ts";
import { ageSecondsOf, durationOf, sizeOf } from "./values.ts";

/** The balancer's configuration, and the address of its dashboard. */
export interface ResolvedConfig {
  readonly config: Config;
  readonly dashboard: ListenConfig;
}

/** Values that are not in the file itself. */
export interface ReferencedFiles {
  /** State file if the configuration has none. */
  readonly defaultState: string;
  readonly certificates: Pick<Certificates, "texts" | "found" | "warnings">;
  /** Of the files that routes name, by path. */
  readonly routeTexts: ReadonlyMap<string, string>;
  /** Path of the file of extensions. */
  readonly extensions: string | undefined;
  /** Of sticky cookies, from variable and file. */
  readonly stickySecrets: readonly string[];
  /** Of the files that the fleet's settings name, by path. */
  readonly fleetTexts: FleetFiles["texts"];
  /** Of the files that receivers of alerts name, by path. */
  readonly alertTexts: AlertTexts;
}

type Texts = Certificates["texts"];

export function applyDefaults(file: ConfigFile, referenced: ReferencedFiles): ResolvedConfig {
  const { defaultState, certificates, routeTexts, extensions, stickySecrets, fleetTexts } = referenced;
  const { texts } = certificates;
  const pools = Object.entries(file.pools ?? {}).map(([name, pool]) => poolOf(name, pool, texts));
  const clients = file.clientTimeouts;
  const listeners = listenersOf(file.listen, {
    texts,
    headMs: timeMsOf(clients?.head, defaults.clientTimeouts.headMs),
  });
  const state = file.state ?? defaultState;
  const routes = routeConfigsOf(file, pools[0]?.name ?? defaults.pool.name, routeTexts);
  const fleet = fleetSettingsOf(file.fleet, fleetTexts);
  const routeDefaults = defaultSettingsOf(file, routeTexts);
  const dashboardUrl = file.dashboard?.url ?? fleet?.url;
  return {
    config: {
      listeners,
      acme: acmeSettingsOf(file.certificates ?? [], { listeners, routes, state }, texts),
      certificates: (file.certificates ?? []).flatMap(certificateEntryOf),
      foundCertificates: certificates.found,
      certificateWarnings: certificates.warnings,
      engine: file.engine ?? defaults.engine,
      workers: file.workers ?? defaults.workers,
      admin: { ...listenOf(file.admin, defaults.admin), ...accountsOf(file.admin) },
      state,
      maxMemory: maxMemoryOf(file.maxMemory),
      ...(stickySecrets.length > 0 && { stickySecrets }),
      ...(file.stickySecretFile !== undefined && { stickySecretFile: file.stickySecretFile }),
      ...(fleet && { fleet }),
      drainDelayMs: timeMsOf(file.drainDelay, defaults.drainDelayMs),
      drainTimeoutMs: timeMsOf(file.drainTimeout, defaults.drainTimeoutMs),
      clientTimeouts: {
        headMs: timeMsOf(clients?.head, defaults.clientTimeouts.headMs),
        bodyIdleMs: timeMsOf(clients?.bodyIdle, defaults.clientTimeouts.bodyIdleMs),
        keepAliveMs: timeMsOf(clients?.keepAlive, defaults.clientTimeouts.keepAliveMs),
      },
      limits: limitsOf(file.limits),
      trustedProxies: file.trustedProxies ?? defaults.trustedProxies,
      resolvers: file.resolvers ?? defaults.resolvers,
      ...(file.accessLog && { accessLog: { ...defaults.accessLog, ...file.accessLog } }),
      ...(file.tracing && { tracing: { ...defaults.tracing, ...file.tracing } }),
      requests: keptRequestsOf(file.requests),
      alerts: alertReceiversOf(file.alerts, referenced.alertTexts, file.alertSecret),
      ...(file.frontDoor !== undefined && { frontDoor: file.frontDoor }),
      ...(dashboardUrl !== undefined && { dashboardUrl: dashboardUrl.replace(/\/+$/, "") }),
      pools,
      allowLinkLocal: file.allowLinkLocal ?? defaults.allowLinkLocal,
      ambiguousPaths: file.ambiguousPaths ?? defaults.ambiguousPaths,
      ...(file.networks && { networks: file.networks }),
      routes,
      ...(extensions !== undefined && { extensions: resolve(extensions) }),
      ...(routeDefaults && { defaults: routeDefaults }),
    },
    dashboard: listenOf(file.dashboard, defaults.dashboard),
  };
}

function maxMemoryOf(given: ConfigFile["maxMemory"] = defaults.maxMemory): Config["maxMemory"] {
  return given === "auto" || given === 0 ? given : sizeOf(given);
}

function limitsOf(given: ConfigFile["limits"]): Config["limits"] {
  const fallback = defaults.limits;
  const bytesOf = (size: string | undefined, bytes: number) => (size === undefined ? bytes : sizeOf(size));
  return {
    requestHeadBytes: bytesOf(given?.requestHead, fallback.requestHeadBytes),
    requestFields: given?.requestFields ?? fallback.requestFields,
    requestTargetBytes: bytesOf(given?.requestTarget, fallback.requestTargetBytes),
    responseHeadBytes: bytesOf(given?.responseHead, fallback.responseHeadBytes),
    responseFields: given?.responseFields ?? fallback.responseFields,
    webSocketMessageBytes: bytesOf(given?.webSocketMessage, fallback.webSocketMessageBytes),
    webSocketBufferBytes: bytesOf(given?.webSocketBuffers, fallback.webSocketBufferBytes),
  };
}

function accountsOf({ token, users = [], tokens = [] }: NonNullable<ConfigFile["admin"]> = {}): Accounts {
  return {
    ...(token === undefined ? {} : { token }),
    ...(users.length > 0 && { users }),
    ...(tokens.length > 0 && { tokens }),
  };
}

/** Also used by the commands without a configuration file. */
export function listenOf(
  given: { readonly host?: string; readonly port?: number } | undefined,
  fallback: ListenConfig,
): ListenConfig {
  return {
    hostname: withoutBrackets(given?.host ?? fallback.hostname),
    port: given?.port ?? fallback.port,
  };
}

/** What listeners take from the rest of the configuration. */
interface ListenerDefaults {
  readonly texts: Texts;
  readonly headMs: number;
}

function listenersOf(given: ConfigFile["listen"], { texts, headMs }: ListenerDefaults): Config["listeners"] {
  const isList = (listen: ConfigFile["listen"]): listen is readonly ListenerFile[] => Array.isArray(listen);
  const [first, ...rest] = isList(given) ? given : [given];
  const listenerOf = (listener: ListenerFile | undefined, position: number): ListenerConfig => ({
    name: listener?.name ?? (position === 1 ? defaults.listen.name : `listen-${position}`),
    ...listenOf(listener, defaults.listen),
    ...listenerTlsOf(listener?.tls, texts),
    maxClients: listener?.maxClients ?? defaults.maxClients,
    protocols: listener?.protocols ?? defaults.listen.protocols,
    ...(listener?.http3 && { http3: true }),
    ...(listener?.proxyProtocol && {
      proxyProtocol: {
        from: listener.proxyProtocol.from,
        timeoutMs: timeMsOf(listener.proxyProtocol.timeout, headMs),
      },
    }),
    ...hstsOf(listener?.tls?.hsts),
    ...listenerRulesOf(listener),
  });
  return [listenerOf(first, 1), ...rest.map((listener, index) => listenerOf(listener, index + 2))];
}

function hstsOf(given: NonNullable<ListenerFile["tls"]>["hsts"]): Pick<ListenerConfig, "hsts"> {
  if (given === undefined) return {};
  const { maxAge, ...flags } = given === true ? {} : given;
  const age = maxAge === undefined ? {} : { maxAgeSeconds: ageSecondsOf(maxAge) };
  return { hsts: { ...hstsDefaults, ...age, ...flags } };
}

function listenerRulesOf({ redirect, unknownHosts, trustedProxies }: ListenerFile = {}): Pick<
  ListenerConfig,
  "redirect" | "unknownHosts" | "trustedProxies"
> {
  const { port, status } = typeof redirect === "object" ? redirect : {};
  return {
    ...(redirect !== undefined && {
      redirect: { ...(port !== undefined && { port }), ...(status !== undefined && { status }) },
    }),
    ...(unknownHosts !== undefined && unknownHosts !== 404 && { unknownHosts }),
    ...(trustedProxies && { trustedProxies }),
  };
}

function listenerTlsOf(given: ListenerFile["tls"], texts: Texts): Pick<ListenerConfig, "tls"> {
  if (given === undefined) return {};
  const { cert, key, defaultCertificate, clientCertificates: clients } = given;
  const files = cert !== undefined && key !== undefined && { certPath: cert, keyPath: key };
  const { verify, forward } = { ...defaults.tls.clientCertificates, ...clients };
  const hosts = clients?.hosts?.map((host) => host.toLowerCase());
  const caPath = clients?.ca;
  const ca = caPath === undefined ? undefined : (texts.get(caPath) ?? "");
  return {
    tls: {
      ...(files && { files }),
      minVersion: given.minVersion ?? defaults.tls.minVersion,
      ...(defaultCertificate !== undefined && { defaultCertificate: defaultCertificate.toLowerCase() }),
      strictSni: given.strictSni ?? defaults.tls.strictSni,
      ...(ca !== undefined &&
        caPath !== undefined && {
          clientCertificates: { ca, caPath, verify, forward, ...(hosts && { hosts }) },
        }),
    },
  };
}

function certificateEntryOf({ cert, key, folder }: CertificateFile): readonly CertificateEntry[] {
  if (folder !== undefined) return [{ folder }];
  return cert !== undefined && key !== undefined ? [{ certPath: cert, keyPath: key }] : [];
}

function timeMsOf(given: string | number | undefined, fallbackMs: number): number {
  return given === undefined ? fallbackMs : durationOf(String(given));
}

function poolOf(name: string, pool: PoolFile, texts: Texts): PoolConfig {
  const upstreamTls = upstreamTlsOf(pool.upstreamTls, undefined, texts);
  const http2 = pool.http2 ?? defaults.pool.http2;
  const sticky = stickySettingsOf(name, pool.sticky);
  const address = { http2, ...(upstreamTls && { upstreamTls }) };
  return {
    name,
    policy: pool.policy ?? defaults.pool.policy,
    hashBy: pool.hashBy ?? defaults.pool.hashBy,
    retries: pool.retries ?? defaults.pool.retries,
    retryStatuses: pool.retryStatuses ?? defaults.pool.retryStatuses,
    retryBudget: { ...defaults.pool.retryBudget, ...pool.retryBudget },
    hedgeAfter: pool.hedge === "p99" ? "p99" : timeMsOf(pool.hedge, defaults.pool.hedgeAfter),
    ...(pool.maxInFlight === undefined ? {} : { maxInFlight: pool.maxInFlight }),
    queue: queueOf(pool.queue),
    ...(pool.proxyProtocol && { proxyProtocol: pool.proxyProtocol }),
    ...(pool.maxRequestBody === undefined ? {} : { maxRequestBodyBytes: sizeOf(pool.maxRequestBody) }),
    ...(sticky && { sticky }),
    slowStartMs: timeMsOf(pool.slowStart, defaults.pool.slowStartMs),
    outlier: outlierOf(pool.outlier),
    probe: { ...probeOf(pool.probe), ...(pool.proxyProtocol && { proxyProtocol: pool.proxyProtocol }) },
    timeouts: timeoutsOf(pool.timeouts),
    ...address,
    ...entriesFrom(pool, address, texts),
  };
}

function entriesFrom(
  { upstreams }: PoolFile,
  address: PoolAddress,
  texts: Texts,
): Pick<PoolConfig, "upstreams" | "discovery"> {
  const discovery = discoveryEntriesOf(upstreams, address, texts);
  const specs = upstreams.flatMap(({ url, ...entry }) =>
    url === undefined ? [] : [toUpstreamSpec({ ...entry, url }, address, texts)],
  );
  return { upstreams: specs, ...(discovery.length > 0 && { discovery }) };
}

function queueOf(given: PoolFile["queue"]): QueueLimits {
  const fallback = defaults.pool.queue;
  return {
    maxWaiting: given?.maxWaiting ?? fallback.maxWaiting,
    timeoutMs: timeMsOf(given?.timeout, fallback.timeoutMs),
    whenNoneFit: given?.whenNoneFit ?? fallback.whenNoneFit,
  };
}

function probeKindOf({ path, grpc = false }: NonNullable<PoolFile["probe"]> = {}): Pick<
  ProbePlan,
  "kind" | "path" | "service"
> {
  if (grpc !== false) return { kind: "grpc", service: grpc === true ? "" : grpc };
  return path === undefined ? { kind: "tcp" } : { kind: "http", path };
}

function probeOf(given: PoolFile["probe"]): ProbePlan {
  const fallback = defaults.pool.probe;
  return {
    ...probeKindOf(given),
    intervalMs: timeMsOf(given?.interval, fallback.intervalMs),
    changingIntervalMs: timeMsOf(given?.changingInterval, fallback.changingIntervalMs),
    jitter: given?.jitter ?? fallback.jitter,
    timeoutMs: timeMsOf(given?.timeout, fallback.timeoutMs),
    rise: given?.rise ?? fallback.rise,
    fall: given?.fall ?? fallback.fall,
  };
}

function outlierOf(given: PoolFile["outlier"]): OutlierConfig {
  const fallback = defaults.pool.outlier;
  return {
    consecutiveFailures: given?.consecutiveFailures ?? fallback.consecutiveFailures,
    failureRatio: given?.failureRatio ?? fallback.failureRatio,
    minimumVolume: given?.minimumVolume ?? fallback.minimumVolume,
    windowMs: timeMsOf(given?.window, fallback.windowMs),
    ejectionMs: timeMsOf(given?.ejection, fallback.ejectionMs),
    maxEjectionMs: timeMsOf(given?.maxEjection, fallback.maxEjectionMs),
    maxEjectedShare: given?.maxEjected ?? fallback.maxEjectedShare,
  };
}

function timeoutsOf(given: PoolFile["timeouts"]): Timeouts {
  const fallback = defaults.pool.timeouts;
  const totalMs = timeMsOf(given?.total, 0);
  const connectionAgeMs = timeMsOf(given?.connectionAge, fallback.connectionAgeMs);
  return {
    ...(totalMs > 0 && { totalMs }),
    ...(connectionAgeMs > 0 && { connectionAgeMs }),
    connectMs: timeMsOf(given?.connect, fallback.connectMs),
    headMs: timeMsOf(given?.head, fallback.headMs),
    bodyIdleMs: timeMsOf(given?.bodyIdle, fallback.bodyIdleMs),
    tunnelIdleMs: timeMsOf(given?.tunnelIdle, fallback.tunnelIdleMs),
  };
}

/** Converts a configuration back into the form of a file, to show it and to compare two configurations. */

import { formatDuration, formatSize } from "../lib/units.ts";
import { authorityOf, originOf, speaksHttp2, type UpstreamTls } from "../net/address.ts";
import type { CertificateEntry } from "../tls/certificate-files.ts";
import { acmeFileOf } from "./acme.ts";
import { alertsFileOf } from "./alerts.ts";
import {
  type Config,
  defaults,
  type HstsConfig,
  type ListenerConfig,
  type ListenTlsConfig,
  type PoolConfig,
  type RouteConfig,
} from "./config.ts";
import type { ResolvedConfig } from "./defaults.ts";
import { discoveryFileOf } from "./discovery-entries.ts";
import { keptRequestsFileOf } from "./kept-requests.ts";
import type { Path } from "./problem.ts";
import { entriesOf } from "./sources.ts";
import { fleetFileOf } from "./fleet.ts";
import { stickyFileOf } from "./sticky.ts";
import { formatAge } from "./values.ts";

/** One value of a file. */
export interface Leaf {
  readonly path: Path;
  readonly value: unknown;
}

/** All values, in the order of the file. An upstream, a route and a list of plain values are one value each. */
export function flattenConfig(value: unknown, path: Path = []): readonly Leaf[] {
  const entries = entriesOf(value);
  const isSingleValue = /^\d+$/.test(path.at(-1) ?? "") || entries.every(([key]) => /^\d+$/.test(key));
  const isLeaf = entries.length === 0 || (isSingleValue && !(Array.isArray(value) && isMapList(value)));
  if (isLeaf) return [{ path, value }];
  return entries.flatMap(([key, inner]) => flattenConfig(inner, [...path, key]));
}

function isMapList(list: readonly unknown[]): boolean {
  return list.some((entry) => typeof entry === "object" && entry !== null);
}

/** Everything except the token and the accounts, which are never shown. */
export function toConfigFile({ config, dashboard }: ResolvedConfig): object {
  return {
    ...settingsFileOf(config),
    dashboard: {
      host: dashboard.hostname,
      port: dashboard.port,
      ...(config.dashboardUrl !== undefined && { url: config.dashboardUrl }),
    },
    pools: Object.fromEntries(config.pools.map((pool) => [pool.name, poolFileOf(pool)])),
    routes: config.routes.map((route) => ({
      ...routeFileOf(route),
      ...(config.defaults && { use: "none" }),
    })),
    ...(config.defaults && { defaults: settingsFileOfRoute(config.defaults.settings) }),
  };
}

/** The effective form: settings of profiles and defaults stand in the route, which then uses none. */
function routeFileOf({ conditions, ...route }: RouteConfig): object {
  const { name, pool, split, redirect, respond, isRedirected, settings } = route;
  const { hosts, path, methods, headers, query, cookies, clients, listeners } = conditions;
  return {
    ...(name !== undefined && { name }),
    ...(hosts && { host: shortList(hosts) }),
    ...(path && { path: path.kind === "exact" ? { exact: path.text } : path.text }),
    ...(methods && { method: shortList(methods) }),
    ...(headers && { header: headers }),
    ...(query && { query }),
    ...(cookies && { cookie: cookies }),
    ...(clients && { client: clients }),
    ...(listeners && { listen: shortList(listeners) }),
    ...(pool !== undefined && { pool }),
    ...(split && { split }),
    ...(redirect && { redirect }),
    ...(isRedirected === false && { redirect: "none" }),
    ...(respond && { respond }),
    ...settingsFileOfRoute(settings),
  };
}

/** Without the hashes of passwords. */
export function settingsFileOfRoute(settings: RouteConfig["settings"]): object {
  const { basicAuth } = settings;
  if (!basicAuth?.users) return settings;
  return { ...settings, basicAuth: { ...basicAuth, users: basicAuth.users.map(maskedUser) } };
}

/** A hash can be attacked without the balancer. */
function maskedUser({ name }: { readonly name: string }): object {
  return { name, passwordHash: "(set)" };
}

function shortList(values: readonly string[]): unknown {
  return values.length === 1 ? values[0] : values;
}

function listenerFileOf(listener: ListenerConfig): object {
  const { hostname, port, tls, maxClients, protocols, redirect, unknownHosts, trustedProxies } = listener;
  const { proxyProtocol, hsts } = listener;
  const hasRules = redirect !== undefined && Object.keys(redirect).length > 0;
  return {
    host: hostname,
    port,
    ...(proxyProtocol && {
      proxyProtocol: { from: proxyProtocol.from, timeout: formatDuration(proxyProtocol.timeoutMs) },
    }),
    ...(redirect && { redirect: hasRules ? { to: "https", ...redirect } : "https" }),
    ...(unknownHosts !== undefined && { unknownHosts }),
    ...(trustedProxies && { trustedProxies }),
    ...(tls && { tls: { ...listenerTlsFileOf(tls), ...(hsts && { hsts: hstsFileOf(hsts) }) } }),
    maxClients,
    protocols,
    ...(listener.http3 && { http3: true }),
  };
}

function listenerTlsFileOf({ files, clientCertificates: clients, ...tls }: ListenTlsConfig): object {
  return {
    ...(files && { cert: files.certPath, key: files.keyPath }),
    ...tls,
    ...(clients && {
      clientCertificates: clientCertificatesFileOf(clients),
    }),
  };
}

function clientCertificatesFileOf({
  caPath,
  verify,
  hosts,
  forward,
}: NonNullable<ListenTlsConfig["clientCertificates"]>): object {
  return { ca: caPath, verify, ...(hosts && { hosts }), forward };
}

function certificateFileOf(entry: CertificateEntry): object {
  return "folder" in entry ? entry : { cert: entry.certPath, key: entry.keyPath };
}

function hstsFileOf({ maxAgeSeconds, subdomains, preload }: HstsConfig): object {
  return { maxAge: formatAge(maxAgeSeconds), subdomains, preload };
}

/** Settings of the balancer itself. */
export function settingsFileOf(config: Config): object {
  const { listeners, admin, clientTimeouts } = config;
  const [first] = listeners;
  const isOne = listeners.length === 1 && first.name === defaults.listen.name;
  return {
    listen: isOne
      ? listenerFileOf(first)
      : listeners.map((listener) => ({ name: listener.name, ...listenerFileOf(listener) })),
    ...(config.certificates.length + config.acme.length > 0 && {
      certificates: [
        ...config.certificates.map(certificateFileOf),
        ...config.acme.map((settings) => ({ acme: acmeFileOf(settings) })),
      ],
    }),
    ...(config.extensions !== undefined && { extensions: config.extensions }),
    engine: config.engine,
    workers: config.workers,
    admin: { host: admin.hostname, port: admin.port },
    state: config.state,
    ...(config.stickySecretFile !== undefined && { stickySecretFile: config.stickySecretFile }),
    ...(config.fleet && { fleet: fleetFileOf(config.fleet) }),
    maxMemory:
      typeof config.maxMemory === "number" && config.maxMemory > 0
        ? formatSize(config.maxMemory)
        : config.maxMemory,
    drainDelay: config.drainDelayMs === 0 ? 0 : formatDuration(config.drainDelayMs),
    drainTimeout: config.drainTimeoutMs === 0 ? 0 : formatDuration(config.drainTimeoutMs),
    clientTimeouts: {
      head: formatDuration(clientTimeouts.headMs),
      bodyIdle: formatDuration(clientTimeouts.bodyIdleMs),
      keepAlive: formatDuration(clientTimeouts.keepAliveMs),
    },
    limits: {
      requestHead: formatSize(config.limits.requestHeadBytes),
      requestFields: config.limits.requestFields,
      requestTarget: formatSize(config.limits.requestTargetBytes),
      responseHead: formatSize(config.limits.responseHeadBytes),
      responseFields: config.limits.responseFields,
      webSocketMessage: formatSize(config.limits.webSocketMessageBytes),
      webSocketBuffers: formatSize(config.limits.webSocketBufferBytes),
    },
    trustedProxies: config.trustedProxies,
    resolvers: config.resolvers,
    allowLinkLocal: config.allowLinkLocal,
    ambiguousPaths: config.ambiguousPaths,
    ...(config.networks && { networks: config.networks }),
    ...(config.accessLog && { accessLog: config.accessLog }),
    ...(config.tracing && { tracing: config.tracing }),
    requests: keptRequestsFileOf(config.requests),
    ...(config.alerts.length > 0 && { alerts: alertsFileOf(config.alerts) }),
    ...(config.frontDoor !== undefined && { frontDoor: config.frontDoor }),
  };
}

function poolFileOf(pool: PoolConfig): object {
  const { upstreamTls } = pool;
  return {
    ...poolSettingsFileOf(pool),
    ...(upstreamTls && { upstreamTls: upstreamTlsFileOf(upstreamTls) }),
    upstreams: withSources(pool),
  };
}

/** The upstreams with the sources at their places in the file. */
function withSources({ upstreams, discovery = [], http2 }: PoolConfig): readonly object[] {
  const list: object[] = upstreams.map(({ id, address, weight, backup }) => ({
    url: originOf(address),
    ...(id === authorityOf(address) ? {} : { name: id }),
    weight,
    backup,
    ...(speaksHttp2(address) === http2 ? {} : { http2: speaksHttp2(address) }),
    ...(address.tls && { tls: upstreamTlsFileOf(address.tls) }),
  }));
  for (const entry of discovery) {
    const { tls } = entry.template;
    list.splice(entry.position, 0, {
      ...discoveryFileOf(entry),
      ...(tls && { tls: upstreamTlsFileOf(tls) }),
    });
  }
  return list;
}

/** Settings of a pool without its upstreams and their TLS. */
export function poolSettingsFileOf(pool: PoolConfig): object {
  const { outlier, probe, timeouts, maxRequestBodyBytes } = pool;
  return {
    policy: pool.policy,
    hashBy: pool.hashBy,
    retries: pool.retries,
    retryStatuses: pool.retryStatuses,
    retryBudget: { share: pool.retryBudget.share, perSecond: pool.retryBudget.perSecond },
    hedge:
      typeof pool.hedgeAfter === "string" || pool.hedgeAfter === 0
        ? pool.hedgeAfter
        : formatDuration(pool.hedgeAfter),
    ...(pool.maxInFlight === undefined ? {} : { maxInFlight: pool.maxInFlight }),
    queue: {
      maxWaiting: pool.queue.maxWaiting,
      timeout: formatDuration(pool.queue.timeoutMs),
      whenNoneFit: pool.queue.whenNoneFit,
    },
    ...(pool.proxyProtocol && { proxyProtocol: pool.proxyProtocol }),
    ...(maxRequestBodyBytes === undefined ? {} : { maxRequestBody: formatSize(maxRequestBodyBytes) }),
    http2: pool.http2,
    ...stickyFileOf(pool),
    slowStart: pool.slowStartMs === 0 ? 0 : formatDuration(pool.slowStartMs),
    outlier: {
      consecutiveFailures: outlier.consecutiveFailures,
      failureRatio: outlier.failureRatio,
      minimumVolume: outlier.minimumVolume,
      window: formatDuration(outlier.windowMs),
      ejection: formatDuration(outlier.ejectionMs),
      maxEjection: formatDuration(outlier.maxEjectionMs),
      maxEjected: outlier.maxEjectedShare,
    },
    probe: {
      ...(probe.path === undefined ? {} : { path: probe.path }),
      ...(probe.service === undefined ? {} : { grpc: probe.service === "" ? true : probe.service }),
      interval: formatDuration(probe.intervalMs),
      changingInterval: formatDuration(probe.changingIntervalMs),
      jitter: probe.jitter,
      timeout: formatDuration(probe.timeoutMs),
      rise: probe.rise,
      fall: probe.fall,
    },
    timeouts: {
      connect: formatDuration(timeouts.connectMs),
      head: formatDuration(timeouts.headMs),
      total: timeouts.totalMs === undefined ? 0 : formatDuration(timeouts.totalMs),
      bodyIdle: formatDuration(timeouts.bodyIdleMs),
      connectionAge: timeouts.connectionAgeMs === undefined ? 0 : formatDuration(timeouts.connectionAgeMs),
      tunnelIdle: formatDuration(timeouts.tunnelIdleMs),
    },
  };
}

/** All settings, so that the meaning does not depend on the pool. */
export function upstreamTlsFileOf({ caPath, serverName, verify, clientCertificate }: UpstreamTls): object {
  return {
    ...(caPath === undefined ? {} : { ca: caPath }),
    ...(serverName === undefined ? {} : { serverName }),
    ...(clientCertificate && { cert: clientCertificate.certPath, key: clientCertificate.keyPath }),
    verify,
  };
}

/** Writes a configuration as a file that means the same, with every value and where it came from. */

import { Document, isCollection, isMap, isScalar, type Node } from "yaml";
import { formatDuration } from "../lib/duration.ts";
import { formatSize } from "../lib/size.ts";
import { authorityOf, originOf, type UpstreamTls } from "../pool/upstream.ts";
import { describeAccount } from "./accounts.ts";
import type { PoolConfig } from "./config.ts";
import { entriesOf } from "./layers.ts";
import { nameOf, type Path } from "./problem.ts";
import type { Resolved } from "./resolve.ts";

/** @param sourceOf where the value at a path came from: "flag --port", "default" … */
export function effectiveYaml(
  resolved: Resolved,
  sourceOf: (path: Path) => string,
  warnings: readonly string[] = [],
): string {
  const document = new Document(fileOf(resolved), { aliasDuplicateObjects: false });
  const told = ["ok: the effective configuration, and where each value comes from"];
  document.commentBefore = [...told, ...warnings.map((warning) => `warning: ${warning}`)]
    .map((line) => ` ${line}`)
    .join("\n");
  if (document.contents) annotate(document.contents, [], sourceOf);
  const admin = document.get("admin", true);
  const hidden = secretSettings(resolved, sourceOf);
  if (hidden.length > 0 && isMap(admin)) {
    const lines = hidden.map(
      ({ name, value, source }) => ` ${name.slice("admin.".length)}: ${value} # ${source}`,
    );
    admin.comment = lines.join("\n");
  }
  return document.toString({ lineWidth: 0 });
}

/** One value of the effective configuration. */
export interface Setting {
  /** "pools.main.retries" */
  readonly name: string;
  /** As a configuration file would say it; "(set)" for a secret. */
  readonly value: string;
  /** "flag --port", "env PROXY_PORT", "file evenkeel.yaml:3" or "default". */
  readonly source: string;
}

/** The same as a list, line by line. */
export function settingsOf(resolved: Resolved, sourceOf: (path: Path) => string): readonly Setting[] {
  const found: Setting[] = [];
  const walk = (value: unknown, path: Path): void => {
    const entries = entriesOf(value);
    // An upstream or a route is one thing, and so is a list of plain values.
    const isWhole = /^\d+$/.test(path.at(-1) ?? "") || entries.every(([key]) => /^\d+$/.test(key));
    const isLeaf = entries.length === 0 || (isWhole && !(Array.isArray(value) && isMapList(value)));
    if (!isLeaf) return entries.forEach(([key, inner]) => walk(inner, [...path, key]));
    found.push({ name: nameOf(path), value: plain(value), source: sourceOf(path) });
  };
  walk(fileOf(resolved), []);
  const place = found.findLastIndex(({ name }) => name.startsWith("admin."));
  return found.toSpliced(place + 1, 0, ...secretSettings(resolved, sourceOf));
}

/** What is told of the token and the accounts: that they are there. */
function secretSettings({ config }: Resolved, sourceOf: (path: Path) => string): readonly Setting[] {
  const { token, users = [], tokens = [] } = config.admin;
  const setting = (path: Path, value: string) => ({ name: nameOf(path), value, source: sourceOf(path) });
  return [
    ...(token === undefined ? [] : [setting(["admin", "token"], "(set)")]),
    ...users.map((user, index) => setting(["admin", "users", String(index)], describeAccount(user))),
    ...tokens.map((each, index) => setting(["admin", "tokens", String(index)], describeAccount(each))),
  ];
}

function isMapList(list: readonly unknown[]): boolean {
  return list.some((entry) => typeof entry === "object" && entry !== null);
}

/** "round-robin", "[10.0.0.0/8]", "{ url: http://a:80, weight: 1 }" */
function plain(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(plain).join(", ")}]`;
  if (typeof value !== "object" || value === null) return String(value);
  const pairs = Object.entries(value).map(([key, inner]) => `${key}: ${plain(inner)}`);
  return pairs.length > 0 ? `{ ${pairs.join(", ")} }` : "{}";
}

/** Lists and their entries stand on one line each; every such line and every single value gets its comment. */
function annotate(node: unknown, path: Path, sourceOf: (path: Path) => string): void {
  if (isMap(node) && !node.flow) {
    for (const { key, value } of node.items) {
      annotate(value, [...path, String(isScalar(key) ? key.value : key)], sourceOf);
    }
  } else if (isCollection(node) && !node.flow && node.items.length > 0) {
    for (const [index, item] of node.items.entries()) {
      if (isCollection(item)) item.flow = true;
      annotate(item, [...path, String(index)], sourceOf);
    }
  } else {
    if (isCollection(node)) node.flow = true;
    (node as Node).comment = ` ${sourceOf(path)}`;
  }
}

/** Everything but the token and the accounts' hashes: they are shown to nobody. */
function fileOf({ config, dashboard }: Resolved): object {
  const { listen, admin, clientTimeouts } = config;
  return {
    listen: {
      host: listen.hostname,
      port: listen.port,
      ...(listen.tls && { tls: { cert: listen.tls.certPath, key: listen.tls.keyPath } }),
      maxClients: listen.maxClients,
    },
    engine: config.engine,
    workers: config.workers,
    admin: { host: admin.hostname, port: admin.port },
    state: config.state,
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
    trustedProxies: config.trustedProxies,
    ...(config.accessLog && { accessLog: config.accessLog }),
    ...(config.tracing && { tracing: config.tracing }),
    dashboard: { host: dashboard.hostname, port: dashboard.port },
    pools: Object.fromEntries(config.pools.map((pool) => [pool.name, poolFileOf(pool)])),
    routes: config.routes.map(({ host, path, pool }) => ({
      ...(host === undefined ? {} : { host: host }),
      ...(path === undefined ? {} : { path }),
      pool,
    })),
  };
}

function poolFileOf(pool: PoolConfig): object {
  const { outlier, probe, timeouts, upstreams, upstreamTls, maxRequestBodyBytes } = pool;
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
    maxInFlight: pool.maxInFlight,
    queue: {
      maxWaiting: pool.queue.maxWaiting,
      timeout: formatDuration(pool.queue.timeoutMs),
      whenNoneFit: pool.queue.whenNoneFit,
    },
    ...(maxRequestBodyBytes === undefined ? {} : { maxRequestBody: formatSize(maxRequestBodyBytes) }),
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
      tunnelIdle: formatDuration(timeouts.tunnelIdleMs),
    },
    ...(upstreamTls && { upstreamTls: upstreamTlsFileOf(upstreamTls) }),
    upstreams: upstreams.map(({ id, address, weight, backup }) => ({
      url: originOf(address),
      ...(id === authorityOf(address) ? {} : { name: id }),
      weight,
      backup,
      ...(address.tls && { tls: upstreamTlsFileOf(address.tls) }),
    })),
  };
}

/** All of it, so that it means the same whatever the pool says. */
export function upstreamTlsFileOf({ caPath, serverName, verify }: UpstreamTls): object {
  return {
    ...(caPath === undefined ? {} : { ca: caPath }),
    ...(serverName === undefined ? {} : { serverName }),
    verify,
  };
}

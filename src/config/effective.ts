/** Writes a configuration as a file that means the same, with every value and where it came from. */

import { Document, isCollection, isMap, isScalar, type Node } from "yaml";
import { formatDuration } from "../lib/duration.ts";
import { formatSize } from "../lib/size.ts";
import { authorityOf, originOf } from "../pool/upstream.ts";
import type { PoolConfig } from "./config.ts";
import type { Path } from "./problem.ts";
import type { Resolved } from "./resolve.ts";

/** @param sourceOf where the value at a path came from: "flag --port", "default" … */
export function effectiveYaml(resolved: Resolved, sourceOf: (path: Path) => string): string {
  const document = new Document(fileOf(resolved));
  document.commentBefore = " ok: the effective configuration, and where each value comes from";
  if (document.contents) annotate(document.contents, [], sourceOf);
  const admin = document.get("admin", true);
  if (resolved.config.admin.token !== undefined && isMap(admin)) {
    admin.comment = ` token: (set) # ${sourceOf(["admin", "token"])}`;
  }
  return document.toString({ lineWidth: 0 });
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

/** Everything but the token: it is shown to nobody. */
function fileOf({ config, dashboard }: Resolved): object {
  const { listen, admin, clientTimeouts } = config;
  return {
    listen: { host: listen.hostname, port: listen.port },
    engine: config.engine,
    admin: { host: admin.hostname, port: admin.port },
    state: config.state,
    drainDelay: config.drainDelayMs === 0 ? 0 : formatDuration(config.drainDelayMs),
    drainTimeout: config.drainTimeoutMs === 0 ? 0 : formatDuration(config.drainTimeoutMs),
    clientTimeouts: {
      head: formatDuration(clientTimeouts.headMs),
      bodyIdle: formatDuration(clientTimeouts.bodyIdleMs),
      keepAlive: formatDuration(clientTimeouts.keepAliveMs),
    },
    trustedProxies: config.trustedProxies,
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
  const { outlier, probe, timeouts, upstreams, maxRequestBodyBytes } = pool;
  return {
    policy: pool.policy,
    hashBy: pool.hashBy,
    retries: pool.retries,
    retryStatuses: pool.retryStatuses,
    retryBudget: { share: pool.retryBudget.share, perSecond: pool.retryBudget.perSecond },
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
      bodyIdle: formatDuration(timeouts.bodyIdleMs),
      tunnelIdle: formatDuration(timeouts.tunnelIdleMs),
    },
    upstreams: upstreams.map(({ id, address, weight, backup }) => ({
      url: originOf(address),
      ...(id === authorityOf(address) ? {} : { name: id }),
      weight,
      backup,
    })),
  };
}

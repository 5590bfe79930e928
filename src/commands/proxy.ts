/** `evenkeel proxy`: the balancer and its admin listener. */

import { hostname } from "node:os";

import type { LoginEvent } from "../access/login-audit.ts";
import { Balancer } from "../balancer/balancer.ts";
import type { FleetAssembly } from "../balancer/fleet-assembly.ts";
import type { Command } from "../cli/parse.ts";
import { certificateEntriesOf } from "../config/certificates.ts";
import { type Config, version } from "../config/config.ts";
import { describeSource } from "../config/discovery.ts";
import { warningsIn } from "../config/load.ts";
import type { OwnListener } from "../control/own-listeners.ts";
import { type Engine, failedListener } from "../engine/engine.ts";
import { connectFleet } from "../fleet/connection.ts";
import type { FleetSettings } from "../fleet/settings.ts";
import { bugs } from "../lib/bugs.ts";
import { systemWallClock } from "../lib/clock.ts";
import { type Log, logOf } from "../lib/log.ts";
import { systemRandom } from "../lib/random.ts";
import { newSecret } from "../lib/secrets.ts";
import { hostAndPort, trustedProxyMatcher } from "../net/address.ts";
import { createViaName } from "../proxy/forwarding.ts";
import type { MonitoredStore } from "../state/store.ts";
import { startTelemetry } from "../telemetry/telemetry.ts";
import { countWithNoun } from "../wording/format.ts";
import { AdminServer } from "./admin-server.ts";
import { CertificateWatch } from "./certificate-watch.ts";
import { watchFile } from "../lib/file-watch.ts";
import {
  adoptSockets,
  createUpgrader,
  type ReleasedPart,
  ReleasedParts,
  seed,
  takeOver,
} from "./handover.ts";
import { type CommandContext, type ListenAddress, listening, type RunningCommand } from "./running.ts";
import { closedStores, openStores } from "./stores.ts";
import type { Upgrader } from "./upgrade.ts";
import { workerHost } from "./worker-host.ts";

/** The part of a command that configures a balancer. */
type Proxy = Pick<Extract<Command, { kind: "proxy" }>, "config" | "configFile">;

export interface RunningProxy extends RunningCommand {
  readonly port: number;
  readonly adminPort: number;
  /** The balancer's name in Via. */
  readonly viaName: string;
  /** By which the admin API knows the dashboard of this process. */
  readonly dashboardSecret: string;
  /** By the current configuration. */
  readonly isTrustedProxy: (address: string) => boolean;
  /** Adds a listener of this process, which no upstream may be. */
  readonly listensOn: (listener: OwnListener) => void;
  /** Adds a part that one process at a time has. */
  readonly releases: (part: ReleasedPart) => void;
}

/** Resolves when clients are served. Rejects with a {@link UsageError} if it cannot listen on a port. */
export async function startProxy(
  { config, configFile }: Proxy,
  engine: Engine,
  context: CommandContext,
): Promise<RunningProxy> {
  const { runtime, openSender, log, print, loadConfig, settings, extensions, cluster, manager } = context;
  for (const why of warningsIn(config, systemWallClock())) log.warn("configuration warning", { why });
  const workers = workerHost(config, runtime);
  const { predecessor } = context;
  const stores = (predecessor ? closedStores : openStores)(config, runtime.pid, log);
  const { store, historyStore, requestStore } = stores;
  if (predecessor) seed(store, predecessor.state);
  const telemetry = workers
    ? undefined
    : startTelemetry({ config, isShared: false, log: logOf("telemetry") });
  await telemetry?.ready;
  const viaName = createViaName(systemRandom);
  const dashboardSecret = newSecret();
  const fleet = config.fleet && (await joinFleet(config.fleet, store, log));
  const sharing = fleet?.access();
  const shared = { store, historyStore, requestStore, ...(fleet && { fleet }) };
  const parts = { runtime, engine, openSender, extensions, cluster, ...shared };
  const common = { config, loadConfig, ...parts, log, version, viaName };
  const { sinks } = telemetry ?? {};
  const adopted = adoptSockets(config, engine, context);
  const balancer: Balancer = new Balancer({
    ...common,
    name: config.fleet?.name ?? hostname(),
    upgrade: () => upgrader.snapshot,
    sockets: (index) => adopted[index] ?? [],
    ...(workers ? { workers } : sinks && { sinks }),
  });
  const bug = (error: unknown) => bugs.report(logOf("admin"), error);
  const { admin, listeners } = config;
  const isTrustedProxy = currentTrust(() => balancer.config.trustedProxies);
  const adminServer = new AdminServer(
    {
      ...admin,
      bug,
      viaName,
      dashboardSecret,
      isTrustedProxy,
      settings: () => settings(balancer.config),
      accounts: () => balancer.config.admin,
      onLogin: (event) => recordLogin(event, balancer, logOf("admin")),
      upgrade: (actor) => upgrader.run(actor),
      isReleased: () => upgrader.isReleased,
      sharing,
    },
    balancer,
    runtime,
  );
  let areSessionsSaved = false;
  const saveSessions = () => {
    // After a handover they are another process's.
    if (areSessionsSaved || upgrader.isReleased) return;
    areSessionsSaved = true;
    try {
      store.keepSessions(adminServer.sessions);
    } catch (error) {
      log.warn("session write failed", { why: String(error) });
    }
  };
  const reopenLogs = () => {
    telemetry?.reopen();
    balancer.reopenLogs();
  };
  const summary = () => {
    const addresses = listeners.map(({ hostname }, index) =>
      hostAndPort(hostname, balancer.ports[index] ?? 0),
    );
    return `Serving ${addresses.join(", ")}`;
  };
  const reload = async (by: string) => {
    if (by === "SIGHUP") reopenLogs();
    if (upgrader.defersReload(by)) return log.info("reload deferred until the upgrade ends", { by });
    manager.reloading();
    try {
      await balancer.control.reload({ dry: false }, by);
    } finally {
      manager.ready(summary());
    }
    if (configFile.isWatched) certificates.follow(certificateEntriesOf(balancer.config));
  };
  const certificates = new CertificateWatch(() => {
    balancer.control.reloadCertificates("watch");
    certificates.follow(certificateEntriesOf(balancer.config));
  });
  const released = new ReleasedParts();
  const replaced = Promise.withResolvers<void>();
  const upgrader: Upgrader = createUpgrader({
    ...{ config, engine, balancer, stores, context, released, reload },
    adminPort: () => adminServer.port,
    release() {
      balancer.release();
      const sessions = adminServer.release();
      stores.release();
      return sessions;
    },
    async resume() {
      stores.open();
      await adminServer.resume();
      balancer.resume();
    },
    onReplaced(pid) {
      manager.replacedBy(pid);
      replaced.resolve();
    },
  });
  // Before the balancer starts, so that no change during the start is missed.
  const stopWatchingFile = configFile.isWatched
    ? watchFor(configFile.path, () => void reload("watch"), log)
    : () => {};
  if (configFile.isWatched) certificates.follow(certificateEntriesOf(config));
  const stopWatching = () => {
    stopWatchingFile();
    certificates.close();
  };
  const listeningClients = (starting: Promise<void>) =>
    listening((error) => clientListenerOf(config, failedListener(error)), starting);
  try {
    if (predecessor) {
      await listeningClients(balancer.prepare());
      await takeOver(predecessor, { balancer, stores, adminServer, log });
    } else {
      // The admin API starts first: until the first probes have finished, readiness is "starting" and not a refused connection.
      await adminServer.open(() => restoreSessions(store, log));
      await listeningClients(balancer.start());
    }
  } catch (error) {
    stopWatching();
    adminServer.close();
    // Otherwise the next start would have no sessions.
    saveSessions();
    sharing?.stop();
    fleet?.close();
    throw error;
  }
  balancer.listensOn({ key: "admin", hostname: admin.hostname, port: adminServer.port });
  const pools = config.pools.map(summaryOf).join("; ");
  const workerCount = workers ? `; ${workers.count} workers` : "";
  for (const [index, { tls, hostname, name }] of listeners.entries()) {
    const label = index === 0 ? "balancer" : "listener";
    const url = `${tls ? "https" : "http"}://${hostAndPort(hostname, balancer.ports[index] ?? 0)}`;
    print(`${label}   ${url}   ${index === 0 ? `${pools}${workerCount}` : name}`);
  }
  print(
    `admin      http://${hostAndPort(admin.hostname, adminServer.port)}   /readyz /metrics /api/snapshot`,
  );
  const close = () => {
    stopWatching();
    void upgrader.abandon();
    adminServer.close();
    // Writes the last events before the store closes.
    balancer.close();
    saveSessions();
    sharing?.stop();
    fleet?.close();
    stores.closeStores();
  };
  return {
    port: balancer.ports[0] ?? 0,
    adminPort: adminServer.port,
    viaName,
    dashboardSecret,
    isTrustedProxy,
    listensOn: (listener) => balancer.listensOn(listener),
    reload,
    replaced: replaced.promise,
    isReplaced: () => upgrader.isReplaced,
    isAlive: () => balancer.isProbing,
    summary: summary(),
    upgrade: (by) => upgrader.run({ by, reason: "" }),
    releases: (part) => released.add(part),
    reopenLogs() {
      reopenLogs();
      log.info("log files reopened", { by: "SIGUSR1" });
    },
    async stop() {
      stopWatching();
      await upgrader.abandon();
      const aborted = await (upgrader.isReplaced ? balancer.leave() : balancer.drain());
      if (aborted > 0) log.warn("shutdown deadline passed", { aborted });
      await telemetry?.close();
      close();
    },
    close,
  };
}

/** Where the error of a client listener is to be mended: by a flag where there is one listener. */
function clientListenerOf({ listeners }: Config, index: number): ListenAddress {
  const { hostname, port } = listeners[index] ?? listeners[0];
  return listeners.length === 1
    ? { key: "listen", hostname, port }
    : { setting: `listen[${index}]`, hostname, port };
}

/** Makes a matcher again only when a reload has changed the ranges. */
function currentTrust(rangesNow: () => readonly string[]): (address: string) => boolean {
  let [ranges, matches] = [rangesNow(), trustedProxyMatcher(rangesNow())];
  return (address) => {
    if (ranges !== rangesNow()) [ranges, matches] = [rangesNow(), trustedProxyMatcher(rangesNow())];
    return matches(address);
  };
}

function recordLogin(event: LoginEvent, balancer: Pick<Balancer, "record">, log: Log): void {
  balancer.record({ kind: "login", pool: null, upstream: null, from: "", ...event });
  const { to, by, detail, reason } = event;
  if (to === "refused") log.warn("login rejected", { reason, detail });
  else log.info(`login ${to}`, { by, detail });
}

async function joinFleet(settings: FleetSettings, store: MonitoredStore, log: Log): Promise<FleetAssembly> {
  const [connection, loaded] = await Promise.all([
    connectFleet(settings),
    import("../balancer/fleet-assembly.ts"),
  ]);
  return new loaded.FleetAssembly(connection, store, log);
}

/** A folder that cannot be watched must not stop the balancer: SIGHUP still reloads. */
function watchFor(path: string, onChange: () => void, log: Log): () => void {
  try {
    return watchFile(path, onChange);
  } catch (error) {
    log.error("configuration not watched", { why: String(error), path });
    return () => {};
  }
}

/** Sessions of the previous process. If they cannot be read, people log in again. */
function restoreSessions(store: MonitoredStore, log: Log): ReturnType<MonitoredStore["takeSessions"]> {
  try {
    return store.takeSessions();
  } catch (error) {
    log.warn("previous sessions could not be restored", { why: String(error) });
    return [];
  }
}

function summaryOf({ name, policy, upstreams, discovery = [] }: Config["pools"][number]): string {
  const sources = discovery.map(({ source }) => describeSource(source));
  const listed =
    upstreams.length > 0 || sources.length === 0 ? [countWithNoun(upstreams.length, "upstream")] : [];
  return `${name}: ${policy} over ${[...listed, ...sources].join(" and ")}`;
}

/** `evenkeel proxy`: the balancer and its admin listener. */

import type { LoginEvent } from "../access/login-audit.ts";
import { startAdmin } from "../admin/admin.ts";
import type { Command } from "../cli/parse.ts";
import { Balancer } from "../balancer/balancer.ts";
import { type Config, version } from "../config/config.ts";
import { warningsIn } from "../config/load.ts";
import type { Engine } from "../engine/engine.ts";
import { historyFileOf, openHistory } from "../history/sqlite-store.ts";
import type { HistoryStore } from "../history/store.ts";
import { bugs } from "../lib/bugs.ts";
import { systemWallClock } from "../lib/clock.ts";
import { type Log, logOf } from "../lib/log.ts";
import { startTelemetry } from "../telemetry/telemetry.ts";
import { openSqlite } from "../state/sqlite-store.ts";
import { MonitoredStore } from "../state/store.ts";
import { listening, type RunningCommand, type CommandContext } from "./running.ts";
import { watchFile } from "./config-reader.ts";
import { workerHost } from "./worker-host.ts";

/** What of a command makes a balancer. */
type Proxy = Pick<Extract<Command, { kind: "proxy" }>, "config" | "configFile">;

export interface RunningProxy extends RunningCommand {
  readonly port: number;
  readonly adminPort: number;
}

/** Resolves when clients are served. Rejects with a Misuse if a port cannot be had. */
export async function startProxy(
  { config, configFile }: Proxy,
  engine: Engine,
  { runtime, log, say, loadConfig, settings }: CommandContext,
): Promise<RunningProxy> {
  for (const why of warningsIn(config, systemWallClock())) log.warn("configuration", { why });
  const workers = workerHost(config, runtime);
  const store = storeFor(config.state, log);
  const historyStore = historyFor(config.state, log);
  const telemetry = workers
    ? undefined
    : startTelemetry({ config, isShared: false, log: logOf("telemetry") });
  await telemetry?.ready;
  const common = { config, loadConfig, runtime, engine, store, historyStore, log, version };
  const { sinks } = telemetry ?? {};
  const balancer = new Balancer({ ...common, ...(workers ? { workers } : sinks && { sinks }) });
  const bug = (error: unknown) => bugs.report(logOf("admin"), error);
  const { admin, listen } = config;
  // The admin side first: whoever asks while first verdicts are taken hears "starting" and not a refused connection.
  const adminListener = await listening(
    { flag: "--admin-port", ...admin },
    startAdmin(
      {
        ...admin,
        ...{ bug, settings: () => settings(balancer.config), accounts: () => balancer.config.admin },
        onLogin: (said) => recordLogin(said, balancer, logOf("admin")),
        takeSessions: () => sessionsIn(store, log),
      },
      balancer,
      runtime,
    ),
  );
  let areKept = false;
  const keepSessions = () => {
    if (areKept) return;
    areKept = true;
    try {
      store.keepSessions(adminListener.keptSessions());
    } catch (error) {
      log.warn("logins end with this process", { why: String(error) });
    }
  };
  // Before the start, which takes a while: a change in between must not be missed.
  const reload = async (by: string) => {
    if (by === "SIGHUP") telemetry?.reopen();
    await balancer.control.reload({ dry: false }, by);
  };
  const endWatch = configFile.isWatched
    ? watchFor(configFile.path, () => void reload("watch"), log)
    : () => {};
  try {
    await listening({ flag: "--port", ...listen }, balancer.start());
  } catch (error) {
    endWatch();
    adminListener.close();
    // Or the next start, which may succeed, would find nobody logged in.
    keepSessions();
    throw error;
  }
  const pools = config.pools.map(summaryOf).join("; ");
  const by = workers ? `; ${workers.count} workers` : "";
  say(`balancer   ${listen.tls ? "https" : "http"}://${listen.hostname}:${balancer.port}   ${pools}${by}`);
  say(`admin      http://${admin.hostname}:${adminListener.port}   /readyz /metrics /api/snapshot`);
  const close = () => {
    endWatch();
    adminListener.close();
    // The record of whoever came meanwhile has to be in the file before that is closed.
    balancer.close();
    keepSessions();
    store.close();
    historyStore.close();
  };
  return {
    port: balancer.port,
    adminPort: adminListener.port,
    reload,
    async stop() {
      endWatch();
      const cut = await balancer.drain();
      if (cut > 0) log.warn("drain deadline passed", { cut });
      await telemetry?.close();
      close();
    },
    close,
  };
}

function recordLogin(note: LoginEvent, balancer: Pick<Balancer, "record">, log: Log): void {
  balancer.record({ kind: "login", pool: null, upstream: null, from: "", ...note });
  const { to, by, detail, reason } = note;
  if (to === "refused") log.warn("login refused", { reason, detail });
  else log.info(`login ${to}`, { by, detail });
}

/** A folder that cannot be watched must not keep the balancer from serving: SIGHUP reloads all the same. */
function watchFor(path: string, onChange: () => void, log: Log): () => void {
  try {
    return watchFile(path, onChange);
  } catch (error) {
    log.error("configuration not watched", { why: String(error), path });
    return () => {};
  }
}

/** A state file that cannot be used must not keep the balancer from serving: then modes live until the process ends. */
function storeFor(file: string, log: Log): MonitoredStore {
  try {
    return new MonitoredStore(openSqlite(file), systemWallClock);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    log.error("modes will not survive a restart", { why });
    return new MonitoredStore(openSqlite(":memory:"), systemWallClock, why);
  }
}

/** Whoever was logged in when the last process ended. At worst people log in again. */
function sessionsIn(store: MonitoredStore, log: Log): ReturnType<MonitoredStore["takeSessions"]> {
  try {
    return store.takeSessions();
  } catch (error) {
    log.warn("logins of before have ended", { why: String(error) });
    return [];
  }
}

/** Nor must a history that cannot be kept: then the charts begin anew with the process. */
function historyFor(stateFile: string, log: Log): HistoryStore {
  try {
    return openHistory(historyFileOf(stateFile), systemWallClock);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    log.error("history will not survive a restart", { why });
    return openHistory(":memory:", systemWallClock);
  }
}

function summaryOf({ name, policy, upstreams }: Config["pools"][number]): string {
  return `${name}: ${policy} over ${upstreams.length} upstream${upstreams.length === 1 ? "" : "s"}`;
}

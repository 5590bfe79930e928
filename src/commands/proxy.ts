/** `evenkeel proxy`: the balancer and its admin listener. */

import { startAdmin } from "../admin/admin.ts";
import { Balancer } from "../balancer.ts";
import type { Config } from "../config/config.ts";
import type { Setting } from "../config/effective.ts";
import { version } from "../config/version.ts";
import type { Engine } from "../engine/engine.ts";
import { historyFileOf, openHistory } from "../history/sqlite.ts";
import type { HistoryStore } from "../history/store.ts";
import { systemWallClock } from "../lib/clock.ts";
import { type Log, logOf } from "../lib/log.ts";
import { openSqlite } from "../state/sqlite.ts";
import type { Store } from "../state/store.ts";
import { listening, type Running, type Tools } from "./running.ts";

export interface RunningProxy extends Running {
  readonly port: number;
  readonly adminPort: number;
}

/** Resolves when clients are served. Rejects with a Misuse if a port cannot be had. */
export async function startProxy(
  { config, settings }: { readonly config: Config; readonly settings: readonly Setting[] },
  engine: Engine,
  { runtime, log, say }: Tools,
): Promise<RunningProxy> {
  const store = storeFor(config.state, log);
  const historyStore = historyFor(config.state, log);
  const balancer = new Balancer({ config, runtime, engine, store, historyStore, log, version });
  const bug = (error: unknown) => logOf("admin").error("bug", { error });
  const { admin, listen } = config;
  // The admin side first: whoever asks while first verdicts are taken hears "starting" and not a refused connection.
  const adminListener = await listening(
    { flag: "--admin-port", ...admin },
    startAdmin({ ...admin, bug, settings: () => settings }, balancer, runtime),
  );
  try {
    await listening({ flag: "--port", ...listen }, balancer.start());
  } catch (error) {
    adminListener.close();
    throw error;
  }
  say(`balancer   http://${listen.hostname}:${balancer.port}   ${config.pools.map(summaryOf).join("; ")}`);
  say(`admin      http://${admin.hostname}:${adminListener.port}   /readyz /metrics /api/snapshot`);
  return {
    port: balancer.port,
    adminPort: adminListener.port,
    async stop() {
      log.info("draining", { deadlineMs: config.drainTimeoutMs, inFlight: balancer.snapshot().inFlight });
      const cut = await balancer.drain();
      if (cut > 0) log.warn("drain deadline passed", { cut });
      adminListener.close();
      store.close();
      historyStore.close();
    },
    close() {
      adminListener.close();
      store.close();
      historyStore.close();
    },
  };
}

/** A state file that cannot be used must not keep the balancer from serving: then modes live until the process ends. */
function storeFor(file: string, log: Log): Store {
  try {
    return openSqlite(file);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    log.error("modes will not survive a restart", { why });
    return openSqlite(":memory:");
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

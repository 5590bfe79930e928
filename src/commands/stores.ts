/** Opens what a balancer remembers: state and history, for this process alone. */

import { historyFileOf, openHistory } from "../history/sqlite-store.ts";
import { existsSync } from "node:fs";

import type { Config } from "../config/config.ts";
import type { HistoryStore } from "../history/store.ts";
import { systemWallClock } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import type { RequestStore } from "../requests/request-store.ts";
import { openRequests, requestsFileOf } from "../requests/sqlite-requests.ts";
import { openSqlite } from "../state/sqlite-store.ts";
import { lockState, type StateLock } from "../state/state-lock.ts";
import { MonitoredStore } from "../state/store.ts";
import { UsageError } from "./running.ts";

export interface Stores {
  readonly store: MonitoredStore;
  readonly historyStore: HistoryStore;
  /** Undefined if requests are not kept. */
  readonly requestStore: RequestStore | undefined;
  readonly closeStores: () => void;
}

/**
 * An unusable file must not stop the balancer: runtime changes then last until the process ends, and charts start with it.
 * Throws a {@link UsageError} if another balancer uses the state file: each would overwrite the other's changes.
 * @param pid process id of this process
 */
export function openStores(
  { state: stateFile, requests }: Pick<Config, "state" | "requests">,
  pid: number,
  log: Log,
): Stores {
  let lock: StateLock | undefined;
  let store: MonitoredStore;
  try {
    lock = lockFor(stateFile, pid);
    store = new MonitoredStore(openSqlite(stateFile), systemWallClock);
  } catch (error) {
    if (error instanceof UsageError) throw error;
    const why = error instanceof Error ? error.message : String(error);
    log.error("state file unavailable; runtime changes will be lost on restart", { why });
    store = new MonitoredStore(openSqlite(":memory:"), systemWallClock, why);
  }
  // Without the lock, the history may be another balancer's.
  const historyStore = historyFor(lock ? stateFile : ":memory:", log);
  const requestStore = requestsFor(lock ? stateFile : ":memory:", requests.keepMs > 0, log);
  const closeStores = () => {
    store.close();
    historyStore.close();
    requestStore?.close();
    lock?.release();
  };
  return { store, historyStore, requestStore, closeStores };
}

function lockFor(stateFile: string, pid: number): StateLock {
  const lock = lockState(stateFile, pid);
  if ("release" in lock) return lock;
  const holder = lock.pid === undefined ? "another balancer" : `the balancer with process id ${lock.pid}`;
  const why = `${holder} uses it; end that one, or name another file with --state`;
  throw new UsageError({ action: "use the state file", why, received: stateFile });
}

function historyFor(stateFile: string, log: Log): HistoryStore {
  try {
    return openHistory(historyFileOf(stateFile), systemWallClock);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    log.error("history file unavailable", { why });
    return openHistory(":memory:", systemWallClock);
  }
}

/** Where requests are not kept any more, those of before are deleted. */
function requestsFor(stateFile: string, areKept: boolean, log: Log): RequestStore | undefined {
  const file = requestsFileOf(stateFile);
  if (!areKept && !existsSync(file)) return undefined;
  try {
    const store = openRequests(file);
    if (areKept) return store;
    store.clear();
    store.close();
    return undefined;
  } catch (error) {
    log.error("file of kept requests unavailable", {
      why: error instanceof Error ? error.message : String(error),
    });
    return areKept ? openRequests(":memory:") : undefined;
  }
}

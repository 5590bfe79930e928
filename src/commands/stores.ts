/** Opens what a balancer remembers: state and history, for this process alone. */

import { historyFileOf, openHistory } from "../history/sqlite-store.ts";
import { existsSync } from "node:fs";

import type { Config } from "../config/config.ts";
import { ReplaceableHistory } from "../history/replaceable-history.ts";
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
  readonly historyStore: ReplaceableHistory;
  /** Undefined if requests are not kept. Two processes may have the file open for a while. */
  readonly requestStore: RequestStore | undefined;
  /**
   * Opens the files. An unusable file must not stop the balancer: runtime changes then last until the process ends, and charts
   * start with it. Throws a {@link UsageError} if another balancer uses the state file: each would overwrite the other's
   * changes.
   */
  open(): void;
  /** Gives the files to another process. What is written from now on is lost when they are opened again. */
  release(): void;
  readonly closeStores: () => void;
}

type StoreConfig = Pick<Config, "state" | "requests">;

/**
 * Stores in memory, until their files are opened: another process has them. Requests are kept in the file from the start.
 * @param pid process id of this process
 */
export function closedStores(config: StoreConfig, pid: number, log: Log): Stores {
  return storesOf(config, new StateFiles(config.state, pid, log), config.state);
}

/** @param pid process id of this process */
export function openStores(config: StoreConfig, pid: number, log: Log): Stores {
  const files = new StateFiles(config.state, pid, log);
  files.open();
  // Without the lock, the requests may be another balancer's.
  return storesOf(config, files, files.isLocked ? config.state : ":memory:");
}

function storesOf({ requests }: StoreConfig, files: StateFiles, requestsFile: string): Stores {
  const requestStore = requestsFor(requestsFile, requests.keepMs > 0, files.log);
  return {
    store: files.store,
    historyStore: files.history,
    requestStore,
    open: () => files.open(),
    release: () => files.release(),
    closeStores() {
      files.close();
      requestStore?.close();
    },
  };
}

/** State and history: `closed ──open──▶ open ──release──▶ closed …`. While they are closed, memory takes their place. */
class StateFiles {
  readonly #file: string;
  readonly #pid: number;
  readonly log: Log;
  readonly store = new MonitoredStore(openSqlite(":memory:"), systemWallClock);
  readonly history = new ReplaceableHistory(openHistory(":memory:", systemWallClock));
  #lock: StateLock | undefined;

  constructor(file: string, pid: number, log: Log) {
    this.#file = file;
    this.#pid = pid;
    this.log = log;
  }

  get isLocked(): boolean {
    return this.#lock !== undefined || this.#file === ":memory:";
  }

  open(): void {
    // What is in memory already is all that there is.
    if (this.#file === ":memory:") return;
    try {
      this.#lock = lockFor(this.#file, this.#pid);
      this.store.replace(openSqlite(this.#file));
    } catch (error) {
      if (error instanceof UsageError) throw error;
      const why = error instanceof Error ? error.message : String(error);
      this.log.error("state file unavailable; runtime changes will be lost on restart", { why });
      this.store.replace(openSqlite(":memory:"), why);
    }
    // Without the lock, the history may be another balancer's.
    this.history.replace(historyFor(this.#lock ? this.#file : ":memory:", this.log));
  }

  release(): void {
    if (this.#file === ":memory:") return;
    this.store.replace(openSqlite(":memory:"));
    this.history.replace(openHistory(":memory:", systemWallClock));
    this.#lock?.release();
    this.#lock = undefined;
  }

  close(): void {
    this.store.close();
    this.history.close();
    this.#lock?.release();
  }
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

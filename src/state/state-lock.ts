/** The lock that gives one balancer at a time the state file. */

import { readFileSync, realpathSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";

import { makePrivate } from "./private-file.ts";

export interface StateLock {
  release(): void;
}

/** Another process has the lock. */
export interface StateInUse {
  /** Its process id; undefined in the moment before it has written it. */
  readonly pid: number | undefined;
}

/** Two processes that start at the same time disturb each other for a moment, and one of them gets the lock. */
const busyTimeoutMs = 500;

/** Offset of `user_version` in an SQLite file, big-endian (SQLite's "Database File Format", section 1.3). */
const userVersionOffset = 60;

/**
 * Takes the lock of a state file: a small database beside it, "state.db.lock", which stays locked as long as it is open.
 * The system releases such a lock when its process dies, however that happens, so that no stale lock can remain. The file
 * stays. Its `user_version` is the holder's process id, which others can read without SQLite.
 * Throws "Cannot lock the state file: …" if the lock file cannot be used at all.
 */
export function lockState(stateFile: string, pid: number): StateLock | StateInUse {
  if (stateFile === ":memory:") return { release() {} };
  const file = `${realPath(stateFile)}.lock`;
  let database: DatabaseSync | undefined;
  try {
    makePrivate(file);
    database = new DatabaseSync(file);
    database.exec(`
      PRAGMA busy_timeout = ${busyTimeoutMs}; PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = MEMORY;
      BEGIN EXCLUSIVE; PRAGMA user_version = ${pid}; COMMIT;`);
  } catch (error) {
    database?.close();
    const cause = error instanceof Error ? error.message : String(error);
    if (database && cause.includes("locked")) return { pid: holderOf(file) };
    throw new Error(`Cannot lock the state file: ${cause} (received ${file})`);
  }
  const locked = database;
  // A database without a reference would be closed by the garbage collector.
  held.add(locked);
  return {
    release() {
      held.delete(locked);
      if (locked.isOpen) locked.close();
    },
  };
}

const held = new Set<DatabaseSync>();

/** One file may have several names. */
function realPath(file: string): string {
  try {
    return realpathSync(file);
  } catch {
    // It does not exist yet.
  }
  try {
    return join(realpathSync(dirname(file)), basename(file));
  } catch {
    return file;
  }
}

/** Only for a process that does not hold the lock: POSIX drops a process's locks of a file when it closes any descriptor of it. */
function holderOf(file: string): number | undefined {
  const header = readFileSync(file);
  const pid = header.length >= userVersionOffset + 4 ? header.readInt32BE(userVersionOffset) : 0;
  return pid > 0 ? pid : undefined;
}

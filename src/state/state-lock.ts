/** The lock that gives one balancer at a time the state file. */

import { readFileSync, readlinkSync, realpathSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { DatabaseSync } from "node:sqlite";

import { expectFileOfItsOwn, makePrivate } from "./private-file.ts";

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
  try {
    expectFileOfItsOwn(stateFile);
  } catch (error) {
    throw cannotLock(error, stateFile);
  }
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
    const failed = cannotLock(error, file);
    if (database && failed.message.includes("locked")) return { pid: holderOf(file) };
    throw failed;
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

function cannotLock(error: unknown, file: string): Error {
  const cause = error instanceof Error ? error.message : String(error);
  return new Error(`Cannot lock the state file: ${cause} (received ${file})`);
}

const held = new Set<DatabaseSync>();

/** The system follows at most so many links. */
const maxLinks = 40;

/** One file may have several names. */
function realPath(file: string, links = 0): string {
  try {
    return realpathSync(file);
  } catch {
    // It does not exist yet.
  }
  let folder = dirname(file);
  try {
    folder = realpathSync(folder);
    // The file will be made where the link leads to.
    if (links < maxLinks) return realPath(resolve(folder, readlinkSync(file)), links + 1);
  } catch {
    // No link.
  }
  return join(folder, basename(file));
}

/**
 * Process id in a lock file, whether or not the process still runs; undefined without one. Only for a process that does not
 * hold the lock: POSIX drops a process's locks of a file when it closes any descriptor of it.
 */
export function holderOf(file: string): number | undefined {
  let header: Buffer;
  try {
    header = readFileSync(file);
  } catch {
    return undefined;
  }
  const pid = header.length >= userVersionOffset + 4 ? header.readInt32BE(userVersionOffset) : 0;
  return pid > 0 ? pid : undefined;
}

/** Copies a state file while a balancer may use it. */

import { closeSync, existsSync, fsyncSync, linkSync, openSync, rmSync, statSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";

import { makePrivate } from "./private-file.ts";
import { readSchema } from "./state-schema.ts";

export interface StateBackup {
  readonly schema: number;
  readonly bytes: number;
}

/**
 * Writes a copy with the content of one moment, for its owner alone, as the original. It appears under its name when it is
 * complete and on the disk. Throws "Cannot back up the state: …" and leaves nothing behind; never replaces a file.
 */
export function backUpState(stateFile: string, target: string): StateBackup {
  const partial = `${target}.partial`;
  try {
    const reading = readSchema(stateFile);
    if (reading.kind === "missing") throw new Error(`there is no file ${stateFile}`);
    if (reading.kind === "unreadable") throw new Error(`${stateFile}: ${reading.why}`);
    if (existsSync(target)) throw new Error(`${target} exists`);
    rmSync(partial, { force: true });
    makePrivate(partial);
    // SQLite's "VACUUM INTO": a read transaction, beside the writes of others.
    withDatabase(stateFile, (database) => database.prepare("VACUUM INTO ?").run(partial));
    withDatabase(partial, expectIntact);
    sync(partial);
    // A link and not a rename, which would replace a file that has appeared meanwhile.
    linkSync(partial, target);
    return { schema: reading.schema, bytes: statSync(target).size };
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new Error(`Cannot back up the state: ${why}.`);
  } finally {
    rmSync(partial, { force: true });
  }
}

/** A balancer may hold the lock for a moment. */
const busyTimeoutMs = 5_000;

function withDatabase(file: string, task: (database: DatabaseSync) => unknown): void {
  const database = new DatabaseSync(file, { readOnly: true });
  try {
    database.exec(`PRAGMA busy_timeout = ${busyTimeoutMs}`);
    task(database);
  } finally {
    database.close();
  }
}

function expectIntact(database: DatabaseSync): void {
  const row = database.prepare("PRAGMA integrity_check").get();
  if (row?.["integrity_check"] !== "ok") throw new Error("the state file is damaged");
}

/** "VACUUM INTO" does not wait for the disk. */
function sync(file: string): void {
  const descriptor = openSync(file, "r");
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

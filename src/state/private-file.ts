/** Database files that only their owner may read: state and history name operators, and the state holds sessions. */

import { chmodSync, closeSync, mkdirSync, openSync, statSync } from "node:fs";
import { dirname } from "node:path";

/** For its owner alone. */
const privateFileMode = 0o600;
const privateFolderMode = 0o700;

const otherUsers = 0o077;

/** SQLite gives these files the mode of the database when it creates them; a crash may have left older ones. */
const companions = ["", "-wal", "-shm"];

/**
 * Creates a database file and its folder for its owner alone, and takes the rights of other users from existing files.
 * Call it before the file is opened. Throws the system's error if the file cannot be created.
 */
export function makePrivate(databaseFile: string): void {
  mkdirSync(dirname(databaseFile), { recursive: true, mode: privateFolderMode });
  closeSync(openSync(databaseFile, "a", privateFileMode));
  for (const suffix of companions) tighten(databaseFile + suffix);
}

/** Leaves a file of another owner as it is: its mode is for that owner to choose. */
function tighten(file: string): void {
  try {
    const { mode } = statSync(file);
    if ((mode & otherUsers) !== 0) chmodSync(file, mode & 0o777 & ~otherUsers);
  } catch {
    // No such file, or not ours.
  }
}

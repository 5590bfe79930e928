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
 * Call it before the file is opened. Throws if it is no file of its own, and the system's error if it cannot be created.
 */
export function makePrivate(databaseFile: string): void {
  expectFileOfItsOwn(databaseFile);
  mkdirSync(dirname(databaseFile), { recursive: true, mode: privateFolderMode });
  closeSync(openSync(databaseFile, "a", privateFileMode));
  for (const suffix of companions) tighten(databaseFile + suffix);
}

/**
 * Throws if the path leads to a device or the like, which is not ours to change, or to a file with hard links: SQLite keeps a
 * journal for each name, so that writes through two names damage the file ("How To Corrupt An SQLite Database File", 2.5).
 */
export function expectFileOfItsOwn(databaseFile: string): void {
  const stats = statSync(databaseFile, { throwIfNoEntry: false });
  if (!stats) return;
  if (!stats.isFile()) throw new Error("expected a regular file");
  if (stats.nlink > 1)
    throw new Error(`expected a file without hard links, and this one has ${stats.nlink} names`);
}

/** Leaves a file of another owner as it is: its mode is for that owner to choose. */
function tighten(file: string): void {
  try {
    const stats = statSync(file);
    const { mode } = stats;
    if (stats.isFile() && (mode & otherUsers) !== 0) chmodSync(file, mode & 0o777 & ~otherUsers);
  } catch {
    // No such file, or not ours.
  }
}

/** What the command line asks of the machine it runs on, so that tests can answer instead. */

import { readFileSync } from "node:fs";
import { homedir, hostname, platform, userInfo } from "node:os";
import { join } from "node:path";
import type { ReadText } from "../config/named-files.ts";
import { systemWallClock, type WallClock } from "../lib/clock.ts";
import type { Environment } from "./givens.ts";

export interface CliEnvironment {
  readonly read: ReadText;
  /** This user's folder for the program's state; undefined if this user has none. It may have to be made. */
  readonly stateFolder: string | undefined;
  readonly hostName: string;
  readonly now: WallClock;
  /** Takes the place of the configuration file. */
  readonly file?: FileSource;
  /** There was a configuration file before, so that a missing one is a mistake and not a choice. */
  readonly isFileExpected?: boolean;
}

/** A file that was read but not understood yet. */
export interface FileSource {
  readonly name: string;
  readonly text: string;
}

export function systemEnvironment(env: Environment): CliEnvironment {
  return { read, stateFolder: stateFolderOf(env), hostName: hostname(), now: systemWallClock };
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
}

/** Who sits at the machine, as far as a record can hold it. */
export function userName(env: Environment): string {
  const named = env["LOGNAME"] || env["USER"] || systemUserName();
  return named.replace(/[^\w.@ -]/g, "_").slice(0, 64);
}

/** Bun goes by variables alone, and says "unknown" without them; the number at least tells people apart. */
function systemUserName(): string {
  try {
    const { username, uid } = userInfo();
    return username === "unknown" ? `uid ${uid}` : username;
  } catch {
    return "cli";
  }
}

/** Source: XDG Base Directory Specification 0.8, and each vendor's own custom elsewhere. */
function stateFolderOf(env: Environment): string | undefined {
  if (env["XDG_STATE_HOME"]?.startsWith("/")) return join(env["XDG_STATE_HOME"], "evenkeel");
  if (platform() === "win32" && env["LOCALAPPDATA"]) return join(env["LOCALAPPDATA"], "evenkeel");
  const home = env["HOME"] || homeOf();
  if (home === undefined) return undefined;
  if (platform() === "darwin") return join(home, "Library", "Application Support", "evenkeel");
  return join(home, ".local", "state", "evenkeel");
}

/** A container may run as a user that the system does not know. */
function homeOf(): string | undefined {
  try {
    return homedir() || undefined;
  } catch {
    return undefined;
  }
}

/** What the command line asks of the machine it runs on, so that tests can answer instead. */

import { readFileSync } from "node:fs";
import { homedir, hostname, platform, userInfo } from "node:os";
import { join } from "node:path";
import { configFlag, type Flag } from "./flags.ts";
import type { Line } from "./program.ts";
import { defaults } from "../config/config.ts";
import { type Problem, quote } from "../config/problem.ts";
import type { SourceValue } from "../config/sources.ts";
import { type FileText, readFileText, readReferencedFile, type ReadText } from "../config/yaml-file.ts";
import { systemWallClock, type WallClock } from "../lib/clock.ts";

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

// Finds the configuration file and reads it; what is wrong with its content is decided elsewhere.

type Readable = Pick<CliEnvironment, "read" | "file" | "isFileExpected">;

/** The path of the file that was named, else of the default one; there may be none. */
export function configPath(line: Line, env: Environment): string {
  return commandLineValues([configFlag], line.written, env)[0]?.text ?? defaults.configFile;
}

/** The file that was named, else the default one; undefined if there is neither. */
export function readConfigFile(
  line: Line,
  env: Environment,
  readable: Readable,
): FileText | readonly Problem[] | undefined {
  const source = readSource(line, env, readable);
  return source && "text" in source ? readFileText(source.text, source.name) : source;
}

/** Its text alone. */
export function readSource(
  line: Line,
  env: Environment,
  { read, file, isFileExpected }: Readable,
): FileSource | readonly Problem[] | undefined {
  if (file) return file;
  const [given] = commandLineValues([configFlag], line.written, env);
  const name = configPath(line, env);
  const problem = (why: string): readonly Problem[] => [
    { action: given ? `use ${given.name}` : "read the configuration", why, received: quote(name) },
  ];
  const found = readReferencedFile(name, read);
  if ("text" in found) return { name, text: found.text };
  if (!found.isMissing) return problem(found.why);
  if (isFileExpected) return problem("the file is gone");
  return given ? problem(found.why) : undefined;
}

// What an operator said on the command line and in the environment, in the order of precedence.

export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * What the operator said. An empty variable counts as none, because container files can hardly leave one out;
 * an empty flag is a mistake like any other.
 * @param written values of the flags on the command line, by name
 */
export function commandLineValues(
  flags: readonly Flag[],
  written: ReadonlyMap<string, string>,
  env: Environment,
): readonly SourceValue[] {
  return flags.flatMap(({ name, variable, path, read = (text) => text }): readonly SourceValue[] => {
    const fromFlag = name === undefined ? undefined : written.get(name);
    if (name !== undefined && fromFlag !== undefined) {
      return [{ origin: "flag", name, path, value: read(fromFlag), text: fromFlag }];
    }
    const fromEnv = env[variable]?.trim();
    if (!fromEnv) return [];
    return [{ origin: "env", name: variable, path, value: read(fromEnv), text: fromEnv }];
  });
}

/** The environment of the command line: variables, files, user and machine. Tests replace it. */

import type { FindExtensions } from "../config/extension-checks.ts";
import type { ServedProtocols } from "../config/listener-checks.ts";
import { readFileSync } from "node:fs";
import { homedir, hostname, platform, userInfo } from "node:os";
import { join } from "node:path";

import { defaults } from "../config/config.ts";
import { type Problem, quote } from "../config/problem.ts";
import type { SourceValue } from "../config/sources.ts";
import { type FileText, readFileText, readReferencedFile, type ReadText } from "../config/yaml-file.ts";
import { systemCertificateReader } from "../tls/certificate-files.ts";
import { systemWallClock, type WallClock } from "../lib/clock.ts";
import { configFlag, type Flag } from "./flags.ts";
import type { Line } from "./program.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

export interface CliEnvironment {
  readonly read: ReadText;
  /** Lists a folder's entries; missing where there are none. */
  readonly list?: (folder: string) => readonly string[];
  /** Folder for the program's state; undefined if the user has none. It may not exist yet. */
  readonly stateFolder: string | undefined;
  readonly hostName: string;
  readonly now: WallClock;
  /** What this runtime can serve; by default all. */
  readonly served?: ServedProtocols;
  /** The file of extensions that the configuration names; by default every configuration is without. */
  readonly findExtensions?: FindExtensions;
  /** Replaces the configuration file. */
  readonly file?: FileSource;
  /** A configuration file was read before, so a missing one is an error. */
  readonly isFileExpected?: boolean;
}

/** A file before it is parsed. */
export interface FileSource {
  readonly name: string;
  readonly text: string;
}

export function systemEnvironment(
  env: Environment,
  { served, findExtensions }: Pick<CliEnvironment, "served" | "findExtensions"> = {},
): CliEnvironment {
  const { list } = systemCertificateReader;
  const stateFolder = stateFolderOf(env);
  return {
    read,
    list,
    stateFolder,
    hostName: hostname(),
    now: systemWallClock,
    ...(served && { served }),
    ...(findExtensions && { findExtensions }),
  };
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
}

/** Name of the user, with characters that the event log does not accept replaced. */
export function userName(env: Environment): string {
  const name = env["LOGNAME"] || env["USER"] || systemUserName();
  return name.replace(/[^\w.@ -]/g, "_").slice(0, 64);
}

/** Bun reads only variables, and returns "unknown" without them. The user id at least identifies the user. */
function systemUserName(): string {
  try {
    const { username, uid } = userInfo();
    return username === "unknown" ? `uid ${uid}` : username;
  } catch {
    return "cli";
  }
}

/** Source: XDG Base Directory Specification 0.8; on macOS and Windows the convention of the vendor. */
function stateFolderOf(env: Environment): string | undefined {
  if (env["XDG_STATE_HOME"]?.startsWith("/")) return join(env["XDG_STATE_HOME"], "evenkeel");
  if (platform() === "win32" && env["LOCALAPPDATA"]) return join(env["LOCALAPPDATA"], "evenkeel");
  const home = env["HOME"] || homeOf();
  if (home === undefined) return undefined;
  if (platform() === "darwin") return join(home, "Library", "Application Support", "evenkeel");
  return join(home, ".local", "state", "evenkeel");
}

/** Undefined in a container whose user has no entry in the system. */
function homeOf(): string | undefined {
  try {
    return homedir() || undefined;
  } catch {
    return undefined;
  }
}

type Readable = Pick<CliEnvironment, "read" | "file" | "isFileExpected">;

/** Path of the named configuration file, else of the default one. It may not exist. */
export function configPath(line: Line, env: Environment): string {
  return commandLineValues([configFlag], line.written, env)[0]?.text ?? defaults.configFile;
}

/** Reads and parses the named configuration file, else the default one; undefined if neither exists. */
export function readConfigFile(
  line: Line,
  env: Environment,
  readable: Readable,
): FileText | readonly Problem[] | undefined {
  const source = readSource(line, env, readable);
  return source && "text" in source ? readFileText(source.text, source.name) : source;
}

/** Reads the same file without parsing it. */
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
  if (isFileExpected) return problem("the file no longer exists");
  return given ? problem(found.why) : undefined;
}

/**
 * Values from the command line and the environment; a flag takes precedence over its variable. An empty variable counts
 * as not set, because container files can hardly omit one. An empty flag is a value.
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

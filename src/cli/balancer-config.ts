/** Reads the configuration of `up`, `proxy` and `check`: file, variables and flags of one command line. */

import { statSync } from "node:fs";
import { dirname, join } from "node:path";

import { type LoadConfigOptions, loadConfig, type LoadedConfig } from "../config/load.ts";
import type { ConfigError } from "../config/problem.ts";
import { irregularFile, readReferencedFile, type ReadText } from "../config/yaml-file.ts";
import {
  type CliEnvironment,
  commandLineValues,
  configPath,
  type Environment,
  readConfigFile,
} from "./environment.ts";
import { configFlag, demoPortFlag, fileFlags, type Flag, watchFlag } from "./flags.ts";
import { commands, type Line } from "./program.ts";

export interface BalancerConfigOptions extends Pick<LoadConfigOptions, "demoUpstreams"> {
  readonly env: Environment;
  readonly environment: CliEnvironment;
}

export interface BalancerConfigFile {
  readonly loaded: LoadedConfig | ConfigError;
  readonly hasFile: boolean;
}

/** Flags that are no part of the configuration. */
const outside: readonly Flag[] = [configFlag, watchFlag, demoPortFlag];

/** @param kind the command whose flags, variables and defaults apply */
export function loadBalancerConfig(
  line: Line,
  kind: "up" | "proxy" | "check",
  { env, environment, demoUpstreams }: BalancerConfigOptions,
): BalancerConfigFile {
  const flags = commands[kind].flags.filter((flag) => !outside.includes(flag));
  const file = readConfigFile(line, env, environment);
  const loaded = loadConfig({
    values: commandLineValues(flags, line.written, env),
    file,
    read: regularFiles(environment.read),
    ...(environment.served && { served: environment.served }),
    ...(environment.list && { list: environment.list }),
    ...(environment.findExtensions && {
      extensions: {
        find: environment.findExtensions,
        defaultPath: file === undefined ? undefined : extensionsBeside(configPath(line, env), environment),
      },
    }),
    // The demo has a file of its own: a balancer of this machine may use the other one.
    defaultState: stateFileIn(environment.stateFolder, kind === "up" ? "up" : "state"),
    purpose: kind,
    ...(demoUpstreams && { demoUpstreams }),
  });
  return { loaded, hasFile: file !== undefined };
}

/** The state file of `proxy` with these flags and variables; a configuration with problems does not say where it is. */
export function stateFileFor(line: Line, env: Environment, environment: CliEnvironment): string {
  const { loaded } = loadBalancerConfig(line, "proxy", { env, environment });
  if (loaded.kind !== "invalid") return loaded.config.state;
  const [given] = commandLineValues(fileFlags, line.written, env);
  return given?.text ?? stateFileIn(environment.stateFolder, "state");
}

/** A pipe would be waited for, and a device may have no end: a reload would stop a process that serves. */
function regularFiles(read: ReadText): ReadText {
  return (path) => {
    const about = statSync(path, { throwIfNoEntry: false });
    if (about && !about.isFile() && !about.isDirectory())
      throw Object.assign(new Error(`not a regular file: ${path}`), { code: irregularFile });
    return read(path);
  };
}

/** Used where the configuration names no file of extensions. */
function extensionsBeside(configFile: string, { read }: CliEnvironment): string | undefined {
  const path = join(dirname(configFile), "evenkeel.ts");
  const found = readReferencedFile(path, read);
  return "text" in found ? path : undefined;
}

/** The default state file; in memory without a folder. */
export function stateFileIn(folder: string | undefined, name: "up" | "state"): string {
  return folder === undefined ? ":memory:" : `${folder}/${name}.db`;
}

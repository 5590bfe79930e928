/** Reads a command line again while its command runs: a configuration file may say something else by now. */

import { type Command, parse } from "../cli/parse.ts";
import type { Environment } from "../cli/givens.ts";
import { systemEnvironment } from "../cli/environment.ts";
import type { ConfigLoader } from "../control/reconciler.ts";
import type { CommandContext } from "./running.ts";

/** What the process was started with. */
export interface OriginalArguments {
  readonly argv: readonly string[];
  readonly env: Environment;
}

export type ServerCommand = Extract<Command, { kind: "up" | "proxy" | "backend" | "dashboard" }>;

/**
 * Reads the same command line again, with what its file says now, or with another text instead of its file. What the
 * file itself said last tells the sources of values.
 */
export function configReloaders(
  command: ServerCommand,
  { argv, env }: OriginalArguments,
): Pick<CommandContext, "loadConfig" | "settings"> {
  let last = "settings" in command ? command.settings : () => [];
  const isFileExpected = "configFile" in command && command.configFile.exists;
  const loadConfig: ConfigLoader = (file) => {
    const environment = { ...systemEnvironment(env), isFileExpected, ...(file ? { file } : {}) };
    const again = parse(argv, env, environment);
    if (again.kind === "invalid") return again;
    if (!("config" in again))
      throw new Error(`Cannot read the configuration of evenkeel ${again.kind}: it has none`);
    if (!file && "settings" in again) last = again.settings;
    return again.config;
  };
  return { loadConfig, settings: (config) => last(config) };
}

/** Re-reads the configuration while a command runs. */

import { type CliEnvironment, type Environment, systemEnvironment } from "../cli/environment.ts";
import { type Command, parse } from "../cli/parse.ts";
import type { ConfigLoader } from "../control/reconciler.ts";
import type { ExtensionLoader } from "./extension-loader.ts";
import type { CommandContext } from "./running.ts";

/** Arguments and environment that the process was started with. */
export interface OriginalArguments {
  readonly argv: readonly string[];
  readonly env: Environment;
  /** What the runtime can serve. */
  readonly served: NonNullable<CliEnvironment["served"]>;
  readonly extensions: ExtensionLoader;
}

export type ServerCommand = Extract<Command, { kind: "up" | "proxy" | "backend" | "dashboard" }>;

/**
 * `loadConfig` parses the same command line again, with the current configuration file or with another text instead.
 * `settings` uses the sources of the last successful read of the file itself.
 */
export function configReloaders(
  command: ServerCommand,
  { argv, env, served, extensions }: OriginalArguments,
): Pick<CommandContext, "loadConfig" | "settings"> {
  let latestSettings = "settings" in command ? command.settings : () => [];
  const isFileExpected = "configFile" in command && command.configFile.exists;
  const loadConfig: ConfigLoader = (file) => {
    const system = systemEnvironment(env, { served, findExtensions: (path) => extensions.find(path) });
    const environment = { ...system, isFileExpected, ...(file ? { file } : {}) };
    const reread = parse(argv, env, environment);
    if (reread.kind === "invalid") return reread;
    if (!("config" in reread))
      throw new Error(`Cannot load the configuration: evenkeel ${reread.kind} has none`);
    if (!file && "settings" in reread) latestSettings = reread.settings;
    return reread.config;
  };
  return { loadConfig, settings: (config) => latestSettings(config) };
}

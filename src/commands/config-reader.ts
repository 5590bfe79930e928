/** Re-reads the configuration while a command runs, and watches the configuration file. */

import { readFileSync, watch } from "node:fs";
import { dirname } from "node:path";

import { type Environment, systemEnvironment } from "../cli/environment.ts";
import { type Command, parse } from "../cli/parse.ts";
import type { ConfigLoader } from "../control/reconciler.ts";
import { type Cancel, type Schedule, systemSchedule } from "../lib/clock.ts";
import type { CommandContext } from "./running.ts";

/** Arguments and environment that the process was started with. */
export interface OriginalArguments {
  readonly argv: readonly string[];
  readonly env: Environment;
}

export type ServerCommand = Extract<Command, { kind: "up" | "proxy" | "backend" | "dashboard" }>;

/**
 * `loadConfig` parses the same command line again, with the current configuration file or with another text instead.
 * `settings` uses the sources of the last successful read of the file itself.
 */
export function configReloaders(
  command: ServerCommand,
  { argv, env }: OriginalArguments,
): Pick<CommandContext, "loadConfig" | "settings"> {
  let latestSettings = "settings" in command ? command.settings : () => [];
  const isFileExpected = "configFile" in command && command.configFile.exists;
  const loadConfig: ConfigLoader = (file) => {
    const environment = { ...systemEnvironment(env), isFileExpected, ...(file ? { file } : {}) };
    const reread = parse(argv, env, environment);
    if (reread.kind === "invalid") return reread;
    if (!("config" in reread))
      throw new Error(`Cannot load the configuration: evenkeel ${reread.kind} has none`);
    if (!file && "settings" in reread) latestSettings = reread.settings;
    return reread.config;
  };
  return { loadConfig, settings: (config) => latestSettings(config) };
}

/** Editors write in several steps: a file that has not changed for this long is complete. */
const settleMs = 200;

/**
 * Calls `onChange` when the text of the file has changed. Watches the folder, because most programs replace a file
 * instead of writing into it, and Kubernetes replaces a link in the folder.
 * Throws the system's error if the folder cannot be watched.
 * @returns stops watching
 */
export function watchFile(path: string, onChange: () => void, schedule: Schedule = systemSchedule): Cancel {
  let current = textOf(path);
  let lastSeen = current;
  let cancel: Cancel | undefined;
  // Does not wait for quiet in the folder: a log that is written there would delay the check for ever.
  const checkSoon = () => {
    cancel ??= schedule(settleMs, () => {
      cancel = undefined;
      check();
    });
  };
  const check = () => {
    const text = textOf(path);
    // A file that is being replaced is missing for a moment.
    if (text === undefined || text === current) return void (lastSeen = current);
    if (text !== lastSeen) {
      lastSeen = text;
      return checkSoon();
    }
    current = text;
    onChange();
  };
  const watcher = watch(dirname(path), checkSoon);
  watcher.on("error", () => {});
  return () => {
    cancel?.();
    watcher.close();
  };
}

function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}

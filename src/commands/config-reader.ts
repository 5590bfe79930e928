/** Reads a command line again while its command runs: a configuration file may say something else by now. */

import { readFileSync, watch } from "node:fs";
import { dirname } from "node:path";
import { type Environment, systemEnvironment } from "../cli/environment.ts";
import { type Command, parse } from "../cli/parse.ts";
import type { CommandContext } from "./running.ts";
import type { ConfigLoader } from "../control/reconciler.ts";
import { type Cancel, type Schedule, systemSchedule } from "../lib/clock.ts";

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

// Sees that the configuration file has changed, however its editor or orchestrator writes it.

/** Editors write in several steps: a file that is the same after this long is whole. */
const settledMs = 200;

/**
 * Watches the folder, since most programs replace a file instead of writing into it, and Kubernetes replaces a link
 * beside it; what counts is whether the text is another one. Throws the system's error if the folder cannot be watched.
 * @returns ends the watch
 */
export function watchFile(path: string, onChange: () => void, schedule: Schedule = systemSchedule): Cancel {
  let known = textOf(path);
  let seen = known;
  let cancel: Cancel | undefined;
  // No wait for quiet in the folder: a log that is written there would put it off for ever.
  const lookSoon = () => {
    cancel ??= schedule(settledMs, () => {
      cancel = undefined;
      look();
    });
  };
  const look = () => {
    const text = textOf(path);
    // Missing for a moment is how files are replaced.
    if (text === undefined || text === known) return void (seen = known);
    if (text !== seen) {
      seen = text;
      return lookSoon();
    }
    known = text;
    onChange();
  };
  const watcher = watch(dirname(path), lookSoon);
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

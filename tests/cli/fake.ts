/** A machine without files, for the command line's tests, and short ways to read what it says. */

import { type Command, parse } from "../../src/cli/parse.ts";
import type { CliEnvironment } from "../../src/cli/environment.ts";
import { problemSentence, type ConfigError } from "../../src/config/problem.ts";

export interface Said {
  /** With spaces between; values with spaces need a list. */
  readonly argv?: string | readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Texts by path. */
  readonly files?: Readonly<Record<string, string>>;
  /** Epoch milliseconds. */
  readonly now?: number;
}

export function surroundingsWith(files: Readonly<Record<string, string>> = {}, now = 0): CliEnvironment {
  return { read: (path) => files[path], stateFolder: "/state", hostName: "machine", now: () => now };
}

export function say({ argv = [], env = {}, files = {}, now = 0 }: Said): Command | ConfigError {
  const words = typeof argv === "string" ? argv.split(" ").filter((word) => word !== "") : argv;
  return parse(words, env, surroundingsWith(files, now));
}

/** The command, of that kind. Throws if it is another one, or trouble. */
export function understood<Kind extends Command["kind"]>(
  kind: Kind,
  said: Said,
): Extract<Command, { kind: Kind }> {
  const command = say(said);
  if (command.kind !== kind) throw new Error(`Cannot read as ${kind}: ${JSON.stringify(command)}`);
  return command as Extract<Command, { kind: Kind }>;
}

/** Every problem's sentence; none if it was understood. */
export function problemsOf(said: Said): readonly string[] {
  const command = say(said);
  return command.kind === "invalid" ? command.problems.map(problemSentence) : [];
}

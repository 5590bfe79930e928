/** A fake environment for tests of the command line, and helpers to parse a command line in it. */

import { type Command, parse } from "../../src/cli/parse.ts";
import type { CliEnvironment } from "../../src/cli/environment.ts";
import { problemSentence, type ConfigError } from "../../src/config/problem.ts";

export interface Input {
  /** Separated by spaces; values with spaces need a list. */
  readonly argv?: string | readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Texts by path. */
  readonly files?: Readonly<Record<string, string>>;
  /** Epoch milliseconds. */
  readonly now?: number;
  /** What the runtime can serve. */
  readonly served?: NonNullable<CliEnvironment["served"]>;
}

export function environmentWith(files: Readonly<Record<string, string>> = {}, now = 0): CliEnvironment {
  const list = (folder: string) => entriesIn(files, folder);
  return { read: (path) => files[path], list, stateFolder: "/state", hostName: "machine", now: () => now };
}

function entriesIn(files: Readonly<Record<string, string>>, folder: string): readonly string[] {
  const start = `${folder.replace(/\/$/, "")}/`;
  const inside = Object.keys(files).filter((path) => path.startsWith(start));
  if (inside.length === 0) throw Object.assign(new Error("no such folder"), { code: "ENOENT" });
  return [...new Set(inside.map((path) => path.slice(start.length).split("/")[0] ?? ""))];
}

export function parseInput({
  argv = [],
  env = {},
  files = {},
  now = 0,
  served,
}: Input): Command | ConfigError {
  const words = typeof argv === "string" ? argv.split(" ").filter((word) => word !== "") : argv;
  return parse(words, env, { ...environmentWith(files, now), ...(served && { served }) });
}

/** The parsed command of this kind. Throws for another kind and for problems. */
export function parsed<Kind extends Command["kind"]>(
  kind: Kind,
  input: Input,
): Extract<Command, { kind: Kind }> {
  const command = parseInput(input);
  if (command.kind !== kind) throw new Error(`Cannot parse as ${kind}: ${JSON.stringify(command)}`);
  return command as Extract<Command, { kind: Kind }>;
}

/** The sentences of all problems; empty for a valid command line. */
export function problemsOf(input: Input): readonly string[] {
  const command = parseInput(input);
  return command.kind === "invalid" ? command.problems.map(problemSentence) : [];
}

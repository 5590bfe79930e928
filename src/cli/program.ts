/** The syntax of the command line: commands, their flags, their help. What the values mean is decided elsewhere. */

import { Argument, Command, CommanderError } from "commander";
import {
  askFlags,
  backendFlags,
  balancerFlags,
  companionFlags,
  configFlag,
  dashboardFlags,
  type Flag,
  watchFlag,
} from "./flags.ts";
import { exitCodes, isVerb, type VerbFlag, type VerbName, verbs } from "./verbs.ts";
import { version } from "../config/config.ts";
import { closestWord, configError, type ConfigError, type Problem, quote } from "../config/problem.ts";
import { policies } from "../policy/policies.ts";

export type CommandName =
  | "up"
  | "proxy"
  | "backend"
  | "dashboard"
  | "check"
  | "plan"
  | "state"
  | "password"
  | "token"
  | "version"
  | VerbName;

interface CommandEntry {
  readonly summary: string;
  readonly flags: readonly Flag[];
  /** Words of which one has to follow. */
  readonly words?: readonly string[];
  /** Words of the caller's own that have to follow. */
  readonly operands?: readonly string[];
  readonly switches?: readonly VerbFlag[];
}

const verbEntries = Object.fromEntries(
  Object.entries(verbs).map(([name, entry]) => [name, { ...entry, flags: askFlags }]),
) as Readonly<Record<VerbName, CommandEntry>>;

export const commands: Readonly<Record<CommandName, CommandEntry>> = {
  up: {
    summary: "Balancer, dashboard and, without upstreams of your own, three demo servers.",
    flags: [...balancerFlags, configFlag, watchFlag, ...companionFlags],
  },
  proxy: { summary: "The balancer alone.", flags: [...balancerFlags, configFlag, watchFlag] },
  backend: { summary: "One demo server.", flags: backendFlags },
  dashboard: { summary: "The dashboard of a balancer that runs elsewhere.", flags: dashboardFlags },
  check: {
    summary: "Prints every problem of a configuration, or the effective one with the source of each value.",
    flags: [...balancerFlags, configFlag, ...companionFlags],
  },
  plan: {
    summary:
      "Prints what a configuration file would change in a running balancer: exit 0 nothing, 1 something, 2 problems, 3 no answer.",
    flags: [configFlag, ...askFlags],
  },
  state: {
    summary: "Prints what was set in a running balancer at run time, as configuration: state export.",
    flags: askFlags,
    words: ["export"],
  },
  ...verbEntries,
  password: {
    summary: "Reads a password and prints its hash, for admin.users in the configuration.",
    flags: [],
  },
  token: {
    summary:
      "Makes a token for a program and prints it with its hash, for admin.tokens in the configuration.",
    flags: [],
  },
  version: { summary: "Prints the version.", flags: [] },
};

/** A command line that was understood. */
export interface Line {
  readonly kind: "line";
  readonly command: CommandName;
  /** Values of the flags as they were written, by name. */
  readonly written: ReadonlyMap<string, string>;
  /** Words that follow the command. */
  readonly operands: readonly string[];
}

/** Text that was asked for. */
export type Text =
  { readonly kind: "help"; readonly text: string } | { readonly kind: "version"; readonly text: string };

export const versionText = `evenkeel ${version}`;

const helpWidth = 100;

/** @param argv without the runtime and the script */
export function readLine(argv: readonly string[]): Line | Text | ConfigError {
  let output = "";
  let line: Line | undefined;
  const configured = (command: Command) =>
    command
      .exitOverride()
      .helpOption("-h, --help", "show this help")
      .configureHelp({
        subcommandTerm: (subcommand) => subcommand.name(),
        styleTitle: (title) => (title === "Options:" ? "Flags:" : title),
      })
      .configureOutput({
        writeOut: (text) => void (output += text),
        writeErr: () => {},
        getOutHelpWidth: () => helpWidth,
        getErrHelpWidth: () => helpWidth,
        getOutHasColors: () => false,
        getErrHasColors: () => false,
      });
  const program = configured(new Command("evenkeel"))
    .description("An HTTP load balancer with a live dashboard.")
    .usage("<command> [flags]")
    .version(versionText, "-V, --version", "show the version")
    .helpCommand("help [command]", "show the help of a command")
    .addHelpText("after", `\n${layering}\nTry: evenkeel up`);

  for (const [name, entry] of Object.entries(commands)) {
    const { summary, flags, words, operands = [], switches = [] } = entry;
    const command = configured(program.command(name)).description(summary).allowExcessArguments(false);
    if (words) command.addArgument(new Argument("<what>", "what to do").choices(words));
    for (const operand of operands) command.argument(operand);
    if (flags.length > 0) {
      command
        .usage([words?.join("|"), ...operands, "[flags]"].filter(Boolean).join(" "))
        .addHelpText("after", `${notesOn(flags)}${isVerb(name) ? `\n\n${exitCodes}` : ""}`);
    }
    for (const { name: flag, value, summary: about } of switches)
      command.option(`${flag} ${value}`.trim(), about);
    for (const flag of flags) {
      if (!flag.name) continue;
      if (flag.value === "") command.option(flag.name, describeFlag(flag));
      else command.option(`${flag.name} ${flag.value}`, describeFlag(flag), joined(flag));
    }
    command.action(() => {
      const written = writtenIn(command, [...flags, ...switches]);
      line = { kind: "line", command: name as CommandName, written, operands: command.args };
    });
  }
  try {
    program.parse(argv.length === 0 ? ["--help"] : argv, { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.code === "commander.version") return { kind: "version", text: output.trimEnd() };
    if (error.exitCode === 0) return { kind: "help", text: output };
    return configError([usageErrorOf(error, program, argv)]);
  }
  if (!line) throw new Error("Cannot tell the command: the library neither ran one nor refused");
  return line;
}

/** A list may be spread over several flags; of anything else the last one counts. */
function joined({ isList }: Flag): (text: string, before: string | undefined) => string {
  return (text, before) => (isList && before !== undefined ? `${before},${text}` : text);
}

function writtenIn(
  command: Command,
  flags: readonly { readonly name?: string }[],
): ReadonlyMap<string, string> {
  const values = command.opts<Record<string, string | true>>();
  const written = new Map<string, string>();
  for (const { name } of flags) {
    const key = name?.slice(2).replace(/-(.)/g, (_, letter: string) => letter.toUpperCase());
    const value = key === undefined ? undefined : values[key];
    if (name !== undefined && value !== undefined) written.set(name, String(value));
  }
  return written;
}

function describeFlag({ summary, variable, fallback }: Flag): string {
  return `${summary} (${variable}${fallback === undefined ? "" : `, default ${fallback}`})`;
}

const layering = `What counts: a flag before its variable, a variable before the configuration file,
the file before the default.`;

function notesOn(flags: readonly Flag[]): string {
  const notes = [layering];
  const hidden = flags.filter(({ name }) => name === undefined);
  for (const { variable, summary } of hidden) {
    notes.push(`${variable} (a variable only: flags are visible to others)  ${summary}`);
  }
  if (flags.some(({ name }) => name === "--policy")) {
    const lines = Object.entries(policies).map(([name, { summary }]) => `  ${name.padEnd(18)}  ${summary}`);
    notes.push(`Policies:\n${lines.join("\n")}`);
  }
  return `\n${notes.join("\n\n")}`;
}

// What the command line library says of a line it cannot read, in one sentence of ours.

export function usageErrorOf(error: CommanderError, program: Command, argv: readonly string[]): Problem {
  const command = program.commands.find((known) => known.name() === argv[0]);
  const name = command ? `evenkeel ${command.name()}` : "evenkeel";
  const action = `run ${name}`;
  // The library quotes what it is about, and adds what it takes that for.
  const quoted = /'([^']*)'/.exec(error.message)?.[1] ?? "";
  const meant = /\(Did you mean (?:one of )?(.*?)\?\)/s.exec(error.message)?.[1];
  const flag = quoted.replace(/[ =].*$/s, "");
  switch (error.code) {
    case "commander.unknownOption":
      return {
        action,
        why: `there is no flag ${flag}${meant ? `, did you mean ${meant}?` : `, see ${name} --help`}`,
      };
    case "commander.optionMissingArgument":
      return { action: `use ${flag}`, why: "it needs a value", received: "nothing" };
    case "commander.missingArgument":
      return { action, why: `it needs <${quoted}>`, received: "nothing" };
    case "commander.excessArguments": {
      const operands = command?.registeredArguments.map((operand) => `<${operand.name()}>`) ?? [];
      const taken = operands.length > 0 ? `${operands.join(" ")} and flags` : "flags";
      return { action, why: `it takes nothing but ${taken}`, received: quote(command?.args.join(" ")) };
    }
    case "commander.unknownCommand":
      return unknownCommand(quoted, program);
    case "commander.help":
      return unknownCommand(argv.find((word) => word !== "help") ?? "", program);
    default:
      return { action, why: error.message.replace(/^error: /, "") };
  }
}

function unknownCommand(asked: string, program: Command): Problem {
  const names = program.commands.map((command) => command.name());
  const meant = closestWord(asked, names);
  const why = meant
    ? `there is no such command, did you mean ${meant}?`
    : `known commands are ${names.join(", ")}`;
  return { action: `run evenkeel ${quote(asked)}`, why };
}

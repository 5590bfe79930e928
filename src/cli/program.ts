/** The syntax of the command line: commands, flags, help and usage errors. Values are parsed elsewhere. */

import { Argument, Command, CommanderError } from "commander";

import { version } from "../config/config.ts";
import { closestWord, configError, type ConfigError, type Problem, quote } from "../config/problem.ts";
import { policies } from "../policy/policies.ts";
import {
  adminTargetFlags,
  backendFlags,
  balancerFlags,
  companionFlags,
  configFlag,
  dashboardFlags,
  demoPortFlag,
  fileFlags,
  type Flag,
  watchFlag,
} from "./flags.ts";
import { initFlags, initNotes } from "./init-flags.ts";
import { exitCodes, isVerb, type VerbFlag, type VerbName, verbs } from "./verbs.ts";

export type CommandName =
  | "init"
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
  /** Subcommands, one of which must follow. */
  readonly subcommands?: readonly string[];
  /** Arguments as shown in help: "<upstream>" is required, "[file]" is not. */
  readonly operands?: readonly string[];
  /** Flags of this command alone, without variables. */
  readonly ownFlags?: readonly VerbFlag[];
  /** Shown below the flags. */
  readonly notes?: string;
  /** Shown at the end, where they differ from those of the verbs. */
  readonly exitCodes?: string;
}

const verbEntries = Object.fromEntries(
  Object.entries(verbs).map(([name, entry]) => [name, { ...entry, flags: adminTargetFlags }]),
) as Readonly<Record<VerbName, CommandEntry>>;

export const commands: Readonly<Record<CommandName, CommandEntry>> = {
  init: {
    summary: "Writes a commented configuration file from your answers to a few questions, or from flags.",
    flags: [],
    ownFlags: initFlags,
    notes: initNotes,
  },
  up: {
    summary: "Starts balancer and dashboard, and three demo servers if no upstreams are configured.",
    flags: [...balancerFlags, configFlag, watchFlag, ...companionFlags, demoPortFlag],
  },
  proxy: { summary: "Starts the balancer.", flags: [...balancerFlags, configFlag, watchFlag] },
  backend: { summary: "Starts a demo server.", flags: backendFlags },
  dashboard: { summary: "Starts the dashboard of another balancer.", flags: dashboardFlags },
  check: {
    summary: "Shows all problems of a configuration, or the effective one with the source of each value.",
    flags: [...balancerFlags, configFlag, ...companionFlags],
  },
  plan: {
    summary:
      "Shows what a configuration file would change. Exit codes: 0 no changes, 1 changes, 2 invalid, 3 balancer unreachable.",
    flags: [configFlag, ...adminTargetFlags],
  },
  state: {
    summary:
      "export prints what operators set at run time, as configuration; backup copies the state file of this machine.",
    flags: [...adminTargetFlags, configFlag, ...fileFlags],
    subcommands: ["export", "backup"],
    operands: ["[file]"],
  },
  ...verbEntries,
  password: {
    summary: "Reads a password and prints its hash for admin.users in the configuration.",
    flags: [],
  },
  token: {
    summary:
      "Creates a token for a program and prints it with its hash for admin.tokens in the configuration.",
    flags: [],
  },
  version: {
    summary: "Prints the version, or checks whether configuration and state fit it.",
    flags: [configFlag, ...fileFlags],
    ownFlags: [
      {
        name: "--check",
        value: "",
        summary: "check the files and a running balancer of this machine; never asks the network",
      },
    ],
    exitCodes:
      "Exit codes of --check: 0 all fits, 1 a running balancer is another executable,\n2 configuration or state do not fit.",
  },
};

/** A syntactically valid command line. */
export interface Line {
  readonly kind: "line";
  readonly command: CommandName;
  /** Raw values of the flags, by name. */
  readonly written: ReadonlyMap<string, string>;
  /** Arguments after the command. */
  readonly operands: readonly string[];
}

/** A text to print. */
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
    .addHelpText("after", `\n${precedence}\nTry: evenkeel up`);

  for (const [name, entry] of Object.entries(commands)) {
    const { summary, flags, subcommands, operands = [], ownFlags = [], notes } = entry;
    const codes = entry.exitCodes ?? (isVerb(name) ? exitCodes : undefined);
    const command = configured(program.command(name)).description(summary).allowExcessArguments(false);
    if (subcommands) command.addArgument(new Argument("<subcommand>").choices(subcommands));
    for (const operand of operands) command.argument(operand);
    if (flags.length > 0) {
      command
        .usage([subcommands?.join("|"), ...operands, "[flags]"].filter(Boolean).join(" "))
        .addHelpText("after", `${notesOn(flags)}${codes === undefined ? "" : `\n\n${codes}`}`);
    }
    if (notes !== undefined) command.usage("[flags]").addHelpText("after", `\n${notes}`);
    for (const { name: flag, value, summary: description, short, isList, isRepeatable } of ownFlags) {
      const term = `${short === undefined ? "" : `${short}, `}${flag} ${value}`.trim();
      if (isList) command.option(term, description, joined({ isList }));
      else if (isRepeatable)
        command.option(term, description, (text: string, before?: string) =>
          before === undefined ? text : `${before}\n${text}`,
        );
      else command.option(term, description);
    }
    for (const flag of flags) {
      if (!flag.name) continue;
      if (flag.value === "") command.option(flag.name, describeFlag(flag));
      else command.option(`${flag.name} ${flag.value}`, describeFlag(flag), joined(flag));
    }
    command.action(() => {
      const written = writtenIn(command, [...flags, ...ownFlags]);
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
  if (!line)
    throw new Error("Cannot parse the command line: the library reported neither a command nor an error");
  return line;
}

/** Joins the values of a repeated list flag. Of any other repeated flag the last value counts. */
function joined({ isList }: Pick<Flag, "isList">): (text: string, before: string | undefined) => string {
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

const precedence = `A flag overrides its variable, a variable overrides the configuration file,
and the file overrides the default.`;

function notesOn(flags: readonly Flag[]): string {
  const notes = [precedence];
  const secrets = flags.filter(({ name }) => name === undefined);
  for (const { variable, summary } of secrets) {
    notes.push(`${variable} (variable only: other users can read flags)  ${summary}`);
  }
  if (flags.some(({ name }) => name === "--policy")) {
    const lines = Object.entries(policies).map(([name, { summary }]) => `  ${name.padEnd(18)}  ${summary}`);
    notes.push(`Policies:\n${lines.join("\n")}`);
  }
  return `\n${notes.join("\n\n")}`;
}

/** Turns an error of the command line library into a problem. */
function usageErrorOf(error: CommanderError, program: Command, argv: readonly string[]): Problem {
  const command = program.commands.find((known) => known.name() === argv[0]);
  const name = command ? `evenkeel ${command.name()}` : "evenkeel";
  const action = `run ${name}`;
  // The library quotes the word in question, and appends similar ones.
  const quoted = /'([^']*)'/.exec(error.message)?.[1] ?? "";
  const similar = /\(Did you mean (?:one of )?(.*?)\?\)/s.exec(error.message)?.[1];
  const flag = quoted.replace(/[ =].*$/s, "");
  switch (error.code) {
    case "commander.unknownOption":
      return similar === undefined
        ? { action, why: `unknown flag ${flag}; see ${name} --help` }
        : { action, why: `unknown flag ${flag}`, suggestion: similar.replaceAll(", ", '" or "') };
    case "commander.optionMissingArgument":
      return { action: `use ${flag}`, why: "missing value" };
    case "commander.missingArgument":
      return { action, why: `missing <${quoted}>` };
    case "commander.excessArguments": {
      const operands = command?.registeredArguments.map((operand) => `<${operand.name()}>`) ?? [];
      const expected = operands.length > 0 ? `${operands.join(" ")} and flags` : "only flags";
      const why = `unexpected argument; expected ${expected}`;
      return { action, why, received: quote(command?.args.join(" ")) };
    }
    case "commander.unknownCommand":
      return unknownCommand(quoted, program);
    case "commander.help":
      return unknownCommand(argv.find((word) => word !== "help") ?? "", program);
    default:
      return { action, why: error.message.replace(/^error: /, "") };
  }
}

function unknownCommand(name: string, program: Command): Problem {
  const action = `run evenkeel ${quote(name)}`;
  const known = program.commands.map((command) => command.name());
  const suggestion = closestWord(name, known);
  return suggestion === undefined
    ? { action, why: `unknown command; expected one of ${known.join(", ")}` }
    : { action, why: "unknown command", suggestion };
}

/** The syntax of the command line: commands, their flags, their help. What the values mean is decided elsewhere. */

import { Argument, Command, CommanderError } from "commander";
import { type Trouble, trouble } from "../config/problem.ts";
import { version } from "../config/version.ts";
import { policies } from "../policy/policies.ts";
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
import { misuseOf } from "./misuse.ts";
import { rehearseOperand, rehearseSwitches, type Switch } from "./rehearse.ts";

export type CommandName =
  "up" | "proxy" | "backend" | "dashboard" | "check" | "plan" | "state" | "rehearse" | "version";

interface CommandEntry {
  readonly summary: string;
  readonly flags: readonly Flag[];
  /** Words of which one has to follow. */
  readonly words?: readonly string[];
  /** What stands for the word that has to follow: "<upstream>". */
  readonly operand?: string;
  readonly switches?: readonly Switch[];
}

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
      "Prints what a configuration file would change in a running balancer: exit 0 nothing, 1 something, 2 problems.",
    flags: [configFlag, ...askFlags],
  },
  state: {
    summary: "Prints what was set in a running balancer at run time, as configuration: state export.",
    flags: askFlags,
    words: ["export"],
  },
  rehearse: {
    summary: "Plays a fault on an upstream of a running balancer for a while, or ends it.",
    flags: askFlags,
    operand: rehearseOperand,
    switches: rehearseSwitches,
  },
  version: { summary: "Prints the version.", flags: [] },
};

/** A command line that was understood. */
export interface Line {
  readonly kind: "line";
  readonly command: CommandName;
  /** Values of the flags as they were written, by name. */
  readonly written: ReadonlyMap<string, string>;
}

/** Text that was asked for. */
export type Text =
  { readonly kind: "help"; readonly text: string } | { readonly kind: "version"; readonly text: string };

export const versionText = `evenkeel ${version}`;

const helpWidth = 100;

/** @param argv without the runtime and the script */
export function readLine(argv: readonly string[]): Line | Text | Trouble {
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

  for (const [name, { summary, flags, words, operand, switches = [] }] of Object.entries(commands)) {
    const command = configured(program.command(name)).description(summary).allowExcessArguments(false);
    if (words) command.addArgument(new Argument("<what>", "what to do").choices(words));
    if (operand) command.argument(operand);
    for (const each of switches) command.option(`${each.name} ${each.value}`.trim(), each.summary);
    if (flags.length > 0) {
      command
        .usage([words?.join("|"), operand, "[flags]"].filter(Boolean).join(" "))
        .addHelpText("after", notesOn(flags));
    }
    for (const flag of flags) {
      if (!flag.name) continue;
      if (flag.value === "") command.option(flag.name, describeFlag(flag));
      else command.option(`${flag.name} ${flag.value}`, describeFlag(flag), joined(flag));
    }
    command.action(() => {
      line = {
        kind: "line",
        command: name as CommandName,
        written: writtenIn(command, [...flags, ...switches], operand),
      };
    });
  }
  try {
    program.parse(argv.length === 0 ? ["--help"] : argv, { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.code === "commander.version") return { kind: "version", text: output.trimEnd() };
    if (error.exitCode === 0) return { kind: "help", text: output };
    return trouble([misuseOf(error, program, argv)]);
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
  flags: readonly Pick<Flag, "name">[],
  operand?: string,
): ReadonlyMap<string, string> {
  const values = command.opts<Record<string, string | true>>();
  const written = new Map<string, string>();
  if (operand) written.set(operand, command.args[0] ?? "");
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

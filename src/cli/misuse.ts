/** What the command line library says of a line it cannot read, in one sentence of ours. */

import type { Command, CommanderError } from "commander";
import { type Problem, quote } from "../config/problem.ts";
import { closestWord } from "../config/suggest.ts";

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

/** Parses `evenkeel state export` and `evenkeel state backup`. */

import { type ConfigError, configError } from "../config/problem.ts";
import { stateFileFor } from "./balancer-config.ts";
import type { CliEnvironment, Environment } from "./environment.ts";
import { adminTargetFlags, configFlag, fileFlags, type Flag } from "./flags.ts";
import type { Line } from "./program.ts";
import { type AdminTarget, readAdminTarget } from "./side-commands.ts";

export type StateCommand =
  | { readonly kind: "state"; readonly target: AdminTarget }
  /** Copies the file of a balancer of this machine. */
  | { readonly kind: "state-backup"; readonly stateFile: string; readonly to: string };

export function readStateCommand(
  line: Line,
  env: Environment,
  environment: CliEnvironment,
): StateCommand | ConfigError {
  const [subcommand, to] = line.operands;
  if (subcommand === "export") {
    if (to !== undefined)
      return problem("run evenkeel state export", "unexpected argument; expected only flags");
    const stray = strayFlag(line, [configFlag, ...fileFlags]);
    if (stray !== undefined) return problem(`use ${stray}`, "allowed only for backup");
    const target = readAdminTarget(line, env);
    return "kind" in target ? target : { kind: "state", target };
  }
  if (to === undefined) return problem("run evenkeel state backup", "missing <file>");
  const stray = strayFlag(line, adminTargetFlags);
  if (stray !== undefined) return problem(`use ${stray}`, "allowed only for export");
  const stateFile = stateFileFor(line, env, environment);
  if (stateFile !== ":memory:") return { kind: "state-backup", stateFile, to };
  return problem("run evenkeel state backup", "the state is in memory; name its file with --state");
}

function strayFlag({ written }: Line, flags: readonly Flag[]): string | undefined {
  return flags.find(({ name = "" }) => written.has(name))?.name;
}

function problem(action: string, why: string): ConfigError {
  return configError([{ action, why }]);
}

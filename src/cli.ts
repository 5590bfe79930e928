/** Argv, environment and configuration file → one command with everything decided; or everything that is wrong. */

import { readConfigFile } from "./cli/config-file.ts";
import { demoBackends, readBackend, readDashboard } from "./cli/companions.ts";
import { configFlag } from "./cli/flags.ts";
import { type Environment, givensOf } from "./cli/givens.ts";
import { commands, type Line, readLine, type Text, versionText } from "./cli/program.ts";
import type { Surroundings } from "./cli/surroundings.ts";
import type { BackendConfig, Config, DashboardConfig, ListenConfig } from "./config/config.ts";
import { effectiveYaml, type Setting, settingsOf } from "./config/effective.ts";
import type { Trouble } from "./config/problem.ts";
import { settle } from "./config/settle.ts";

export type Command =
  | {
      readonly kind: "up";
      readonly config: Config;
      /** The same for people, with the source of each value. */
      readonly settings: readonly Setting[];
      readonly dashboard: ListenConfig;
      /** Demo servers to start behind the pool's upstreams; empty where the operator named upstreams. */
      readonly backends: readonly BackendConfig[];
    }
  | { readonly kind: "proxy"; readonly config: Config; readonly settings: readonly Setting[] }
  /** `text` is to be printed: the effective configuration, itself a configuration file. */
  | { readonly kind: "check"; readonly config: Config; readonly text: string }
  | { readonly kind: "backend"; readonly backend: BackendConfig }
  | { readonly kind: "dashboard"; readonly dashboard: DashboardConfig }
  | Text;

/** @param argv without the runtime and the script */
export function parse(
  argv: readonly string[],
  env: Environment,
  surroundings: Surroundings,
): Command | Trouble {
  const line = readLine(argv);
  if (line.kind !== "line") return line;
  switch (line.command) {
    case "version":
      return { kind: "version", text: versionText };
    case "backend": {
      const backend = readBackend(line, env, surroundings.hostName);
      return "kind" in backend ? backend : { kind: "backend", backend };
    }
    case "dashboard": {
      const dashboard = readDashboard(line, env);
      return "kind" in dashboard ? dashboard : { kind: "dashboard", dashboard };
    }
    default:
      return balancerCommand(line, line.command, { env, surroundings });
  }
}

function balancerCommand(
  line: Line,
  kind: "up" | "proxy" | "check",
  { env, surroundings }: { readonly env: Environment; readonly surroundings: Surroundings },
): Command | Trouble {
  const flags = commands[kind].flags.filter((flag) => flag !== configFlag);
  const { stateFolder } = surroundings;
  const settled = settle({
    givens: givensOf(flags, line.written, env),
    file: readConfigFile(line, env, surroundings),
    defaultState: stateFolder === undefined ? ":memory:" : `${stateFolder}/state.db`,
    purpose: kind,
  });
  if (settled.kind === "trouble") return settled;
  const { config, dashboard, isDemo, sourceOf } = settled;
  if (kind === "check") return { kind, config, text: effectiveYaml(settled, sourceOf) };
  const settings = settingsOf(settled, sourceOf);
  if (kind === "proxy") return { kind, config, settings };
  return { kind, config, settings, dashboard, backends: isDemo ? demoBackends() : [] };
}

/** Argv, environment and configuration file → one command with everything decided; or everything that is wrong. */

import {
  type CliEnvironment,
  commandLineValues,
  configPath,
  type Environment,
  type FileSource,
  readConfigFile,
  readSource,
} from "./environment.ts";
import {
  type AdminTarget,
  demoBackends,
  readAdminTarget,
  readBackend,
  readDashboard,
} from "./side-commands.ts";
import { configFlag, watchFlag } from "./flags.ts";
import { commands, type Line, readLine, type Text, versionText } from "./program.ts";
import { readVerb, type Verb } from "./verbs.ts";
import type { BackendConfig, Config, DashboardConfig, ListenConfig } from "../config/config.ts";
import { effectiveYaml, type Setting, settingsOf } from "../config/effective.ts";
import { type ConfigError, configError } from "../config/problem.ts";
import { loadConfig, warningsIn } from "../config/load.ts";

export type Command =
  | (LongRunningCommand & {
      readonly kind: "up";
      readonly dashboard: ListenConfig;
      /** Demo servers to start behind the pool's upstreams; empty where the operator named upstreams. */
      readonly backends: readonly BackendConfig[];
    })
  | (LongRunningCommand & { readonly kind: "proxy" })
  /** `text` is to be printed: the effective configuration, itself a configuration file. */
  | { readonly kind: "check"; readonly config: Config; readonly text: string }
  | { readonly kind: "backend"; readonly backend: BackendConfig }
  | { readonly kind: "dashboard"; readonly dashboard: DashboardConfig }
  /** Without a file the balancer looks at its own. */
  | { readonly kind: "plan"; readonly ask: AdminTarget; readonly file?: FileSource }
  | { readonly kind: "state"; readonly ask: AdminTarget }
  | { readonly kind: "verb"; readonly ask: AdminTarget; readonly verb: Verb }
  /** Makes what the configuration needs to know a person, or a program. */
  | { readonly kind: "password" | "token" }
  | Text;

/** A balancer that runs until it is stopped. */
interface LongRunningCommand {
  readonly config: Config;
  /** A configuration as a list for people, with the sources that this reading knows and without secrets. */
  readonly settings: (config: Config) => readonly Setting[];
  readonly configFile: {
    readonly path: string;
    /** Whether it is there. */
    readonly exists: boolean;
    /** Whether it is taken anew as soon as it changes. */
    readonly isWatched: boolean;
  };
}

/** @param argv without the runtime and the script */
export function parse(
  argv: readonly string[],
  env: Environment,
  environment: CliEnvironment,
): Command | ConfigError {
  const line = readLine(argv);
  if (line.kind !== "line") return line;
  switch (line.command) {
    case "version":
      return { kind: "version", text: versionText };
    case "password":
    case "token":
      return { kind: line.command };
    case "backend": {
      const backend = readBackend(line, env, environment.hostName);
      return "kind" in backend ? backend : { kind: "backend", backend };
    }
    case "dashboard": {
      const dashboard = readDashboard(line, env);
      return "kind" in dashboard ? dashboard : { kind: "dashboard", dashboard };
    }
    case "state": {
      const target = readAdminTarget(line, env);
      return "kind" in target ? target : { kind: "state", ask: target };
    }
    case "plan": {
      const target = readAdminTarget(line, env);
      const file = readSource(line, env, environment);
      const problems = [
        ...("kind" in target ? target.problems : []),
        ...(file && !("text" in file) ? file : []),
      ];
      if (problems.length > 0 || "kind" in target) return configError(problems);
      return { kind: "plan", ask: target, ...(file && "text" in file ? { file } : {}) };
    }
    case "up":
    case "proxy":
    case "check":
      return balancerCommand(line, line.command, { env, surroundings: environment });
    default: {
      const target = readAdminTarget(line, env);
      const verb = readVerb(line.command, line.operands, line.written);
      const problems = [...("kind" in target ? target.problems : []), ...("verb" in verb ? [] : verb)];
      if (!("verb" in verb) || "kind" in target) return configError(problems);
      return { kind: "verb", ask: target, verb };
    }
  }
}

function balancerCommand(
  line: Line,
  kind: "up" | "proxy" | "check",
  { env, surroundings: environment }: { readonly env: Environment; readonly surroundings: CliEnvironment },
): Command | ConfigError {
  const flags = commands[kind].flags.filter((flag) => flag !== configFlag && flag !== watchFlag);
  const file = readConfigFile(line, env, environment);
  const { stateFolder } = environment;
  const settled = loadConfig({
    values: commandLineValues(flags, line.written, env),
    file,
    read: environment.read,
    defaultState: stateFolder === undefined ? ":memory:" : `${stateFolder}/state.db`,
    purpose: kind,
  });
  if (settled.kind === "invalid") return settled;
  const { config, dashboard, isDemo, sourceOf } = settled;
  if (kind === "check") {
    const warnings = warningsIn(config, environment.now());
    return { kind, config, text: effectiveYaml(settled, sourceOf, warnings) };
  }
  const settings = (shown: Config) => settingsOf({ config: shown, dashboard }, sourceOf);
  const isWatched = commandLineValues([watchFlag], line.written, env)[0]?.value === true;
  const configFile = { path: configPath(line, env), exists: file !== undefined, isWatched };
  if (kind === "proxy") return { kind, config, settings, configFile };
  return { kind, config, settings, configFile, dashboard, backends: isDemo ? demoBackends() : [] };
}

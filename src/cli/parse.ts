/** Parses argv, environment and configuration file into one complete command, or reports all problems at once. */

import type { BackendConfig, Config, DashboardConfig, ListenConfig } from "../config/config.ts";
import { effectiveYaml, type Setting, settingsOf } from "../config/effective.ts";
import { warningsIn } from "../config/load.ts";
import { precedenceNotes } from "../config/route-notes.ts";
import { type ConfigError, configError } from "../config/problem.ts";
import { membersFileProblems } from "../discovery/members-file.ts";
import { loadBalancerConfig, stateFileIn } from "./balancer-config.ts";
import {
  type CliEnvironment,
  commandLineValues,
  configPath,
  type Environment,
  type FileSource,
  readSource,
} from "./environment.ts";
import { watchFlag } from "./flags.ts";
import { type InitRequest, readInit } from "./init-flags.ts";
import { type Line, readLine, type Text, versionText } from "./program.ts";
import { type AdminTarget, readAdminTarget, readBackend, readDashboard, readDemo } from "./side-commands.ts";
import { readStateCommand, type StateCommand } from "./state-command.ts";
import { readVerb, type Verb } from "./verbs.ts";
import { readVersionCheck, type VersionCheckRequest } from "./version-check.ts";

export type Command =
  | (LongRunningCommand & {
      readonly kind: "up";
      readonly dashboard: ListenConfig;
      /** Demo servers to start; empty if upstreams are configured. */
      readonly backends: readonly BackendConfig[];
    })
  | (LongRunningCommand & { readonly kind: "proxy" })
  /** `text` is the effective configuration, itself a valid configuration file. */
  | { readonly kind: "check"; readonly config: Config; readonly text: string }
  | { readonly kind: "backend"; readonly backend: BackendConfig }
  | { readonly kind: "dashboard"; readonly dashboard: DashboardConfig }
  /** Without a file the balancer compares its own. */
  | { readonly kind: "plan"; readonly target: AdminTarget; readonly file?: FileSource }
  | StateCommand
  | { readonly kind: "verb"; readonly target: AdminTarget; readonly verb: Verb }
  | { readonly kind: "init"; readonly request: InitRequest; readonly defaultState: string }
  /** `version --check` */
  | { readonly kind: "version-check"; readonly request: VersionCheckRequest }
  /** Creates the hash that the configuration needs for a person or a program. */
  | { readonly kind: "password" | "token" }
  | Text;

/** A balancer, which runs until it is stopped. */
interface LongRunningCommand {
  readonly config: Config;
  /** Lists the values of a configuration with the sources of this command line, without secrets. */
  readonly settings: (config: Config) => readonly Setting[];
  readonly configFile: {
    readonly path: string;
    /** Whether the file exists. */
    readonly exists: boolean;
    /** Whether it is reloaded when it changes. */
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
    case "version": {
      const request = readVersionCheck(line, env, environment);
      if (!request) return { kind: "version", text: versionText };
      return "kind" in request ? request : { kind: "version-check", request };
    }
    case "init": {
      const request = readInit(line.written);
      if (!("isForced" in request)) return configError(request);
      return { kind: "init", request, defaultState: stateFileIn(environment.stateFolder, "state") };
    }
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
    case "state":
      return readStateCommand(line, env, environment);
    case "plan": {
      const target = readAdminTarget(line, env);
      const file = readSource(line, env, environment);
      const problems = [
        ...("kind" in target ? target.problems : []),
        ...(file && !("text" in file) ? file : []),
      ];
      if (problems.length > 0 || "kind" in target) return configError(problems);
      return { kind: "plan", target, ...(file && "text" in file ? { file } : {}) };
    }
    case "up":
    case "proxy":
    case "check":
      return balancerCommand(line, line.command, { env, environment });
    default: {
      const target = readAdminTarget(line, env);
      const verb = readVerb(line.command, line.operands, line.written);
      const problems = [...("kind" in target ? target.problems : []), ...("verb" in verb ? [] : verb)];
      if (!("verb" in verb) || "kind" in target) return configError(problems);
      return { kind: "verb", target, verb };
    }
  }
}

function balancerCommand(
  line: Line,
  kind: "up" | "proxy" | "check",
  { env, environment }: { readonly env: Environment; readonly environment: CliEnvironment },
): Command | ConfigError {
  const { servers, problems: demoProblems } = readDemo(line, env);
  const { loaded, hasFile } = loadBalancerConfig(line, kind, {
    env,
    environment,
    demoUpstreams: servers.map(({ name, port }) => ({ name, url: `http://localhost:${port}` })),
  });
  if (kind === "up" && demoProblems.length > 0)
    return configError([...demoProblems, ...(loaded.kind === "invalid" ? loaded.problems : [])]);
  if (loaded.kind === "invalid") return loaded;
  const { config, dashboard, isDemo, sourceOf } = loaded;
  if (kind === "check") {
    const warnings = [
      ...warningsIn(config, environment.now()),
      // Another program may write it later, so that it is no error.
      ...membersFileProblems(config.pools, environment.read),
    ];
    return {
      kind,
      config,
      text: effectiveYaml(loaded, sourceOf, { warnings, notes: precedenceNotes(config) }),
    };
  }
  const settings = (shown: Config) => settingsOf({ config: shown, dashboard }, sourceOf);
  const isWatched = commandLineValues([watchFlag], line.written, env)[0]?.value === true;
  const configFile = { path: configPath(line, env), exists: hasFile, isWatched };
  if (kind === "proxy") return { kind, config, settings, configFile };
  return { kind, config, settings, configFile, dashboard, backends: isDemo ? servers : [] };
}

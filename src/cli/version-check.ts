/** Parses `evenkeel version --check`: finds the files that `proxy` would use with the same flags and variables. */

import { version } from "../config/config.ts";
import { type ConfigError, configError } from "../config/problem.ts";
import { loadBalancerConfig, stateFileFor } from "./balancer-config.ts";
import { type CliEnvironment, configPath, type Environment } from "./environment.ts";
import { configFlag, fileFlags } from "./flags.ts";
import type { Line } from "./program.ts";

export interface VersionCheckRequest {
  readonly version: string;
  readonly configuration: {
    readonly path: string;
    readonly exists: boolean;
    /** What is wrong with the file, flags or variables; missing if nothing is. */
    readonly invalid?: ConfigError;
  };
  /** A path, or ":memory:". */
  readonly stateFile: string;
}

/** Undefined for `evenkeel version` alone. */
export function readVersionCheck(
  line: Line,
  env: Environment,
  environment: CliEnvironment,
): VersionCheckRequest | ConfigError | undefined {
  if (!line.written.has("--check")) {
    const stray = [configFlag, ...fileFlags].filter(({ name = "" }) => line.written.has(name));
    const why = "allowed only together with --check";
    return stray.length === 0
      ? undefined
      : configError(stray.map(({ name }) => ({ action: `use ${name}`, why })));
  }
  const { loaded, hasFile } = loadBalancerConfig(line, "proxy", { env, environment });
  return {
    version,
    configuration: {
      path: configPath(line, env),
      exists: hasFile,
      ...(loaded.kind === "invalid" && { invalid: loaded }),
    },
    stateFile: stateFileFor(line, env, environment),
  };
}

/** What an operator said on the command line and in the environment, in the order of precedence. */

import type { SourceValue } from "../config/sources.ts";
import type { Flag } from "./flag.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * What the operator said. An empty variable counts as none, because container files can hardly leave one out;
 * an empty flag is a mistake like any other.
 * @param written values of the flags on the command line, by name
 */
export function commandLineValues(
  flags: readonly Flag[],
  written: ReadonlyMap<string, string>,
  env: Environment,
): readonly SourceValue[] {
  return flags.flatMap(({ name, variable, path, read = (text) => text }): readonly SourceValue[] => {
    const fromFlag = name === undefined ? undefined : written.get(name);
    if (name !== undefined && fromFlag !== undefined) {
      return [{ origin: "flag", name, path, value: read(fromFlag), text: fromFlag }];
    }
    const fromEnv = env[variable]?.trim();
    if (!fromEnv) return [];
    return [{ origin: "env", name: variable, path, value: read(fromEnv), text: fromEnv }];
  });
}

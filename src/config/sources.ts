/** Merges flags, environment variables and the configuration file, and records the source of every value. */

import { nameOf, type Path, type Problem, quote, type SourceLocation } from "./problem.ts";
import type { SchemaError } from "./schema-kit.ts";
import { isSecretAt } from "./values.ts";
import type { FileText } from "./yaml-file.ts";

/** One value from a flag or an environment variable. */
export interface SourceValue {
  readonly origin: "flag" | "env";
  /** "--port", "PROXY_PORT" */
  readonly name: string;
  /** Position in the configuration. */
  readonly path: Path;
  /** The value at that position. */
  readonly value: unknown;
  /** The text that the operator wrote. */
  readonly text: string;
}

/** The merged configuration with the source of each value. */
export interface ConfigSources {
  /** Unchecked. */
  readonly value: unknown;
  /** "flag --port", "env PROXY_PORT", "file evenkeel.yaml:3" or "default". */
  sourceOf(path: Path): string;
  /** Name of the value for the operator: "--port", "PROXY_PORT" or "listen.port". */
  subjectOf(path: Path): string;
  /** Without `value` the sentence has no received value. */
  problemOf(error: SourceError): Problem;
}

export type SourceError = Pick<SchemaError, "path" | "why" | "suggestion"> &
  Partial<Pick<SchemaError, "value" | "isKey">>;

export interface MergeSourcesOptions {
  /** At most one per path. */
  readonly values: readonly SourceValue[];
  readonly file?: FileText | undefined;
  /** Lowest precedence: used where neither the file nor a flag or variable has a value. */
  readonly base: unknown;
  /** Rewrites short forms into the long ones of the schema. */
  readonly expand?: (value: unknown) => unknown;
}

export function mergeSources({
  values,
  file,
  base,
  expand = (value) => value,
}: MergeSourcesOptions): ConfigSources {
  const merged = values.reduce<unknown>((value, given) => withValue(value, given.path, given.value), base);
  const givenAt = (path: Path) => values.find((given) => startsWith(path, given.path));

  const subjectOf = (path: Path) => {
    // The short form of an upstream is one text, so its URL has no key in the file.
    const isShort = path.at(-1) === "url" && typeof valueAt(merged, path.slice(0, -1)) === "string";
    const shownPath = isShort ? path.slice(0, -1) : path;
    const given = givenAt(path);
    if (!given) return nameOf(shownPath);
    const inside = shownPath.slice(given.path.length);
    return inside.length === 0 ? given.name : given.name + nameOf(["", ...inside]);
  };
  const locationOf = (path: Path, isKey: boolean): SourceLocation | undefined => {
    if (!file || givenAt(path)) return undefined;
    return isKey ? file.keyLocationOf(path) : file.locationOf(path);
  };
  return {
    value: expand(merged),
    subjectOf,
    sourceOf(path) {
      const given = givenAt(path);
      if (given) return `${given.origin} ${given.name}`;
      return file?.has(path) ? `file ${file.name}:${file.locationOf(path).line}` : "default";
    },
    problemOf(error) {
      const { path, why, isKey = false, suggestion } = error;
      const location = locationOf(path, isKey);
      const given = givenAt(path);
      const subject = subjectOf(path) || "the configuration";
      const value = given && given.path.length === path.length ? given.text : error.value;
      const hasReceived = !isKey && "value" in error;
      return {
        action: `use ${subject}`,
        ...(location && { location }),
        why,
        ...(hasReceived && { received: isSecretAt(path) ? hiddenValue : quote(value) }),
        ...(suggestion !== undefined && { suggestion }),
      };
    },
  };
}

/** Shown in the place of a received value that may be a secret. */
export const hiddenValue = "a hidden value";

function startsWith(path: Path, start: Path): boolean {
  return start.length <= path.length && start.every((key, index) => key === path[index]);
}

/** The value at a path of any value; undefined if it does not exist. */
export function valueAt(value: unknown, path: Path): unknown {
  return path.reduce<unknown>(
    (inner, key) =>
      typeof inner === "object" && inner !== null && Object.hasOwn(inner, key)
        ? (inner as Record<string, unknown>)[key]
        : undefined,
    value,
  );
}

/** Keys and values of a map or list, with list indexes as digits; empty for anything else. */
export function entriesOf(value: unknown): ReadonlyArray<readonly [key: string, value: unknown]> {
  return typeof value === "object" && value !== null ? Object.entries(value) : [];
}

/** A copy with this value at the path. A value that should be a map and is not stays, for the schema to reject. */
function withValue(value: unknown, path: Path, replacement: unknown): unknown {
  const [key, ...inside] = path;
  if (key === undefined) return replacement;
  const outer = value ?? {};
  if (typeof outer !== "object" || Array.isArray(outer)) return value;
  return { ...outer, [key]: withValue(valueAt(outer, [key]), inside, replacement) };
}

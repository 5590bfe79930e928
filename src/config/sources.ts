/** Lays flags and variables over the configuration file, and remembers for every value who said so. */

import type { FileText } from "./yaml-file.ts";
import { nameOf, type Path, type SourceLocation, type Problem, quote } from "./problem.ts";
import { isSecretAt } from "./values.ts";
import type { SchemaError } from "./schema-kit.ts";

/** One value from a flag or a variable. */
export interface SourceValue {
  readonly origin: "flag" | "env";
  /** As the operator knows it: "--port", "PROXY_PORT". */
  readonly name: string;
  /** Where it belongs. */
  readonly path: Path;
  /** What it means there. */
  readonly value: unknown;
  /** As it was written. */
  readonly text: string;
}

/** One value where several layers could have spoken. */
export interface ConfigSources {
  /** What they say together, unchecked. */
  readonly value: unknown;
  /** "flag --port", "env PROXY_PORT", "file evenkeel.yaml:3" or "default". */
  sourceOf(path: Path): string;
  /** How the operator knows the value there: "--port", "PROXY_PORT" or "listen.port". */
  subjectOf(path: Path): string;
  problemOf(fault: Omit<SchemaError, "isKey"> & { readonly isKey?: boolean }): Problem;
}

export interface MergeSourcesOptions {
  /** Each for a place of its own. */
  readonly values: readonly SourceValue[];
  readonly file?: FileText | undefined;
  /** Below everything: what is assumed where neither file nor givens say anything. */
  readonly base: unknown;
  /** Rewrites short forms into the ones that the schema knows. */
  readonly expand?: (value: unknown) => unknown;
}

export function mergeSources({
  values,
  file,
  base,
  expand = (value) => value,
}: MergeSourcesOptions): ConfigSources {
  const written = values.reduce<unknown>((value, given) => withValue(value, given.path, given.value), base);
  const givenAt = (path: Path) => values.find((given) => startsWith(path, given.path));

  const subjectOf = (path: Path) => {
    // The short form of an upstream is one text: its URL has no key there.
    const isShort = path.at(-1) === "url" && typeof valueAt(written, path.slice(0, -1)) === "string";
    const known = isShort ? path.slice(0, -1) : path;
    const given = givenAt(path);
    if (!given) return nameOf(known);
    const inside = known.slice(given.path.length);
    return inside.length === 0 ? given.name : given.name + nameOf(["", ...inside]);
  };
  const placeOf = (path: Path, isKey: boolean): SourceLocation | undefined => {
    if (!file || givenAt(path)) return undefined;
    return isKey ? file.placeOfKey(path) : file.placeOf(path);
  };
  return {
    value: expand(written),
    subjectOf,
    sourceOf(path) {
      const given = givenAt(path);
      if (given) return `${given.origin} ${given.name}`;
      return file?.has(path) ? `file ${file.name}:${file.placeOf(path).line}` : "default";
    },
    problemOf({ path, why, value, isKey = false }) {
      const place = placeOf(path, isKey);
      const given = givenAt(path);
      const subject = subjectOf(path) || "the configuration";
      const received = given && given.path.length === path.length ? given.text : value;
      return {
        action: `use ${subject}`,
        ...(place ? { place } : {}),
        why,
        ...(isKey ? {} : { received: isSecretAt(path) ? "a value that is not shown" : quote(received) }),
      };
    },
  };
}

function startsWith(path: Path, start: Path): boolean {
  return start.length <= path.length && start.every((key, index) => key === path[index]);
}

/** The value at a path of anything; undefined if there is none. */
export function valueAt(value: unknown, path: Path): unknown {
  return path.reduce<unknown>(
    (inner, key) =>
      typeof inner === "object" && inner !== null && Object.hasOwn(inner, key)
        ? (inner as Record<string, unknown>)[key]
        : undefined,
    value,
  );
}

/** Keys and values of a map or list, positions as digits; none of anything else. */
export function entriesOf(value: unknown): ReadonlyArray<readonly [key: string, value: unknown]> {
  return typeof value === "object" && value !== null ? Object.entries(value) : [];
}

/** A copy with this value at the path. What should be a map there and is not stays, to be refused. */
function withValue(value: unknown, path: Path, replacement: unknown): unknown {
  const [key, ...inside] = path;
  if (key === undefined) return replacement;
  const outer = value ?? {};
  if (typeof outer !== "object" || Array.isArray(outer)) return value;
  return { ...outer, [key]: withValue(valueAt(outer, [key]), inside, replacement) };
}

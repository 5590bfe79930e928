/** Compares a value with a schema and says in words what does not fit. */

import type { TSchema } from "@sinclair/typebox";
import { type ValueError, ValueErrorType } from "@sinclair/typebox/errors";
import { Value } from "@sinclair/typebox/value";
import { formatProblem } from "./formats.ts";
import type { Path } from "./problem.ts";
import { plainPasswordProblem } from "./secrets.ts";
import { closestWord } from "./suggest.ts";

/** One thing that does not fit. */
export interface SchemaError {
  readonly path: Path;
  readonly why: string;
  /** Undefined if it is missing. */
  readonly value: unknown;
  /** What is wrong is the last key of the path, and not its value. */
  readonly isKey: boolean;
}

/** All of them, at most one for each path, in the order of the schema. */
export function schemaErrors(schema: TSchema, value: unknown): readonly SchemaError[] {
  const faults = new Map<string, SchemaError>();
  for (const error of Value.Errors(schema, value)) {
    if (!faults.has(error.path)) faults.set(error.path, faultOf(error));
  }
  return [...faults.values()];
}

function faultOf(error: ValueError): SchemaError {
  const path = error.path.split("/").slice(1).map(unescaped);
  const isKey = error.type === ValueErrorType.ObjectAdditionalProperties;
  const why = isKey ? unknownKeyProblem(error.schema, path.at(-1) ?? "") : valueProblem(error);
  return { path, why, value: error.value, isKey };
}

/** Source: JSON Pointer, RFC 6901 section 4. */
function unescaped(key: string): string {
  return key.replaceAll("~1", "/").replaceAll("~0", "~");
}

function unknownKeyProblem(schema: TSchema, key: string): string {
  const named: unknown = schema["propertyNames"]?.errorMessage;
  if (typeof named === "string") return `it needs ${named}`;
  const password = plainPasswordProblem(key);
  if (password !== undefined) return password;
  const known = Object.keys(schema["properties"] ?? {}).filter((name) => name !== "$schema");
  const meant = closestWord(key, known);
  return meant
    ? `there is no such key, did you mean ${meant}?`
    : `there is no such key, known are ${known.join(", ")}`;
}

function valueProblem({ schema, value }: ValueError): string {
  const variants: readonly TSchema[] = schema["anyOf"] ?? [schema];
  for (const variant of variants) {
    const refused = formatProblem(variant["format"], value);
    if (refused !== undefined) return refused;
  }
  const words: unknown = schema["enum"];
  const meant = Array.isArray(words) && typeof value === "string" ? closestWord(value, words) : undefined;
  return `it needs ${schema["errorMessage"] ?? "something else"}${meant ? ` (did you mean ${meant}?)` : ""}`;
}

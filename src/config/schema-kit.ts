/** What schemas of the configuration are made of. */

import { FormatRegistry, type TSchema, Type } from "@sinclair/typebox";
import { type ValueError, ValueErrorType } from "@sinclair/typebox/errors";
import { Value } from "@sinclair/typebox/value";
import { passwordHashPattern, passwordHashProblem } from "../access/password-hash.ts";
import { cidrProblem, hostnameProblem, hostProblem, originProblem } from "./network.ts";
import { closestWord, type Path } from "./problem.ts";
import {
  delayProblem,
  durationProblem,
  plainPasswordProblem,
  sizeProblem,
  timeRangeProblem,
} from "./values.ts";
import { durationPattern, sizePattern } from "../lib/units.ts";

// Checks that a pattern cannot make, as TypeBox formats: each says what is wrong in words.

const formats = {
  origin: originProblem,
  host: hostProblem,
  name: hostnameProblem,
  range: cidrProblem,
  duration: durationProblem,
  delay: delayProblem,
  size: sizeProblem,
  "time-range": timeRangeProblem,
  "password-hash": passwordHashProblem,
} satisfies Record<string, (text: string) => string | undefined>;

type FormatName = keyof typeof formats;

// The registry is the library's own and shared by the whole process: hence the prefix.
for (const [name, problem] of Object.entries(formats)) {
  FormatRegistry.Set(`evenkeel-${name}`, (text) => problem(text) === undefined);
}

/** A string that one of our formats has to accept. */
export function format(name: FormatName, description: string) {
  const pattern = patterns[name];
  const forEditors = pattern === undefined ? {} : { pattern };
  return Type.String({ format: `evenkeel-${name}`, ...forEditors, description, errorMessage: nouns[name] });
}

/** What editors, which do not know our formats, can check of them: each accepts all that its format does. */
const patterns: Readonly<Partial<Record<FormatName, string>>> = {
  origin: "^[hH][tT][tT][pP][sS]?://[^\\s/?#@]+/?$",
  duration: durationPattern,
  delay: `^0$|${durationPattern}`,
  size: sizePattern,
  "password-hash": passwordHashPattern,
};

/** What a value of another type is told to be. */
const nouns: Readonly<Record<FormatName, string>> = {
  origin: "a URL such as http://10.0.0.1:8080",
  host: "an IP address or a host name",
  name: "a host name such as api.internal",
  range: "an address or a range such as 10.0.0.0/8",
  duration: "a duration such as 250ms, 30s or 1h",
  delay: "a duration such as 250ms, 30s or 1h",
  size: "a size such as 64KiB or 10MB",
  "time-range": "a duration or a range such as 80ms or 50-150ms",
  "password-hash": "an argon2id hash as `evenkeel password` prints it",
};

/** Why one of our formats refuses the text; undefined if it is not ours or accepts it. */
export function formatProblem(format: unknown, text: unknown): string | undefined {
  if (typeof format !== "string" || typeof text !== "string") return undefined;
  const name = format.replace(/^evenkeel-/, "");
  return Object.hasOwn(formats, name) ? formats[name as FormatName](text) : undefined;
}

/**
 * Beside JSON Schema's own keywords a schema carries `errorMessage`, what it needs, which follows "it needs" in
 * sentences. Editors know the keyword too. Defaults are for them alone: the parser takes them from config.ts.
 */
export const strict = { additionalProperties: false } as const;

export const whole = (minimum: number, maximum: number, description: string) =>
  Type.Integer({
    minimum,
    maximum,
    description,
    errorMessage: `a whole number from ${minimum} to ${maximum}`,
  });

export const word = <Word extends string>(words: readonly Word[], description: string) =>
  Type.Unsafe<Word>(
    Type.String({
      enum: words,
      pattern: `^(${words.join("|")})$`,
      description,
      errorMessage: `one of ${words.join(", ")}`,
    }),
  );

export const textSetting = (pattern: string, errorMessage: string, description: string) =>
  Type.String({ pattern, errorMessage, description });

export const flag = (description: string) => Type.Boolean({ description, errorMessage: "true or false" });

/** Every key may be left out. */
export const optional = <Keys extends Record<string, TSchema>>(keys: Keys, description: string) =>
  Type.Partial(Type.Object(keys), { ...strict, description, errorMessage: "a map" });

export const duration = (description: string) => format("duration", description);

export const share = (description: string) =>
  Type.Number({ minimum: 0, maximum: 1, description, errorMessage: "a number from 0 to 1" });

export const file = (errorMessage: string, description: string) =>
  textSetting("^.*\\S.*$", errorMessage, description);

export const origin = format("origin", "Protocol, host and port: http://10.0.0.1:8080");
export const name = textSetting(
  "^[A-Za-z\\d][\\w.:-]{0,62}$",
  "a name: at most 63 letters, digits and . _ : -, beginning with a letter or digit",
  "How logs, metrics, the API and the dashboard call it; by default its host and port.",
);

// Compares a value with a schema and says in words what does not fit.

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

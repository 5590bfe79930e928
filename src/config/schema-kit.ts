/** Building blocks of the configuration schema, and the check of a value against a schema. */

import { FormatRegistry, type TSchema, Type } from "@sinclair/typebox";
import { type ValueError, ValueErrorType } from "@sinclair/typebox/errors";
import { Value } from "@sinclair/typebox/value";
import { passwordHashPattern, passwordHashProblem } from "../access/password-hash.ts";
import { userHashProblem } from "../access/user-hash.ts";
import { durationPattern, sizePattern } from "../lib/units.ts";
import {
  apiServerProblem,
  cidrProblem,
  dockerHostProblem,
  hostnameProblem,
  hostProblem,
  nameAndPortProblem,
  originProblem,
  resolverProblem,
  serviceProblem,
} from "./network.ts";
import { isRecord } from "../lib/json.ts";
import { closestWord, maxProblems, type Path } from "./problem.ts";
import {
  ageProblem,
  delayProblem,
  durationProblem,
  headSizeProblem,
  messageSizeProblem,
  plainPasswordProblem,
  sizeProblem,
  timeRangeProblem,
} from "./values.ts";

/** Checks that a pattern cannot express, as TypeBox formats. Each returns a cause, or undefined for a valid text. */
const formats = {
  origin: originProblem,
  host: hostProblem,
  name: hostnameProblem,
  "name-and-port": nameAndPortProblem,
  service: serviceProblem,
  range: cidrProblem,
  "docker-host": dockerHostProblem,
  "api-server": apiServerProblem,
  resolver: resolverProblem,
  duration: durationProblem,
  delay: delayProblem,
  age: ageProblem,
  size: sizeProblem,
  "head-size": headSizeProblem,
  "message-size": messageSizeProblem,
  "time-range": timeRangeProblem,
  "password-hash": passwordHashProblem,
  "user-hash": userHashProblem,
} satisfies Record<string, (text: string) => string | undefined>;

type FormatName = keyof typeof formats;

// The prefix avoids collisions: the library has one registry per process.
for (const [name, problem] of Object.entries(formats)) {
  FormatRegistry.Set(`evenkeel-${name}`, (text) => problem(text) === undefined);
}

/** A string that one of the formats above accepts. */
export function format(name: FormatName, description: string) {
  const pattern = patterns[name];
  const editorPattern = pattern === undefined ? {} : { pattern };
  return Type.String({
    format: `evenkeel-${name}`,
    ...editorPattern,
    description,
    errorMessage: nouns[name],
  });
}

/** A number too: an operator writes 0 without quotes. */
export function age(description: string) {
  return Type.Union([format("age", description), Type.Literal(0)], { description, errorMessage: nouns.age });
}

/** Patterns for editors, which do not support the formats. Each accepts everything that its format accepts. */
const patterns: Readonly<Partial<Record<FormatName, string>>> = {
  origin: "^[hH][tT][tT][pP][sS]?://[^\\s/?#@]+/?$",
  duration: durationPattern,
  delay: `^0$|${durationPattern}`,
  size: sizePattern,
  "head-size": sizePattern,
  "message-size": sizePattern,
  "password-hash": passwordHashPattern,
};

/**
 * What is expected, for values of another type. Schemas have it as the extra keyword `errorMessage`: a noun phrase that
 * follows "expected" in messages. Editors support it too.
 */
const nouns: Readonly<Record<FormatName, string>> = {
  origin: "a URL such as http://10.0.0.1:8080",
  host: "an IP address or a host name",
  name: "a host name such as api.internal",
  "name-and-port": "a name and a port such as api.internal:8080",
  service: "the name of a service such as _http._tcp.api.internal",
  "docker-host": "unix:///var/run/docker.sock or a host such as tcp://socket-proxy:2375",
  "api-server": "a URL such as https://10.0.0.1:6443",
  resolver: "an address such as 10.0.0.53 or 10.0.0.53:5353",
  range: "an address or a range such as 10.0.0.0/8",
  duration: "a duration such as 250ms, 30s or 1h",
  delay: "a duration such as 250ms, 30s or 1h, or 0",
  age: "a time such as 365d or 1h, or 0",
  size: "a size such as 64KiB or 10MB",
  "head-size": "a size from 1KiB to 1MiB such as 64KiB",
  "message-size": "a size from 1KiB to 1GiB such as 1MiB",
  "time-range": "a duration or a range such as 80ms or 50-150ms",
  "password-hash": "an argon2id hash as `evenkeel password` prints it",
  "user-hash": "an argon2id hash of `evenkeel password`, or a bcrypt hash of `htpasswd -B`",
};

/** Why a format rejects the text; undefined if it accepts the text or is not one of the formats above. */
function formatProblem(format: unknown, text: unknown): string | undefined {
  if (typeof format !== "string" || typeof text !== "string") return undefined;
  const name = format.replace(/^evenkeel-/, "");
  return Object.hasOwn(formats, name) ? formats[name as FormatName](text) : undefined;
}

/** Rejects unknown keys. The defaults of the configuration are in defaults.ts, not in the schema. */
export const strict = { additionalProperties: false } as const;

export const integer = (minimum: number, maximum: number, description: string) =>
  Type.Integer({
    minimum,
    maximum,
    description,
    errorMessage: `a whole number from ${minimum} to ${maximum}`,
  });

export const choice = <Word extends string>(words: readonly Word[], description: string) =>
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

/** A map in which every key is optional. */
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
  "a name: at most 63 letters, digits and . _ : -, starting with a letter or digit",
  "Name in logs, metrics, the API and the dashboard. Default: host and port.",
);

/** One violation of a schema. */
export interface SchemaError {
  readonly path: Path;
  readonly why: string;
  /** Undefined if the value is missing. */
  readonly value: unknown;
  /** The violation is the last key of the path, not its value. */
  readonly isKey: boolean;
  /** The word that was probably meant. */
  readonly suggestion?: string | undefined;
}

/** Violations of a schema, at most one per path, in the order of the schema. */
export interface SchemaErrors {
  /** The first {@link maxProblems}. */
  readonly errors: readonly SchemaError[];
  /** How many more there are. */
  readonly omitted: number;
}

export function schemaErrors(schema: TSchema, value: unknown): SchemaErrors {
  const errors: SchemaError[] = [];
  const paths = new Set<string>();
  for (const error of innerErrors(Value.Errors(schema, value))) {
    if (paths.has(error.path)) continue;
    paths.add(error.path);
    if (errors.length < maxProblems) errors.push(schemaErrorOf(error));
  }
  return { errors, omitted: paths.size - errors.length };
}

/** Where a value may have several forms: what is wrong with it in the only form of its type, such as the map. */
function* innerErrors(errors: Iterable<ValueError>): Generator<ValueError> {
  for (const error of errors) {
    const variants: readonly TSchema[] = error.type === ValueErrorType.Union ? error.schema["anyOf"] : [];
    const ofType = [...variants.keys()].filter((index) => isOfType(variants[index], error.value));
    const only = ofType.length === 1 ? error.errors[ofType[0] ?? 0] : undefined;
    if (only && typeof error.value === "object") yield* innerErrors(only);
    else yield error;
  }
}

function isOfType(schema: TSchema | undefined, value: unknown): boolean {
  if (schema?.["anyOf"]) return (schema["anyOf"] as readonly TSchema[]).some((one) => isOfType(one, value));
  return schema?.["type"] === (Array.isArray(value) ? "array" : value === null ? "null" : typeof value);
}

function schemaErrorOf(error: ValueError): SchemaError {
  const path = error.path.split("/").slice(1).map(unescaped);
  const isKey = error.type === ValueErrorType.ObjectAdditionalProperties;
  const problem = isKey ? unknownKeyProblem(error.schema, path.at(-1) ?? "") : valueProblem(error);
  return { path, value: error.value, isKey, ...problem };
}

/** Source: JSON Pointer, RFC 6901 section 4. */
function unescaped(key: string): string {
  return key.replaceAll("~1", "/").replaceAll("~0", "~");
}

type Cause = Pick<SchemaError, "why" | "suggestion">;

/** Whether a setting comes from a variable alone, so that files are not offered it (`notInFiles` of its schema). */
export function isSecretOfEnvironment(schema: unknown): boolean {
  return isRecord(schema) && schema["notInFiles"] === true;
}

function unknownKeyProblem(schema: TSchema, key: string): Cause {
  const expectedName: unknown = schema["propertyNames"]?.errorMessage;
  if (typeof expectedName === "string") return { why: `expected ${expectedName}` };
  const password = plainPasswordProblem(key);
  if (password !== undefined) return { why: password };
  const properties: Readonly<Record<string, TSchema>> = schema["properties"] ?? {};
  const known = Object.keys(properties).filter(
    (name) => name !== "$schema" && !isSecretOfEnvironment(properties[name]),
  );
  const suggestion = closestWord(key, known);
  return suggestion === undefined
    ? { why: `unknown key; expected one of ${known.join(", ")}` }
    : { why: "unknown key", suggestion };
}

function valueProblem({ schema, value }: ValueError): Cause {
  const variants: readonly TSchema[] = schema["anyOf"] ?? [schema];
  for (const variant of variants) {
    const why = formatProblem(variant["format"], value);
    if (why !== undefined) return { why };
  }
  const words = variants.flatMap((variant): readonly string[] => variant["enum"] ?? []);
  const suggestion = typeof value === "string" ? closestWord(value, words) : undefined;
  return { why: `expected ${schema["errorMessage"] ?? "another value"}`, suggestion };
}

/** Checks that a pattern cannot make, as TypeBox formats: each says what is wrong in words. */

import { FormatRegistry, Type } from "@sinclair/typebox";
import { passwordHashPattern, passwordHashProblem } from "../access/password-hash.ts";
import { durationPattern } from "../lib/units.ts";
import { sizePattern } from "../lib/size.ts";
import { hostProblem, hostnameProblem, originProblem, cidrProblem } from "./network.ts";
import { sizeProblem } from "./sizes.ts";
import { delayProblem, durationProblem, timeRangeProblem } from "./values.ts";

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

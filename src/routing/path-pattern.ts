/** The path of a route as segments, and which of two paths is more specific. */

import type { PathCondition } from "./conditions.ts";
import { escapeBeyondAscii, writtenPath } from "../proxy/request-path.ts";

/** A name stands for any one segment that is not empty. */
export type PatternSegment =
  { readonly text: string; readonly name?: undefined } | { readonly name: string; readonly text?: undefined };

/**
 * What may follow the segments, the most specific first.
 * - `exact`: nothing; `exactSlash`: a slash alone.
 * - `rest`: a slash and anything, by a name.
 * - `slash`: a slash and anything; `prefix`: that, or nothing.
 */
export const patternEnds = ["exact", "exactSlash", "rest", "slash", "prefix"] as const;
export type PatternEnd = (typeof patternEnds)[number];

export interface PathPattern {
  readonly segments: readonly PatternSegment[];
  readonly end: PatternEnd;
  /** The name of `rest`. */
  readonly restName?: string;
}

/** A template that cannot be read. */
export interface PatternProblem {
  readonly problem: string;
}

/** Parses the path of a route. Texts are brought to the form that request paths are matched in. */
export function parsePathPattern({ kind, text }: PathCondition): PathPattern | PatternProblem {
  const parts = text.split("/").slice(1);
  const endsWithSlash = parts.at(-1) === "";
  if (endsWithSlash) parts.pop();
  if (kind !== "template") {
    const isExact = kind === "exact";
    const end = isExact ? (endsWithSlash ? "exactSlash" : "exact") : endsWithSlash ? "slash" : "prefix";
    return { segments: parts.map(literalOf), end };
  }
  return parseTemplate(parts, endsWithSlash);
}

function literalOf(part: string): PatternSegment {
  return { text: writtenPath(escapeBeyondAscii(part)).text };
}

const parameterName = /^[A-Za-z]\w{0,62}$/;

function parseTemplate(parts: readonly string[], endsWithSlash: boolean): PathPattern | PatternProblem {
  const segments: PatternSegment[] = [];
  const names = new Set<string>();
  for (const [index, part] of parts.entries()) {
    const parameter = /^\{([^{}]*)\}$/.exec(part)?.[1];
    if (parameter === undefined) {
      const literal = part.replace(/\{\{|\}\}/g, "");
      if (/[{}]/.test(literal)) return { problem: braceProblem(part) };
      segments.push(literalOf(part.replaceAll("{{", "{").replaceAll("}}", "}")));
      continue;
    }
    const isRest = parameter.endsWith("...");
    const name = isRest ? parameter.slice(0, -3) : parameter;
    const problem = nameProblem(name, names);
    if (problem !== undefined) return { problem };
    names.add(name);
    if (!isRest) segments.push({ name });
    else if (index === parts.length - 1 && !endsWithSlash) return { segments, end: "rest", restName: name };
    else return { problem: `{${name}...} takes the rest of the path and must be its end` };
  }
  return { segments, end: endsWithSlash ? "slash" : "prefix" };
}

function braceProblem(part: string): string {
  return /\{[^{}]*\}/.test(part)
    ? "a parameter must be a whole segment between slashes; write {{ and }} for braces"
    : "a brace is not closed or not opened; write {{ and }} for braces";
}

function nameProblem(name: string, earlier: ReadonlySet<string>): string | undefined {
  if (name === "") return "a parameter has no name";
  if (!parameterName.test(name))
    return `{${name}} must have a name of letters, digits and _ that starts with a letter`;
  return earlier.has(name) ? `it has two parameters with the name ${name}` : undefined;
}

/** For two patterns that match the same path. @returns below 0 if the first is more specific, 0 for equal patterns */
export function comparePatterns(one: PathPattern, other: PathPattern): number {
  const shared = Math.min(one.segments.length, other.segments.length);
  for (let i = 0; i < shared; i++) {
    const isNamed = one.segments[i]?.name !== undefined;
    if (isNamed !== (other.segments[i]?.name !== undefined)) return isNamed ? 1 : -1;
  }
  const length = other.segments.length - one.segments.length;
  return length !== 0 ? length : patternEnds.indexOf(one.end) - patternEnds.indexOf(other.end);
}

/** Whether a path that it matches has captures. */
export function hasParameters({ segments, restName }: PathPattern): boolean {
  return restName !== undefined || segments.some(({ name }) => name !== undefined);
}

/** Equal for patterns that match the same paths, whatever their parameters are called. */
export function patternKey({ segments, end }: PathPattern): string {
  return `${segments.map(({ text }) => `/${text ?? "{}"}`).join("")} ${end}`;
}

/** What the parameters of a pattern stand for in a path that it matches, as it arrived. */
export function captureSegments(
  { segments, restName }: PathPattern,
  path: string,
): Readonly<Record<string, string>> {
  const captures: Record<string, string> = {};
  let from = 1;
  for (const { name } of segments) {
    const found = path.indexOf("/", from);
    const to = found < 0 ? path.length : found;
    if (name !== undefined) captures[name] = path.slice(from, to);
    from = to + 1;
  }
  if (restName !== undefined) captures[restName] = path.slice(from);
  return captures;
}

/** Durations in the configuration: the limits that timers set, and ranges such as "50-150ms". */

import type { Path } from "./problem.ts";
import { formatDuration, parseDuration, parseSize } from "../lib/units.ts";

/** Timers count milliseconds in 31 bits and fire at once beyond: 24 days is a round number below that. */
const longest = "576h";

/** Undefined if the text is a duration from 1 ms to 24 days, else why not. */
export function durationProblem(text: string): string | undefined {
  return timeProblem(text, 1);
}

/** Undefined if the text is a duration from 0 to 24 days, else why not. */
export function delayProblem(text: string): string | undefined {
  return timeProblem(text, 0);
}

function timeProblem(text: string, leastMs: number): string | undefined {
  const timeMs = parseDuration(text);
  if (timeMs === undefined) return "it needs a duration such as 250ms, 30s or 1h";
  if (timeMs > durationOf(longest)) return `it needs a duration of at most ${longest}`;
  return timeMs < leastMs ? `it needs a duration of at least ${formatDuration(leastMs)}` : undefined;
}

/** Whole milliseconds of a text that was checked. */
export function durationOf(text: string): number {
  return Math.round(parseDuration(text) ?? Number.NaN);
}

export interface TimeRange {
  readonly min: number;
  readonly max: number;
}

/** Undefined if the text is one duration or a range of two, else why not. */
export function timeRangeProblem(text: string): string | undefined {
  const [least, most] = endsOf(text);
  const why = delayProblem(most) ?? delayProblem(least);
  if (why?.includes("such as")) return "it needs a duration or a range such as 80ms or 50-150ms";
  if (why !== undefined) return why;
  return durationOf(least) > durationOf(most) ? "its first duration needs to be the shorter one" : undefined;
}

/** Milliseconds of a text that was checked. */
export function timeRangeOf(text: string): TimeRange {
  const [least, most] = endsOf(text);
  return { min: durationOf(least), max: durationOf(most) };
}

/** The shortest way to write it: "80ms" if both ends are the same, "50-150ms" if their units are. */
export function formatTimeRange({ min, max }: TimeRange): string {
  const [least, most] = [formatDuration(min), formatDuration(max)];
  if (min === max) return most;
  return `${unitOf(least) === unitOf(most) ? least.replace(/[a-z]+$/, "") : least}-${most}`;
}

/** "50-150ms" means 50ms to 150ms: a first number without unit takes the second's. */
function endsOf(text: string): readonly [least: string, most: string] {
  const [least = "", most] = text.split(/-(.*)/s);
  if (most === undefined) return [least, least];
  return [/^[\d.]*\d$/.test(least) && least !== "0" ? least + unitOf(most) : least, most];
}

function unitOf(duration: string): string {
  return /[a-z]+$/.exec(duration)?.[0] ?? "";
}

// Sizes in the configuration.

/** Undefined if the text is a size that a number can count exactly, else why not. */
export function sizeProblem(text: string): string | undefined {
  const bytes = parseSize(text);
  if (bytes === undefined) return "it needs a size such as 64KiB or 10MB";
  return Number.isSafeInteger(bytes) ? undefined : "it needs a smaller size";
}

/** Bytes of a text that was checked. */
export function sizeOf(text: string): number {
  return parseSize(text) ?? Number.NaN;
}

// Which values of a configuration are nobody's business, and which have no place in a file at all.

/** A password in the clear has no place in a file, however its key is called. */
export function plainPasswordProblem(key: string): string | undefined {
  if (!/^pass(word|phrase|wd)?$/i.test(key)) return undefined;
  return "a password does not belong in a file: give passwordHash what `evenkeel password` prints";
}

/** Whether a value there must not be quoted: anything of accounts but names and roles, also where it is misplaced. */
export function isSecretAt(path: Path): boolean {
  const last = path.at(-1) ?? "";
  if (path[0] === "admin" && ["users", "tokens"].includes(path[1] ?? "")) {
    return !(path.length === 4 && (last === "name" || last === "role"));
  }
  return /token|pass/i.test(last);
}

/** Validates and parses durations, time ranges, sizes and secrets of the configuration. Each `xProblem` returns undefined for a valid value. */

import type { Path } from "./problem.ts";
import { formatDuration, parseDuration, parseSize } from "../lib/units.ts";

/** Timers count milliseconds in 31 bits and fire at once beyond that. 24 days is a round number below. */
const maxDuration = "576h";

/** Checks a duration from 1 ms to 24 days. */
export function durationProblem(text: string): string | undefined {
  return timeProblem(text, 1);
}

/** Checks a duration from 0 to 24 days. */
export function delayProblem(text: string): string | undefined {
  return timeProblem(text, 0);
}

function timeProblem(text: string, minMs: number): string | undefined {
  const timeMs = parseDuration(text);
  if (timeMs === undefined)
    return `expected a duration such as 250ms, 30s or 1h${minMs === 0 ? ", or 0" : ""}`;
  if (timeMs > durationOf(maxDuration)) return `expected a duration of at most ${maxDuration}`;
  return timeMs < minMs ? `expected a duration of at least ${formatDuration(minMs)}` : undefined;
}

const daySeconds = 86_400;
const maxDays = 3_650;

/** Checks a time in days or a shorter unit, up to ten years. Nothing waits for it, so that no timer limits it. */
export function ageProblem(text: string): string | undefined {
  const seconds = ageSecondsOf(text);
  if (!Number.isInteger(seconds)) return "expected a time in whole seconds such as 365d or 1h, or 0";
  return seconds > maxDays * daySeconds ? `expected a time of at most ${maxDays}d` : undefined;
}

/** Whole seconds of a valid age. */
export function ageSecondsOf(text: string | 0): number {
  if (text === 0) return 0;
  const [, days] = /^(\d+(?:\.\d+)?)d$/.exec(text) ?? [];
  if (days !== undefined) return Number(days) * daySeconds;
  return (parseDuration(text) ?? Number.NaN) / 1_000;
}

/** The text of an age in its largest unit. */
export function formatAge(seconds: number): string {
  const isInDays = seconds > 0 && seconds % daySeconds === 0;
  return isInDays ? `${seconds / daySeconds}d` : formatDuration(seconds * 1_000);
}

/** Whole milliseconds of a valid duration. */
export function durationOf(text: string): number {
  return Math.round(parseDuration(text) ?? Number.NaN);
}

export interface TimeRange {
  readonly min: number;
  readonly max: number;
}

/** Checks one duration or a range of two. */
export function timeRangeProblem(text: string): string | undefined {
  const [min, max] = endsOf(text);
  const why = delayProblem(max) ?? delayProblem(min);
  if (why?.includes("such as")) return "expected a duration or a range such as 80ms or 50-150ms";
  if (why !== undefined) return why;
  return durationOf(min) > durationOf(max)
    ? "the first duration must not be longer than the second"
    : undefined;
}

/** Milliseconds of a valid range. */
export function timeRangeOf(text: string): TimeRange {
  const [min, max] = endsOf(text);
  return { min: durationOf(min), max: durationOf(max) };
}

/** The shortest notation: "80ms" if both ends are equal, "50-150ms" if their units are. */
export function formatTimeRange({ min, max }: TimeRange): string {
  const [first, second] = [formatDuration(min), formatDuration(max)];
  if (min === max) return second;
  return `${unitOf(first) === unitOf(second) ? first.replace(/[a-z]+$/, "") : first}-${second}`;
}

/** "50-150ms" means 50ms to 150ms: a first number without a unit takes the unit of the second. */
function endsOf(text: string): readonly [min: string, max: string] {
  const [min = "", max] = text.split(/-(.*)/s);
  if (max === undefined) return [min, min];
  return [/^[\d.]*\d$/.test(min) && min !== "0" ? min + unitOf(max) : min, max];
}

function unitOf(duration: string): string {
  return /[a-z]+$/.exec(duration)?.[0] ?? "";
}

/** Checks a size in bytes up to `Number.MAX_SAFE_INTEGER`. */
export function sizeProblem(text: string): string | undefined {
  const bytes = parseSize(text);
  if (bytes === undefined) return "expected a size such as 64KiB or 10MB";
  return Number.isSafeInteger(bytes) ? undefined : "the size is too large";
}

/** Checks the size of a head: enough for any server's, and little enough that a hostile peer cannot fill memory with it. */
export function headSizeProblem(text: string): string | undefined {
  const bytes = parseSize(text) ?? 0;
  return bytes >= 1_024 && bytes <= 1_048_576 ? undefined : "expected a size from 1KiB to 1MiB such as 64KiB";
}

/** Checks the size of a WebSocket's message, which is buffered whole. */
export function messageSizeProblem(text: string): string | undefined {
  const bytes = parseSize(text) ?? 0;
  return bytes >= 1_024 && bytes <= 1_073_741_824
    ? undefined
    : "expected a size from 1KiB to 1GiB such as 1MiB";
}

/** Bytes of a valid size. */
export function sizeOf(text: string): number {
  return parseSize(text) ?? Number.NaN;
}

const rateUnits: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Requests per millisecond of a valid rate, such as "10/m". */
export function rateOf(text: string): number {
  const [count = "", unit = ""] = text.split("/");
  return Number(count) / (rateUnits[unit] ?? Number.NaN);
}

/** Rejects a key that would hold a plain-text password, whatever its spelling. */
export function plainPasswordProblem(key: string): string | undefined {
  if (!/^pass(word|phrase|wd)?$/i.test(key)) return undefined;
  return "a plain-text password is not allowed; set passwordHash to the output of `evenkeel password`";
}

/** Whether a value at this path must not be quoted: everything in accounts except names and roles, also when misplaced. */
export function isSecretAt(path: Path): boolean {
  const last = path.at(-1) ?? "";
  const users = path.indexOf("users");
  if (users > 0 && path[users - 1] === "basicAuth") return !(path.length === users + 3 && last === "name");
  if (path[0] === "admin" && ["users", "tokens"].includes(path[1] ?? "")) {
    return !(path.length === 4 && (last === "name" || last === "role"));
  }
  if (path[0] === "fleet" && last === "key" && path.length === 2) return true;
  return /token|pass|secret$/i.test(last) && !/^(sentinelP|p)asswordFile$/.test(last);
}

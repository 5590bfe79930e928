/** What a caller of the admin API asks for: reads bodies, times and names, and bounds them. */

import type { Who } from "../control/control.ts";
import { parseDuration } from "../lib/duration.ts";
import { callerOf } from "./callers.ts";

/** A mode, a name and a reason: more than this is no order. */
const mostBodyBytes = 8_192;

/** The body's text; undefined if it is longer than allowed, or does not say how long it is. */
export async function textOf(request: Request, mostBytes = mostBodyBytes): Promise<string | undefined> {
  const field = request.headers.get("content-length");
  if (field === null) return request.headers.has("transfer-encoding") ? undefined : "";
  return Number(field) <= mostBytes ? request.text() : undefined;
}

export type Fields = Readonly<Record<string, unknown>>;

/** The body as a JSON map; an empty one if there is no body; undefined if it is anything else. */
export async function fieldsOf(request: Request): Promise<Fields | undefined> {
  const text = await textOf(request);
  if (text === undefined) return undefined;
  if (text.trim() === "") return {};
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? (value as Fields)
      : undefined;
  } catch {
    return undefined;
  }
}

/** Longer reasons are cut: they go into every event and every snapshot. */
const longestReason = 500;

/** Who acts, and why, in the caller's own words. Who has no name of its own is believed to act for whom it says. */
export function whoOf(request: Request, { reason }: Fields = {}): Who {
  const { name } = callerOf(request) ?? {};
  const given = request.headers.get("x-evenkeel-actor") ?? "";
  const why = typeof reason === "string" ? lineOf(reason, longestReason) : "";
  return { by: name ?? (/^[\w.@ -]{1,64}$/.test(given) ? given : "api"), why };
}

/** On one line, without control characters, and no longer than that. */
export function lineOf(text: string, longest: number): string {
  return text
    .replace(/[\p{Cc}\s]+/gu, " ")
    .trim()
    .slice(0, longest);
}

const longestWaitMs = 3_600_000;

/** Milliseconds of a query's "wait=30s"; the fallback if there is none, undefined if it makes no sense. */
export function waitOf(
  query: URLSearchParams,
  fallbackMs: number,
  name: "wait" | "deadline" = "wait",
): number | undefined {
  const given = query.get(name);
  const waitMs = given === null ? fallbackMs : parseDuration(given);
  return waitMs !== undefined && waitMs <= longestWaitMs ? Math.round(waitMs) : undefined;
}

/** Whether a query says "dry=1", "force=true" or just "force". */
export function isSet(query: URLSearchParams, name: string): boolean {
  const given = query.get(name);
  return given !== null && !["0", "false", "no"].includes(given.toLowerCase());
}

/** A whole number from 0 on; null if there is none, undefined if it makes no sense. */
export function countOf(query: URLSearchParams, name: string): number | undefined | null {
  const given = query.get(name);
  if (given === null) return null;
  return /^\d{1,15}$/.test(given) ? Number(given) : undefined;
}

export function queryOf(request: Request): URLSearchParams {
  return new URL(request.url, "http://admin").searchParams;
}

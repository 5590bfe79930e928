/** What a caller of the admin API asks for: reads times and names, and bounds them. */

import type { Actor } from "../control/control.ts";
import { parseDuration } from "../lib/units.ts";
import type { Fields } from "./bodies.ts";
import { callerOf } from "./callers.ts";

/** Longer reasons are cut: they go into every event and every snapshot. */
const maxReason = 500;

/** Who acts, and why, in the caller's own words. Who has no name of its own is believed to act for whom it says. */
export function actorOf(request: Request, { reason }: Fields = {}): Actor {
  const { name } = callerOf(request) ?? {};
  const given = request.headers.get("x-evenkeel-actor") ?? "";
  const line = typeof reason === "string" ? lineOf(reason, maxReason) : "";
  return { by: name ?? (/^[\w.@ -]{1,64}$/.test(given) ? given : "api"), reason: line };
}

/** On one line, without control characters, and no longer than that. */
export function lineOf(text: string, longest: number): string {
  return text
    .replace(/[\p{Cc}\s]+/gu, " ")
    .trim()
    .slice(0, longest);
}

const maxWaitMs = 3_600_000;

/** Milliseconds of a query's "wait=30s"; the fallback if there is none, undefined if it makes no sense. */
export function waitOf(
  query: URLSearchParams,
  fallbackMs: number,
  name: "wait" | "deadline" = "wait",
): number | undefined {
  const given = query.get(name);
  const waitMs = given === null ? fallbackMs : parseDuration(given);
  return waitMs !== undefined && waitMs <= maxWaitMs ? Math.round(waitMs) : undefined;
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

export function queryParameters(request: Request): URLSearchParams {
  return new URL(request.url, "http://admin").searchParams;
}

/**
 * Where a stream goes on: after the number of `Last-Event-ID` or of the query; null with what happens next, undefined if
 * the query makes no sense. A browser that comes back must not be kept out for good by what makes no sense in its field.
 */
export function afterOf(request: Request): number | undefined | null {
  const last = request.headers.get("last-event-id") ?? "";
  return /^\d{1,15}$/.test(last) ? Number(last) : countOf(queryParameters(request), "after");
}

/** What a caller of the admin API asks for: reads times and names, and bounds them. */

import type { Static, TSchema } from "@sinclair/typebox";
import { callerOf } from "./authorization.ts";
import { problem } from "./responses.ts";
import { nameOf, problemSentence, quote } from "../config/problem.ts";
import { schemaErrors } from "../config/schema-kit.ts";
import type { Actor } from "../control/control.ts";
import type { EventQuery } from "../control/event-log.ts";
import { parseDuration } from "../lib/units.ts";

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

// Bodies of requests: read, bounded, and compared with the schema that the document shows for them.

/** Bodies are read by hand: each is bounded first. */
export const withoutParser = { parse: "none" } as const;

/** A mode, a name and a reason: more than this is no order. */
const maxBodyBytes = 8_192;

/** The body's text, whether its length was said before or not; undefined if it is longer than allowed. */
export async function textOf(request: Request, maxBytes = maxBodyBytes): Promise<string | undefined> {
  if (Number(request.headers.get("content-length") ?? 0) > maxBytes) return undefined;
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of request.body ?? []) {
    bytes += chunk.byteLength;
    if (bytes > maxBytes) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

export type Fields = Readonly<Record<string, unknown>>;

/** The body as a JSON map, an empty one if there is no body, or why it cannot be read. */
export async function bodyFields(request: Request): Promise<Fields | Response> {
  const text = await textOf(request);
  if (text === undefined) {
    return problem(413, "body_too_long", "Cannot read the body: it may have 8 KiB at most");
  }
  if (text.trim() === "") return {};
  // Forms of foreign pages can say text/plain and two more, but not this (Fetch standard, CORS-safelisted request headers).
  const type = request.headers.get("content-type") ?? "application/json";
  if (!/^application\/(?:[\w.+-]+\+)?json *(?:;|$)/i.test(type)) {
    const why = `it needs Content-Type: application/json, received ${quote(type)}`;
    return problem(415, "type_unsupported", `Cannot read the body: ${why}`);
  }
  const value = parsed(text);
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Fields;
  return problem(400, "body_invalid", "Cannot read the body: it needs a JSON map");
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** What the body says, or the answer that names everything that is wrong with it. No body is an empty map. */
export async function readJsonBody<Schema extends TSchema>(
  request: Request,
  schema: Schema,
): Promise<Static<Schema> | Response> {
  const fields = await bodyFields(request);
  if (fields instanceof Response) return fields;
  const faults = schemaErrors(schema, fields);
  const [first] = faults;
  if (!first) return fields as Static<Schema>;
  const problems = faults.map(({ path, why, value, isKey, suggestion }) =>
    problemSentence({
      action: `use ${nameOf(path)}`,
      why,
      suggestion,
      ...(isKey ? {} : { received: quote(value) }),
    }),
  );
  const reason = first.isKey ? "body_invalid" : `${first.path[0] ?? "body"}_invalid`;
  return problem(400, reason, problems.join(" "), { problems });
}

// Reads which events a caller of the admin API asks for.

const eventsByDefault = 100;
const maxEvents = 2_000;

/**
 * `limit`, `after`, `before` (numbers of events); `pool`, `upstream`, `kind` (several with commas), `by`, `text`, and
 * `by-operators=1` for what somebody did. Undefined if a number makes no sense.
 */
export function eventQueryOf(query: URLSearchParams): EventQuery | undefined {
  const [limit, after, before] = ["limit", "after", "before"].map((name) => countOf(query, name));
  if (limit === undefined || after === undefined || before === undefined) return undefined;
  const said = (name: string) => query.get(name) || undefined;
  const [upstream, pool, by, text] = ["upstream", "pool", "by", "text"].map(said);
  const kinds = said("kind")?.split(",");
  return {
    limit: Math.min(limit ?? eventsByDefault, maxEvents),
    ...(after === null ? {} : { after }),
    ...(before === null ? {} : { before }),
    ...(upstream === undefined ? {} : { upstream }),
    ...(pool === undefined ? {} : { pool }),
    ...(by === undefined ? {} : { by }),
    ...(text === undefined ? {} : { text }),
    ...(kinds && { kinds: new Set(kinds) }),
    ...(query.get("by-operators") === "1" && { byOperators: true }),
  };
}

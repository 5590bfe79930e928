/** Reads and validates the input of admin API requests: query parameters, headers and JSON bodies. */

import type { Static, TSchema } from "@sinclair/typebox";
import { nameOf, problemSentence, quote, withOmitted } from "../config/problem.ts";
import { schemaErrors } from "../config/schema-kit.ts";
import type { Actor } from "../control/control.ts";
import type { EventQuery } from "../control/event-log.ts";
import { parseJson } from "../lib/json.ts";
import { visibleLine } from "../lib/one-line.ts";
import { parseMomentOf } from "../lib/time-range.ts";
import { parseDuration } from "../lib/units.ts";
import { callerOf } from "./authorization.ts";
import { problem } from "./responses.ts";

/** Longer reasons are cut: a reason is part of events and snapshots. */
const maxReason = 500;

/** The actor of a command: the authenticated name, else the one from `X-Evenkeel-Actor`, else "api". */
export function actorOf(request: Request, { reason }: Fields = {}): Actor {
  const { name } = callerOf(request) ?? {};
  const claimed = request.headers.get("x-evenkeel-actor") ?? "";
  const line = typeof reason === "string" ? lineOf(reason, maxReason) : "";
  return { by: name ?? (/^[\w.@ -]{1,64}$/.test(claimed) ? claimed : "api"), reason: line };
}

/** The text on one line, without control characters, cut at `maxChars`. */
export function lineOf(text: string, maxChars: number): string {
  return visibleLine(text).slice(0, maxChars);
}

const maxWaitMs = 3_600_000;

/** Milliseconds of a query's "wait=30s"; the fallback without the parameter, undefined if it is invalid. */
export function waitOf(
  query: URLSearchParams,
  fallbackMs: number,
  name: "wait" | "deadline" = "wait",
): number | undefined {
  const text = query.get(name);
  const waitMs = text === null ? fallbackMs : parseDuration(text);
  return waitMs !== undefined && waitMs <= maxWaitMs ? Math.round(waitMs) : undefined;
}

/** Whether a query has "dry=1", "force=true" or just "force". */
export function isSet(query: URLSearchParams, name: string): boolean {
  const text = query.get(name);
  return text !== null && !["0", "false", "no"].includes(text.toLowerCase());
}

/** A whole number from 0; null without the parameter, undefined if it is invalid. */
export function countOf(query: URLSearchParams, name: string): number | undefined | null {
  const text = query.get(name);
  if (text === null) return null;
  return /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}

/** "Cannot use limit: expected a whole number (received "x").": why a query parameter is invalid. */
export function parameterProblem(
  name: string,
  { expected, received }: { readonly expected: string; readonly received: unknown },
): string {
  return problemSentence({ action: `use ${name}`, why: `expected ${expected}`, received: quote(received) });
}

/** Why {@link countOf} rejects some of the parameters. */
export function countProblem(query: URLSearchParams, names: readonly string[]): string {
  const invalid = names.filter((name) => countOf(query, name) === undefined);
  const problems = invalid.map((name) =>
    parameterProblem(name, { expected: "a whole number", received: query.get(name) }),
  );
  return problems.join(" ");
}

export function queryParameters(request: Request): URLSearchParams {
  return new URL(request.url, "http://admin").searchParams;
}

/**
 * The number after which a stream resumes: from `Last-Event-ID`, else from the query's `after`. Null to begin with the
 * next one, undefined if the query is invalid. An invalid `Last-Event-ID` is ignored: a browser would send it forever.
 */
export function afterOf(request: Request): number | undefined | null {
  const last = request.headers.get("last-event-id") ?? "";
  return /^\d{1,15}$/.test(last) ? Number(last) : countOf(queryParameters(request), "after");
}

const defaultEvents = 100;
const maxEvents = 2_000;

/**
 * Reads `limit`, `after` and `before` (event numbers); `from` and `to`; `pool`, `upstream`, `kind` (several with commas), `by`,
 * `text`, and `by-operators=1` for operator actions only. A sentence if one is invalid. @param now epoch milliseconds
 */
export function eventQueryOf(query: URLSearchParams, now: number): EventQuery | string {
  const numbers = ["limit", "after", "before"] as const;
  const [limit, after, before] = numbers.map((name) => countOf(query, name));
  if (limit === undefined || after === undefined || before === undefined) return countProblem(query, numbers);
  const moments = momentsIn(query, now);
  if (typeof moments === "string") return moments;
  const nonEmpty = (name: string) => query.get(name) || undefined;
  const [upstream, pool, by, text] = ["upstream", "pool", "by", "text"].map(nonEmpty);
  const kinds = nonEmpty("kind")?.split(",");
  return {
    limit: Math.min(limit ?? defaultEvents, maxEvents),
    ...(after === null ? {} : { after }),
    ...(before === null ? {} : { before }),
    ...moments,
    ...(upstream === undefined ? {} : { upstream }),
    ...(pool === undefined ? {} : { pool }),
    ...(by === undefined ? {} : { by }),
    ...(text === undefined ? {} : { text }),
    ...(kinds && { kinds: new Set(kinds) }),
    ...(query.get("by-operators") === "1" && { byOperators: true }),
  };
}

/** Epoch milliseconds; without a member there is no bound. */
interface Moments {
  readonly from?: number;
  readonly to?: number;
}

/** The ends of a range, or a sentence with the error. A range that ends before it begins would find nothing, without a word. */
export function momentsIn(query: URLSearchParams, now: number): Moments | string {
  const [from, to] = [momentIn(query, "from", now), momentIn(query, "to", now)];
  if (typeof from === "string") return from;
  if (typeof to === "string") return to;
  if (from !== undefined && from > (to ?? Infinity))
    return parameterProblem("from", { expected: "a time before the end", received: query.get("from") });
  return { ...(from !== undefined && { from }), ...(to !== undefined && { to }) };
}

/**
 * One end of a range: epoch milliseconds, undefined without it, or a sentence with the error. "now" as the end is no bound:
 * what happens while the query runs belongs to it, and so does what a clock that was set back has dated later.
 */
function momentIn(query: URLSearchParams, name: "from" | "to", now: number): number | string | undefined {
  const text = query.get(name);
  if (!text || (name === "to" && text === "now")) return undefined;
  return parseMomentOf(name, text, now);
}

/** Route option: the router must not parse the body, because {@link readBodyText} bounds it first. */
export const withoutParser = { parse: "none" } as const;

/** Enough for any command: a mode, a name and a reason. */
const maxBodyBytes = 8_192;

/** The body's text, with or without Content-Length; undefined if it is longer than `maxBytes`. */
export async function readBodyText(request: Request, maxBytes = maxBodyBytes): Promise<string | undefined> {
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

/** The body as a JSON map (empty without a body), or the error response. */
export async function bodyFields(request: Request): Promise<Fields | Response> {
  const text = await readBodyText(request);
  if (text === undefined) {
    return problem(413, "body_too_long", "Cannot read the body: it is longer than 8 KiB.");
  }
  if (text.trim() === "") return {};
  // Forms of foreign pages can send text/plain and two more, but not this (Fetch standard, CORS-safelisted request headers).
  const type = request.headers.get("content-type") ?? "application/json";
  if (!/^application\/(?:[\w.+-]+\+)?json *(?:;|$)/i.test(type)) {
    const detail = `Cannot read the body: expected the Content-Type application/json (received ${quote(type)}).`;
    return problem(415, "type_unsupported", detail);
  }
  const value = parseJson(text);
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Fields;
  const received = value === undefined ? "no valid JSON" : quote(value);
  return problem(400, "body_invalid", `Cannot read the body: expected a JSON map (received ${received}).`);
}

/** The body that matches the schema (an empty map without a body), or the error response with every problem. */
export async function readJsonBody<Schema extends TSchema>(
  request: Request,
  schema: Schema,
): Promise<Static<Schema> | Response> {
  const fields = await bodyFields(request);
  if (fields instanceof Response) return fields;
  const { errors, omitted } = schemaErrors(schema, fields);
  const [first] = errors;
  if (!first) return fields as Static<Schema>;
  const described = errors.map(({ path, why, value, isKey, suggestion }) =>
    problemSentence({
      action: `use ${nameOf(path)}`,
      why,
      suggestion,
      ...(isKey ? {} : { received: quote(value) }),
    }),
  );
  const problems = withOmitted(described, omitted);
  const reason = first.isKey ? "body_invalid" : `${first.path[0] ?? "body"}_invalid`;
  return problem(400, reason, problems.join(" "), { problems });
}

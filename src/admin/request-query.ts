/** Reads the queries of request lists: which list, which filter, which page. */

import {
  isStatusFilter,
  type RecordFilter,
  type RequestOutcome,
  requestOutcomes,
} from "../requests/request-filter.ts";
import type { RequestListKind } from "../requests/recent-requests.ts";
import type { RequestCursor } from "../requests/request-store.ts";
import { countOf, countProblem, momentsIn, parameterProblem } from "./request-input.ts";

const defaultLimit = 50;
const maxLimit = 500;

/** `kept`: on disk, for a day. The others are in memory. */
const lists = ["recent", "slowest", "failed", "kept"] as const satisfies readonly (
  RequestListKind | "kept"
)[];

interface Page {
  readonly limit: number;
  readonly filter: RecordFilter;
}

export type ListQuery = Page &
  (
    | { readonly which: RequestListKind; readonly before?: number }
    | { readonly which: "kept"; readonly cursor?: RequestCursor }
  );

/** A query with one of these is about the past: the list is that of kept requests. */
const keptParameters = ["from", "to", "cursor", "outcome"];

/** The query, or a sentence with the error. @param now epoch milliseconds */
export function listQueryOf(query: URLSearchParams, now: number): ListQuery | string {
  const fallback = keptParameters.some((name) => query.get(name)) ? "kept" : "recent";
  const which = lists.find((known) => known === (query.get("which") || fallback));
  if (!which)
    return parameterProblem("which", {
      expected: `one of ${lists.join(", ")}`,
      received: query.get("which"),
    });
  const [limit, before] = [countOf(query, "limit"), countOf(query, "before")];
  if (limit === undefined || before === undefined) return countProblem(query, ["limit", "before"]);
  const filter = filterOf(query, now);
  if (typeof filter === "string") return filter;
  const page = { limit: Math.min(limit ?? defaultLimit, maxLimit), filter };
  if (which !== "kept") return { which, ...page, ...(before !== null && { before }) };
  const cursor = cursorOf(query.get("cursor") ?? "");
  return typeof cursor === "string" ? cursor : { which, ...page, ...(cursor && { cursor }) };
}

/** As text for clients, which send it back for the next page. */
export function cursorText({ endedAt, seq }: RequestCursor): string {
  return `${endedAt}-${seq}`;
}

function cursorOf(text: string): RequestCursor | string | undefined {
  if (text === "") return undefined;
  const [, endedAt, seq] = /^(\d{1,15})-(\d{1,15})$/.exec(text) ?? [];
  if (endedAt === undefined || seq === undefined)
    return parameterProblem("cursor", { expected: "the next of the page before", received: text });
  return { endedAt: Number(endedAt), seq: Number(seq) };
}

/** Names of parameters that are taken as they are. */
const plainNames = ["pool", "upstream", "route", "method", "status", "path", "reason", "client"] as const;

/** The filter, or a sentence with the error. An empty parameter comes from an empty form field and does not filter. */
export function filterOf(query: URLSearchParams, now: number): RecordFilter | string {
  const status = query.get("status");
  if (status && !isStatusFilter(status))
    return parameterProblem("status", {
      expected: "a status such as 404, a class such as 4xx, or several with commas",
      received: status,
    });
  const outcomes = outcomesOf(query.get("outcome") ?? "");
  if (typeof outcomes === "string") return outcomes;
  const moments = momentsIn(query, now);
  if (typeof moments === "string") return moments;
  const id = query.get("id");
  return {
    ...Object.fromEntries(
      plainNames.flatMap((name) => (query.get(name) ? [[name, query.get(name) ?? ""]] : [])),
    ),
    ...moments,
    ...(id && { requestId: id }),
    ...(outcomes && { outcomes }),
  };
}

function outcomesOf(text: string): readonly RequestOutcome[] | string | undefined {
  if (text === "") return undefined;
  const words = text.split(",");
  const known = requestOutcomes.filter((outcome) => words.includes(outcome));
  if (known.length < new Set(words).size)
    return parameterProblem("outcome", {
      expected: `one or several of ${requestOutcomes.join(", ")}`,
      received: text,
    });
  return known;
}

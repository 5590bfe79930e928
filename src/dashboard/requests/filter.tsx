/** The filter of the request pages: its form, which needs no script, and its address, which can be shared. */
/** @jsxImportSource @kitajs/html */

import { Choice, methodChoices, sameNamed, TextField } from "../layout/fields.tsx";
import { attribute } from "../responses.ts";
import { momentText, rangeQuery } from "../../lib/time-range.ts";
import { type PageRange, parsePageRange } from "../page-range.ts";
import type { RefusalReason } from "../../proxy/refusal.ts";
import type { Snapshot } from "../../snapshot/snapshot.ts";

interface FiltersProps {
  readonly filter: RequestFilterState;
  /** For the lists of pools and upstreams; undefined before the first successful read. */
  readonly snapshot: Snapshot | undefined;
}

const statuses = ["2xx", "3xx", "4xx", "5xx", "404", "500", "502", "503", "504"];

/** The reasons with which a request can end, as in the access log and in the metrics. */
const reasons: readonly RefusalReason[] = [
  ...([
    "connect_refused",
    "connect_timeout",
    "connect_reset",
    "stream_refused",
    "head_timeout",
    "head_invalid",
    "answer_refused",
  ] as const),
  ...(["upstream_reset", "body_timeout", "body_truncated", "total_timeout", "rehearsal"] as const),
  ...(["no_route", "no_upstream", "no_members", "queue_full", "queue_timeout", "request_invalid"] as const),
  ...(["request_too_large", "too_many_clients", "overloaded", "balancer_exhausted"] as const),
  ...([
    "message_too_large",
    "buffers_full",
    "unknown_host",
    "misdirected",
    "path_ambiguous",
    "redirected",
    "responded",
    "preflight",
    "cors_refused",
    "challenge_answered",
  ] as const),
  ...(["denied", "rate_limited", "auth_required", "auth_refused", "auth_unavailable"] as const),
];

/** The outcomes to choose from: the value of the address, and its name. */
export const outcomeChoices = [
  ["failed,slow", "Failed and slow"],
  ["failed", "Failed"],
  ["slow", "Slow"],
  ["retried", "Answered by a second attempt"],
  ["refused", "Refused by the balancer"],
  ["sampled", "Ended as usual (a sample)"],
] as const;

export function RequestFilters({ filter, snapshot }: FiltersProps): JSX.Element {
  const pools = snapshot?.pools ?? [];
  const upstreams = pools.flatMap((pool) => pool.upstreams.map(({ id }) => id));
  const field = (name: FilterName) =>
    ({ kind: "request-field", name, label: filterLabels[name], value: filter.filter[name] ?? "" }) as const;
  const times = filter.range ? rangeQuery(filter.range) : {};
  const hidden = { ...(filter.kind === "recent" ? {} : { which: filter.kind }), ...times };
  return (
    <form class="request-filters" method="get" action="/requests" role="search" aria-label="Filter requests">
      {Object.entries(hidden).map(([name, value]) => (
        <input type="hidden" name={name} value={attribute(value)} />
      ))}
      {filter.kind === "kept" ? <Choice {...field("outcome")} choices={outcomeChoices} /> : ""}
      <Choice {...field("pool")} choices={sameNamed(pools.map(({ name }) => name))} />
      <TextField {...field("upstream")} suggestions={upstreams} hint="any" />
      <TextField {...field("route")} hint="any" />
      <Choice {...field("method")} choices={sameNamed(methodChoices)} />
      <TextField {...field("status")} suggestions={statuses} hint="4xx or 404" />
      <TextField {...field("path")} hint="/ or host/" />
      <TextField {...field("reason")} suggestions={reasons} hint="any" />
      <TextField {...field("client")} hint="IP address" />
      <div class="request-buttons">
        <button type="submit">Filter</button>
        {isFiltered(filter) ? (
          <a href={attribute(requestsUrl({ ...onFirstPage(filter), filter: {} }))}>Clear</a>
        ) : (
          ""
        )}
      </div>
    </form>
  );
}

/** `kept`: on disk, for a day; the others are in memory. */
export const kinds = ["recent", "slowest", "failed", "kept"] as const;
export type Kind = (typeof kinds)[number];

export const filterNames = [
  ...(["pool", "upstream", "method", "status", "path", "reason"] as const),
  ...(["route", "client", "outcome", "id"] as const),
] as const;
export type FilterName = (typeof filterNames)[number];

export const filterLabels: Readonly<Record<FilterName, string>> = {
  ...{ pool: "Pool", upstream: "Upstream", method: "Method", status: "Status", path: "Path begins with" },
  ...{ reason: "Reason", route: "Route", client: "Client", outcome: "Outcome", id: "Request id" },
};

export interface RequestFilterState {
  readonly kind: Kind;
  /** Contains only the fields that are set, as typed: the admin API validates them. */
  readonly filter: Readonly<Partial<Record<FilterName, string>>>;
  /** Only requests older than this number; undefined for the first page. */
  readonly before: number | undefined;
  /** The time of kept requests. */
  readonly range?: PageRange | undefined;
  /** Where a page of kept requests begins; undefined for the first one. */
  readonly cursor?: string | undefined;
}

export const emptyFilter: RequestFilterState = { kind: "recent", filter: {}, before: undefined };

/** A query with one of these is about kept requests. */
const keptNames = ["from", "to", "outcome", "cursor"];

/** Characters of one field; the rest is dropped. */
const maxChars = 200;

/** Ignores an invalid kind or number, so that an old bookmark still opens. @param now epoch milliseconds */
export function parseRequestFilter(query: URLSearchParams, now: number): RequestFilterState {
  const filter: Partial<Record<FilterName, string>> = {};
  for (const name of filterNames) {
    const text = (query.get(name) ?? "").trim().slice(0, maxChars);
    if (text !== "") filter[name] = name === "method" ? text.toUpperCase() : text;
  }
  const before = query.get("before") ?? "";
  const fallback = keptNames.some((name) => query.get(name)) ? "kept" : "recent";
  const kind = kinds.find((known) => known === query.get("which")) ?? fallback;
  const cursor = query.get("cursor") ?? "";
  return {
    kind,
    filter,
    before: /^\d{1,15}$/.test(before) ? Number(before) : undefined,
    ...(kind === "kept" && { range: parsePageRange(Object.fromEntries(query), now) }),
    ...(kind === "kept" && /^\d{1,15}-\d{1,15}$/.test(cursor) && { cursor }),
  };
}

/** The same list from its beginning. */
export function onFirstPage(filter: RequestFilterState): RequestFilterState {
  return { ...filter, before: undefined, cursor: undefined };
}

/** The filter with its time, for the admin API. */
export function keptQuery({ filter, range }: RequestFilterState): URLSearchParams {
  return new URLSearchParams({
    ...filter,
    ...(range && { from: momentText(range.from), to: range.isLive ? "now" : momentText(range.to) }),
  });
}

/** The fields alone, as a query of the admin API and of the dashboard. */
export function filterQuery({ filter }: Pick<RequestFilterState, "filter">): URLSearchParams {
  return new URLSearchParams(filter);
}

/** The query for one page of the admin API's list. */
export function listQuery(state: RequestFilterState, limit: number): URLSearchParams {
  const { kind, filter, before, cursor } = state;
  return new URLSearchParams({
    which: kind,
    ...(kind === "kept" ? Object.fromEntries(keptQuery(state)) : filter),
    limit: String(limit),
    ...(before === undefined ? {} : { before: String(before) }),
    ...(cursor === undefined ? {} : { cursor }),
  });
}

/** The address of the page with this filter. */
export function requestsUrl(state: RequestFilterState): string {
  const query = new URLSearchParams({
    ...parametersOf(state),
    ...(state.range ? rangeQuery(state.range) : {}),
  });
  return query.size > 0 ? `/requests?${query}` : "/requests";
}

/** What the address has beside its time. */
export function parametersOf({
  kind,
  filter,
  before,
  range,
  cursor,
}: RequestFilterState): Record<string, string> {
  // The time says that they are kept ones.
  const isImplied = kind === "recent" || (kind === "kept" && range !== undefined);
  return {
    ...(isImplied ? {} : { which: kind }),
    ...filter,
    ...(before === undefined ? {} : { before: String(before) }),
    ...(cursor === undefined ? {} : { cursor }),
  };
}

export function isFiltered({ filter }: RequestFilterState): boolean {
  return Object.keys(filter).length > 0;
}

/** The address of the page that explains one request. */
export function explainUrl(requestId: string): string {
  return `/requests/${encodeURIComponent(requestId)}`;
}

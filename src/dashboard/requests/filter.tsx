/** The filter of the request pages: its form, which needs no script, and its address, which can be shared. */
/** @jsxImportSource @kitajs/html */

import { Choice, methodChoices, sameNamed, TextField } from "../layout/fields.tsx";
import { attribute } from "../responses.ts";
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

export function RequestFilters({ filter, snapshot }: FiltersProps): JSX.Element {
  const pools = snapshot?.pools ?? [];
  const upstreams = pools.flatMap((pool) => pool.upstreams.map(({ id }) => id));
  const field = (name: FilterName) =>
    ({ kind: "request-field", name, value: filter.filter[name] ?? "" }) as const;
  return (
    <form class="request-filters" method="get" action="/requests" role="search" aria-label="Filter requests">
      {filter.kind === "recent" ? "" : <input type="hidden" name="which" value={filter.kind} />}
      <Choice {...field("pool")} label="Pool" choices={sameNamed(pools.map(({ name }) => name))} />
      <TextField {...field("upstream")} label="Upstream" suggestions={upstreams} hint="any" />
      <Choice {...field("method")} label="Method" choices={sameNamed(methodChoices)} />
      <TextField {...field("status")} label="Status" suggestions={statuses} hint="4xx or 404" />
      <TextField {...field("path")} label="Path begins with" hint="/" />
      <TextField {...field("reason")} label="Reason" suggestions={reasons} hint="any" />
      <div class="request-buttons">
        <button type="submit">Filter</button>
        {isFiltered(filter) ? (
          <a href={attribute(requestsUrl({ ...filter, filter: {}, before: undefined }))}>Clear</a>
        ) : (
          ""
        )}
      </div>
    </form>
  );
}

export const kinds = ["recent", "slowest", "failed"] as const;
export type Kind = (typeof kinds)[number];

export const filterNames = ["pool", "upstream", "method", "status", "path", "reason"] as const;
export type FilterName = (typeof filterNames)[number];

export interface RequestFilterState {
  readonly kind: Kind;
  /** Contains only the fields that are set, as typed: the admin API validates them. */
  readonly filter: Readonly<Partial<Record<FilterName, string>>>;
  /** Only requests older than this number; undefined for the first page. */
  readonly before: number | undefined;
}

export const emptyFilter: RequestFilterState = { kind: "recent", filter: {}, before: undefined };

/** Characters of one field; the rest is dropped. */
const maxChars = 200;

/** Ignores an invalid kind or number, so that an old bookmark still opens. */
export function parseRequestFilter(query: URLSearchParams): RequestFilterState {
  const filter: Partial<Record<FilterName, string>> = {};
  for (const name of filterNames) {
    const text = (query.get(name) ?? "").trim().slice(0, maxChars);
    if (text !== "") filter[name] = name === "method" ? text.toUpperCase() : text;
  }
  const before = query.get("before") ?? "";
  return {
    kind: kinds.find((known) => known === query.get("which")) ?? "recent",
    filter,
    before: /^\d{1,15}$/.test(before) ? Number(before) : undefined,
  };
}

/** The fields alone, as a query of the admin API and of the dashboard. */
export function filterQuery({ filter }: Pick<RequestFilterState, "filter">): URLSearchParams {
  return new URLSearchParams(filter);
}

/** The query for one page of the admin API's list. */
export function listQuery({ kind, filter, before }: RequestFilterState, limit: number): URLSearchParams {
  return new URLSearchParams({
    which: kind,
    ...filter,
    limit: String(limit),
    ...(before === undefined ? {} : { before: String(before) }),
  });
}

/** The address of the page with this filter. */
export function requestsUrl({ kind, filter, before }: RequestFilterState): string {
  const query = new URLSearchParams({
    ...(kind === "recent" ? {} : { which: kind }),
    ...filter,
    ...(before === undefined ? {} : { before: String(before) }),
  });
  return query.size > 0 ? `/requests?${query}` : "/requests";
}

export function isFiltered({ filter }: RequestFilterState): boolean {
  return Object.keys(filter).length > 0;
}

/** The address of the page that explains one request. */
export function explainUrl(requestId: string): string {
  return `/requests/${encodeURIComponent(requestId)}`;
}

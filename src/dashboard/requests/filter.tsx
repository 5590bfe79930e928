/** The filter of the request pages: its form, which needs no script, and its address, which can be shared. */
/** @jsxImportSource @kitajs/html */

import { attribute } from "../responses.ts";
import type { Snapshot } from "../../snapshot/snapshot.ts";

interface FiltersProps {
  readonly filter: RequestFilterState;
  /** For the lists of pools and upstreams; undefined before the first successful read. */
  readonly snapshot: Snapshot | undefined;
}

const methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
const statuses = ["2xx", "3xx", "4xx", "5xx", "404", "500", "502", "503", "504"];

/** The reasons of the access log and of the metrics. */
const reasons = [
  ...["connect_refused", "connect_timeout", "connect_reset", "head_timeout", "head_invalid"],
  ...["upstream_reset", "body_timeout", "body_truncated", "no_route", "no_upstream", "queue_full"],
  ...["queue_timeout", "request_invalid", "request_too_large", "draining"],
];

export function RequestFilters({ filter, snapshot }: FiltersProps): JSX.Element {
  const pools = snapshot?.pools ?? [];
  const upstreams = pools.flatMap((pool) => pool.upstreams.map(({ id }) => id));
  return (
    <form class="request-filters" method="get" action="/requests" role="search" aria-label="Filter requests">
      {filter.kind === "recent" ? "" : <input type="hidden" name="which" value={filter.kind} />}
      <Choice name="pool" label="Pool" filter={filter} choices={pools.map(({ name }) => name)} />
      <TextField name="upstream" label="Upstream" filter={filter} choices={upstreams} hint="any" />
      <Choice name="method" label="Method" filter={filter} choices={methods} />
      <TextField name="status" label="Status" filter={filter} choices={statuses} hint="4xx or 404" />
      <TextField name="path" label="Path begins with" filter={filter} choices={[]} hint="/" />
      <TextField name="reason" label="Reason" filter={filter} choices={reasons} hint="any" />
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

interface FieldProps {
  readonly name: FilterName;
  readonly label: string;
  readonly filter: RequestFilterState;
  readonly choices: readonly string[];
}

function Choice({ name, label, filter, choices }: FieldProps): JSX.Element {
  const chosen = filter.filter[name] ?? "";
  const offered = chosen === "" || choices.includes(chosen) ? choices : [...choices, chosen];
  return (
    <label class="request-field">
      <span>{label}</span>
      <select name={name}>
        <option value="">any</option>
        {offered.map((choice) => (
          <option value={attribute(choice)} {...(choice === chosen ? { selected: true } : {})} safe>
            {choice}
          </option>
        ))}
      </select>
    </label>
  );
}

function TextField({
  name,
  label,
  filter,
  choices,
  hint,
}: FieldProps & { readonly hint: string }): JSX.Element {
  const list = `known-${name}`;
  return (
    <label class="request-field">
      <span>{label}</span>
      <input
        type="text"
        name={name}
        value={attribute(filter.filter[name] ?? "")}
        placeholder={hint}
        autocomplete="off"
        spellcheck="false"
        {...(choices.length > 0 ? { list } : {})}
      />
      {choices.length > 0 ? (
        <datalist id={list}>
          {choices.map((choice) => (
            <option value={attribute(choice)}></option>
          ))}
        </datalist>
      ) : (
        ""
      )}
    </label>
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

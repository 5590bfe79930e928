/** The form that says which requests are shown; it works without any script. */
/** @jsxImportSource @kitajs/html */

import { attribute } from "../responses.ts";
import type { Snapshot } from "../../snapshot/snapshot.ts";

interface FiltersProps {
  readonly sought: RequestFilterState;
  /** For the choice among pools and upstreams; undefined while nothing is known. */
  readonly snapshot: Snapshot | undefined;
}

const methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
const statuses = ["2xx", "3xx", "4xx", "5xx", "404", "500", "502", "503", "504"];

/** The words of log and metrics. */
const reasons = [
  ...["connect_refused", "connect_timeout", "connect_reset", "head_timeout", "head_invalid"],
  ...["upstream_reset", "body_timeout", "body_truncated", "no_route", "no_upstream", "queue_full"],
  ...["queue_timeout", "request_invalid", "request_too_large", "draining"],
];

export function RequestFilters({ sought: filter, snapshot }: FiltersProps): JSX.Element {
  const pools = snapshot?.pools ?? [];
  const upstreams = pools.flatMap((pool) => pool.upstreams.map(({ id }) => id));
  return (
    <form class="request-filters" method="get" action="/requests" role="search" aria-label="Filter requests">
      {filter.kind === "recent" ? "" : <input type="hidden" name="which" value={filter.kind} />}
      <Choice name="pool" label="Pool" sought={filter} choices={pools.map(({ name }) => name)} />
      <TextField name="upstream" label="Upstream" sought={filter} choices={upstreams} hint="any" />
      <Choice name="method" label="Method" sought={filter} choices={methods} />
      <TextField name="status" label="Status" sought={filter} choices={statuses} hint="4xx or 404" />
      <TextField name="path" label="Path begins with" sought={filter} choices={[]} hint="/" />
      <TextField name="reason" label="Reason" sought={filter} choices={reasons} hint="any" />
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
  readonly sought: RequestFilterState;
  readonly choices: readonly string[];
}

function Choice({ name, label, sought: filter, choices }: FieldProps): JSX.Element {
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
  sought: filter,
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

// Which requests somebody wants to see. It lives in the address of the page, so that it can be passed on.

export const kinds = ["recent", "slowest", "failed"] as const;
export type Kind = (typeof kinds)[number];

export const filterNames = ["pool", "upstream", "method", "status", "path", "reason"] as const;
export type FilterName = (typeof filterNames)[number];

export interface RequestFilterState {
  readonly kind: Kind;
  /** Only what is asked for is in it; what it means is the admin API's to say. */
  readonly filter: Readonly<Partial<Record<FilterName, string>>>;
  /** Older than this one; for going back. */
  readonly before: number | undefined;
}

export const emptyFilter: RequestFilterState = { kind: "recent", filter: {}, before: undefined };

/** More than this is not typed by anybody. */
const maxWord = 200;

/** What makes no sense is as good as nothing said: an old bookmark still opens. */
export function parseRequestFilter(query: URLSearchParams): RequestFilterState {
  const filter: Partial<Record<FilterName, string>> = {};
  for (const name of filterNames) {
    const text = (query.get(name) ?? "").trim().slice(0, maxWord);
    if (text !== "") filter[name] = name === "method" ? text.toUpperCase() : text;
  }
  const before = query.get("before") ?? "";
  return {
    kind: kinds.find((known) => known === query.get("which")) ?? "recent",
    filter,
    before: /^\d{1,15}$/.test(before) ? Number(before) : undefined,
  };
}

/** The filter alone, as the admin API and our own addresses have it. */
export function filterQuery({ filter }: Pick<RequestFilterState, "filter">): URLSearchParams {
  return new URLSearchParams(filter);
}

export function listQuery({ kind, filter, before }: RequestFilterState, limit: number): URLSearchParams {
  return new URLSearchParams({
    which: kind,
    ...filter,
    limit: String(limit),
    ...(before === undefined ? {} : { before: String(before) }),
  });
}

/** The address of the page that shows this. */
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

/** The page that explains one request. */
export function explainUrl(requestId: string): string {
  return `/requests/${encodeURIComponent(requestId)}`;
}

/** The form that says which requests are shown; it works without any script. */
/** @jsxImportSource @kitajs/html */

import type { Snapshot } from "../../snapshot/snapshot.ts";
import { attribute } from "../escape.ts";
import { requestsUrl, type FilterName, isFiltered, type RequestFilterState } from "./sought.ts";

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

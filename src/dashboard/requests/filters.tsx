/** The form that says which requests are shown; it works without any script. */
/** @jsxImportSource @kitajs/html */

import type { Snapshot } from "../../snapshot.ts";
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

export function RequestFilters({ sought, snapshot }: FiltersProps): JSX.Element {
  const pools = snapshot?.pools ?? [];
  const upstreams = pools.flatMap((pool) => pool.upstreams.map(({ id }) => id));
  return (
    <form class="request-filters" method="get" action="/requests" role="search" aria-label="Filter requests">
      {sought.kind === "recent" ? "" : <input type="hidden" name="which" value={sought.kind} />}
      <Choice name="pool" label="Pool" sought={sought} choices={pools.map(({ name }) => name)} />
      <Words name="upstream" label="Upstream" sought={sought} choices={upstreams} hint="any" />
      <Choice name="method" label="Method" sought={sought} choices={methods} />
      <Words name="status" label="Status" sought={sought} choices={statuses} hint="4xx or 404" />
      <Words name="path" label="Path begins with" sought={sought} choices={[]} hint="/" />
      <Words name="reason" label="Reason" sought={sought} choices={reasons} hint="any" />
      <div class="request-buttons">
        <button type="submit">Filter</button>
        {isFiltered(sought) ? (
          <a href={attribute(requestsUrl({ ...sought, filter: {}, before: undefined }))}>Clear</a>
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

function Choice({ name, label, sought, choices }: FieldProps): JSX.Element {
  const chosen = sought.filter[name] ?? "";
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

function Words({ name, label, sought, choices, hint }: FieldProps & { readonly hint: string }): JSX.Element {
  const list = `known-${name}`;
  return (
    <label class="request-field">
      <span>{label}</span>
      <input
        type="text"
        name={name}
        value={attribute(sought.filter[name] ?? "")}
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

/** The heads of a table's columns: links that sort by them, also without JavaScript. */
/** @jsxImportSource @kitajs/html */

import { attribute } from "./escape.ts";
import { afterClick, queryOf, type SortKey, type View } from "./view.ts";

interface Column {
  readonly name: string;
  readonly kind: string;
  /** Undefined where sorting would tell nothing. */
  readonly sort?: SortKey;
}

export const columns: readonly Column[] = [
  { name: "Upstream", kind: "c-name", sort: "name" },
  { name: "Status", kind: "c-status", sort: "status" },
  { name: "Uptime", kind: "c-uptime", sort: "uptime" },
  { name: "Last 60 probes", kind: "c-probe" },
  { name: "Share", kind: "c-share", sort: "share" },
  { name: "In flight", kind: "c-count", sort: "in-flight" },
  { name: "Requests/s", kind: "c-rate", sort: "rate" },
  { name: "Errors", kind: "c-errors", sort: "errors" },
  { name: "p50", kind: "c-time", sort: "p50" },
  { name: "p95", kind: "c-time", sort: "p95" },
  { name: "p99", kind: "c-time", sort: "p99" },
  { name: "Mode", kind: "c-mode" },
];

interface HeadProps {
  readonly column: Column;
  readonly view: View;
  /** Where the page is looked at again after a click. */
  readonly anchor: string;
}

export function ColumnHead({ column: { name, kind, sort }, view, anchor }: HeadProps): JSX.Element {
  const direction = sort !== undefined && view.sort?.by === sort ? view.sort.direction : undefined;
  const order = direction === undefined ? {} : { "aria-sort": ariaOrders[direction] };
  return (
    <th role="columnheader" scope="col" class={kind} {...order}>
      {sort === undefined ? (
        name
      ) : (
        <a class="sort" href={attribute(`/${queryOf(afterClick(view, sort))}#${anchor}`)} data-sort={sort}>
          {name}
        </a>
      )}
    </th>
  );
}

const ariaOrders = { up: "ascending", down: "descending" } as const;

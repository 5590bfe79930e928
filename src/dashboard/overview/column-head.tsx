/** The columns of the table of upstreams, and their heads. */
/** @jsxImportSource @kitajs/html */

import { attribute } from "../responses.ts";
import { afterClick, queryOf, type SortKey, type View } from "../view.ts";

interface Column {
  readonly name: string;
  readonly kind: string;
  /** "worst" for the order without a key; undefined for a column that cannot be sorted by. */
  readonly sort?: SortKey | "worst";
  /** Whether only screen readers get its name. */
  readonly isUnseen?: boolean;
}

/** Without the ones of the kinds `s-wide`, `s-probes` and `s-weight`, which narrower screens leave out, there are nine. */
export const columns: readonly Column[] = [
  { name: "Select", kind: "s-pick", isUnseen: true },
  { name: "Upstream", kind: "s-name", sort: "name" },
  { name: "State", kind: "s-state", sort: "worst" },
  { name: "Last 30 min", kind: "s-trend" },
  { name: "Share of pool", kind: "s-share", sort: "share" },
  { name: "In flight", kind: "s-num s-wide", sort: "in-flight" },
  { name: "Req/s", kind: "s-num", sort: "rps" },
  { name: "Errors", kind: "s-num s-errors", sort: "errors" },
  { name: "p50", kind: "s-num s-wide", sort: "p50" },
  { name: "p95", kind: "s-num s-p95", sort: "p95" },
  { name: "p99", kind: "s-num s-wide", sort: "p99" },
  { name: "Last 60 probes", kind: "s-probes" },
  { name: "Weight", kind: "s-num s-weight", sort: "weight" },
  { name: "Actions", kind: "s-acts", isUnseen: true },
];

interface HeadProps {
  readonly column: Column;
  readonly view: View;
}

/** A link that sorts by the column, also without JavaScript. */
export function ColumnHead({ column: { name, kind, sort, isUnseen }, view }: HeadProps): JSX.Element {
  const order = orderOf(view, sort);
  const next = sort === "worst" ? { ...view, sort: undefined } : sort && afterClick(view, sort);
  return (
    <th role="columnheader" scope="col" class={kind} {...(order ? { "aria-sort": order } : {})}>
      {next ? (
        <a class="sort" href={attribute(`/${queryOf(next)}#servers`)} data-view>
          {name}
        </a>
      ) : (
        <span class={isUnseen ? "unseen" : ""}>{name}</span>
      )}
    </th>
  );
}

function orderOf({ sort: current }: View, sort: Column["sort"]): "ascending" | "descending" | undefined {
  if (sort === "worst") return current ? undefined : "descending";
  if (!current || current.by !== sort) return undefined;
  return current.direction === "up" ? "ascending" : "descending";
}

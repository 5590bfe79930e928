/** The bar above the table of upstreams: all or problems, filter, order, open or close all, and add. */
/** @jsxImportSource @kitajs/html */

import { AddLink } from "../actions/menu.tsx";
import { HiddenFields } from "../layout/forms.tsx";
import { Icon } from "../layout/icon.tsx";
import { isFolding, type ShownTable } from "./folding.ts";
import { attribute } from "../responses.ts";
import { firstDirection, queryOf, type SortKey, type View, viewFields } from "../view.ts";
import type { Snapshot } from "../../snapshot/snapshot.ts";
import { formatCount } from "../../wording/format.ts";

interface BarProps {
  readonly snapshot: Snapshot;
  readonly table: ShownTable;
  readonly view: View;
}

export function TableBar({ snapshot, table, view }: BarProps): JSX.Element {
  const { pools } = snapshot;
  const [first, second] = pools;
  return (
    <header class="servers-bar">
      <h2 id="servers-name">Upstreams</h2>
      <nav class="seg" aria-label="Upstreams shown">
        <Choice view={view} text={`All ${formatCount(table.total)}`} onlyProblems={false} />
        <Choice view={view} text={`Problems ${formatCount(table.troubled)}`} onlyProblems />
      </nav>
      <div class="servers-tools">
        <FilterForm snapshot={snapshot} view={view} total={table.total} />
        <SortMenu view={view} />
        {pools.length > 1 && !view.onlyProblems ? <ToggleAll table={table} view={view} /> : ""}
        {first && !second ? (
          <AddLink pool={first.name} location={{ page: "overview", view }} place="bar" />
        ) : (
          ""
        )}
      </div>
    </header>
  );
}

interface ChoiceProps {
  readonly view: View;
  readonly text: string;
  readonly onlyProblems: boolean;
}

function Choice({ view, text, onlyProblems }: ChoiceProps): JSX.Element {
  const isCurrent = (view.onlyProblems ?? false) === onlyProblems;
  const next = { ...view, onlyProblems: onlyProblems || undefined };
  return (
    <a
      href={attribute(`/${queryOf(next)}#servers`)}
      data-view
      data-key="p"
      {...(isCurrent ? { "aria-current": "true" } : {})}
      safe
    >
      {text}
    </a>
  );
}

/** With fewer upstreams the filter is not shown. */
const minFilteredUpstreams = 6;

interface FilterProps {
  readonly snapshot: Snapshot;
  readonly view: View;
  readonly total: number;
}

/**
 * A form that works without the page's script, which filters while typing. Where upstreams are left out, the script cannot
 * find them: the server filters then. Excluded from morphing, which would overwrite what was typed.
 */
function FilterForm({ snapshot, view, total }: FilterProps): JSX.Element {
  if (total < minFilteredUpstreams && view.filter === "") return "";
  const isFolded = isFolding(snapshot) && view.filter === "";
  return (
    <form
      class="filter"
      id="filter-form"
      method="get"
      action="/"
      role="search"
      hx-morph-skip
      {...(isFolded ? { "data-folded": true } : {})}
    >
      <HiddenFields fields={viewFields({ ...view, filter: "" })} />
      <label class="unseen" for="filter">
        Filter upstreams by name, pool, address, route or status
      </label>
      <span class="filter-field">
        <Icon name="search" />
        <input
          type="search"
          id="filter"
          name="filter"
          value={attribute(view.filter)}
          placeholder="Name, address, route"
          autocomplete="off"
          spellcheck="false"
        />
      </span>
      <button type="submit">Filter</button>
      <span class="quiet" id="filter-result" role="status"></span>
    </form>
  );
}

interface Order {
  readonly text: string;
  readonly by?: SortKey;
}

const worstFirst: Order = { text: "Worst first" };

const orders: readonly Order[] = [
  worstFirst,
  { text: "Name", by: "name" },
  { text: "Most errors", by: "errors" },
  { text: "Slowest p95", by: "p95" },
  { text: "Most requests", by: "rps" },
  { text: "Most in flight", by: "in-flight" },
  { text: "Least uptime", by: "uptime" },
];

/** At every width: a narrow screen has no column heads. */
function SortMenu({ view }: { readonly view: View }): JSX.Element {
  const isCurrent = ({ by }: Order) => view.sort?.by === by;
  const current = orders.find(isCurrent)?.text ?? "By column";
  return (
    <>
      <button type="button" class="button" popovertarget="sort-menu" id="sort-button" data-key="s">
        <Icon name="sort" />
        <span class="unseen">Order:</span>
        <span safe>{current}</span>
        <Icon name="down" />
      </button>
      <div class="popover menu" id="sort-menu" popover="auto">
        <nav aria-label="Order of the upstreams">
          {orders.map((order) => {
            const sort = order.by && { by: order.by, direction: firstDirection(order.by) };
            return (
              <a
                href={attribute(`/${queryOf({ ...view, sort })}#servers`)}
                data-view
                {...(isCurrent(order) ? { "aria-current": "true" } : {})}
              >
                {order.text}
              </a>
            );
          })}
        </nav>
      </div>
    </>
  );
}

function ToggleAll({ table, view }: { readonly table: ShownTable; readonly view: View }): JSX.Element {
  const isAnyOpen = table.pools.some(({ isOpen }) => isOpen);
  const next = isAnyOpen ? { open: undefined, close: ["*"] } : { open: ["*"], close: undefined };
  return (
    <a class="button" href={attribute(`/${queryOf({ ...view, ...next })}#servers`)} data-view>
      {isAnyOpen ? "Close all" : "Open all"}
    </a>
  );
}

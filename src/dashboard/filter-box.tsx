/** The box that narrows the tables down: a form, which the page's script only makes quicker. */
/** @jsxImportSource @kitajs/html */

import { attribute } from "./escape.ts";
import type { DashboardState } from "./picture.ts";
import type { View } from "./view.ts";

/** Fewer upstreams than this are seen at a glance. */
const worthFiltering = 6;

export function FilterBox({
  picture: state,
  view,
}: {
  readonly picture: DashboardState;
  readonly view: View;
}): JSX.Element {
  const count = state.snapshot?.pools.reduce((sum, { upstreams }) => sum + upstreams.length, 0) ?? 0;
  if (count < worthFiltering && view.filter === "") return "";
  return (
    <form class="filter" method="get" action="/" role="search">
      {view.sort ? <input type="hidden" name="sort" value={`${view.sort.by}-${view.sort.direction}`} /> : ""}
      <label class="unseen" for="filter">
        Filter upstreams by name, address or status
      </label>
      <input
        type="search"
        id="filter"
        name="filter"
        value={attribute(view.filter)}
        placeholder="Filter upstreams"
        autocomplete="off"
        spellcheck="false"
      />
      <button type="submit">Filter</button>
      <span class="quiet" id="filter-result" role="status"></span>
    </form>
  );
}

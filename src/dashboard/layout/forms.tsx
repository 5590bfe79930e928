/** The POST form that every change of the dashboard uses, and the form that filters the upstream tables. */
/** @jsxImportSource @kitajs/html */

import type { Children } from "@kitajs/html";
import { CsrfField } from "../login/placeholders.tsx";
import { attribute } from "../responses.ts";
import { queryOf, type View, viewFields } from "../view.ts";
import type { DashboardState } from "../../wording/verdict.ts";

interface PostFormProps {
  readonly action: string;
  readonly id?: string;
  readonly kind?: string;
  /**
   * Selector of the element that htmx updates with the response; without it the browser submits the form.
   * Refusals name their own target.
   */
  readonly target?: string;
  /** The role that is required; the form is hidden from lower roles. */
  readonly needs?: "operator" | "admin";
  /** Hidden fields. */
  readonly fields?: Readonly<Record<string, string>>;
  readonly children?: Children;
}

export function PostForm({
  action,
  id,
  kind,
  target,
  needs = "operator",
  fields = {},
  children,
}: PostFormProps): JSX.Element {
  const address = attribute(action);
  const quicker = target && { "hx-post": address, "hx-target": target, "hx-swap": "innerMorph" };
  return (
    <form
      method="post"
      data-needs={needs}
      action={address}
      {...(id === undefined ? {} : { id })}
      {...(kind === undefined ? {} : { class: kind })}
      {...quicker}
    >
      <CsrfField />
      <HiddenFields fields={fields} />
      {children}
    </form>
  );
}

export function HiddenFields({ fields }: { readonly fields: Readonly<Record<string, string>> }): JSX.Element {
  return (
    <>
      {Object.entries(fields).map(([name, value]) => (
        <input type="hidden" name={attribute(name)} value={attribute(value)} />
      ))}
    </>
  );
}

/** With fewer upstreams the filter is not shown. */
const minFilteredUpstreams = 6;

/** The filter of the upstream tables. A form that works without the page's script, which filters while typing. */
export function FilterBox({
  state,
  view,
  isFolded,
}: {
  readonly state: DashboardState;
  readonly view: View;
  /** Whether upstreams are left out, which the script cannot find: the server filters then. */
  readonly isFolded: boolean;
}): JSX.Element {
  const count = state.snapshot?.pools.reduce((sum, { upstreams }) => sum + upstreams.length, 0) ?? 0;
  if (count < minFilteredUpstreams && view.filter === "") return "";
  return (
    <form
      class="filter"
      method="get"
      action="/"
      role="search"
      {...(isFolded && view.filter === "" ? { "data-folded": true } : {})}
    >
      <HiddenFields fields={viewFields({ ...view, filter: "" })} />
      <a class="button" href={attribute(`/${queryOf({ ...view, onlyProblems: !view.onlyProblems })}`)}>
        {view.onlyProblems ? "All upstreams" : "Problems only"}
      </a>
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

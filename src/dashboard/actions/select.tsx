/** Several upstreams at once: a box in each row, and the bar that says what to do with those that are selected. */
/** @jsxImportSource @kitajs/html */

import { anchorOf, attribute } from "../escape.ts";
import { locationFields, type PageLocation } from "../location.ts";
import { HiddenFields } from "../layout/forms.tsx";
import { bulkActions } from "./action-form.ts";
import { intoPanel } from "./menu.tsx";
import { verbOf } from "./words.ts";

/** Belongs to the bar's form, wherever it stands. */
export function SelectBox({ id }: { readonly id: string }): JSX.Element {
  return (
    <input
      type="checkbox"
      class="pick"
      data-needs="operator"
      name="upstream"
      value={attribute(id)}
      form="bulk"
      id={anchorOf("pick", id)}
      aria-label={attribute(`Select ${id}`)}
      autocomplete="off"
    />
  );
}

/** Leads to the form for a new one. */
export function AddLink({
  pool,
  place: location,
}: {
  readonly pool: string;
  readonly place: PageLocation;
}): JSX.Element {
  const address = attribute(`/actions/add?${new URLSearchParams({ pool, ...locationFields(location) })}`);
  return (
    <a
      class="button add"
      data-needs="operator"
      id={anchorOf("add", pool)}
      href={address}
      hx-get={address}
      hx-target="#panel"
      hx-swap="innerHTML"
      aria-label={attribute(`Add upstream to ${pool}`)}
    >
      Add upstream
    </a>
  );
}

/** Stands outside of what lives, and is seen as soon as something is selected: the style sheet looks for that. */
export function BulkBar({ place: location }: { readonly place: PageLocation }): JSX.Element {
  return (
    <form
      {...intoPanel}
      class="bulk"
      id="bulk"
      data-needs="operator"
      aria-label="With the selected upstreams"
    >
      <HiddenFields fields={locationFields(location)} />
      <span class="bulk-words" role="status">
        <span id="bulk-count">With those selected</span>
      </span>
      {bulkActions.map((action) => (
        <button type="submit" name="act" value={action}>
          {verbOf(action)}
        </button>
      ))}
      <button type="button" class="word" id="bulk-all">
        All shown
      </button>
      <button type="reset" class="word">
        Clear
      </button>
    </form>
  );
}

/** Selecting upstreams of the table, and the bar of actions for the selected ones. */
/** @jsxImportSource @kitajs/html */

import { allOfField, bulkActions } from "./action-form.ts";
import { verbOf } from "./command.ts";
import { panelForm } from "./menu.tsx";
import { HiddenFields } from "../layout/forms.tsx";
import { locationFields, type PageLocation } from "../location.ts";
import { anchorOf, attribute } from "../responses.ts";

/** The check box of a row. It belongs to the form of {@link BulkBar}. */
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

interface PoolBoxProps {
  readonly pool: string;
  /** Upstreams of the pool. */
  readonly count: number;
}

/** Selects all upstreams of a pool, also the ones that the table leaves out: the server knows them. */
export function PoolBox({ pool, count }: PoolBoxProps): JSX.Element {
  return (
    <input
      type="checkbox"
      class="pick pick-pool"
      data-needs="operator"
      name={allOfField}
      value={attribute(pool)}
      form="bulk"
      id={anchorOf("pick-all", pool)}
      data-count={String(count)}
      aria-label={attribute(`Select all upstreams of pool ${pool}`)}
      autocomplete="off"
    />
  );
}

/** The bar of bulk actions. It is outside the live region; the style sheet shows it while a box is checked. */
export function BulkBar({ location }: { readonly location: PageLocation }): JSX.Element {
  return (
    <form
      {...panelForm}
      class="bulk"
      id="bulk"
      data-needs="operator"
      aria-label="Actions for selected upstreams"
    >
      <HiddenFields fields={locationFields(location)} />
      <span class="bulk-status" role="status">
        <span id="bulk-count">Selected upstreams</span>
      </span>
      {bulkActions.map((action) => (
        <button type="submit" name="act" value={action}>
          {verbOf(action)}
        </button>
      ))}
      <button type="button" class="word" id="bulk-all">
        Select all shown
      </button>
      <button type="reset" class="word">
        Clear
      </button>
    </form>
  );
}

/** A column head: a link that sorts by the column, also without JavaScript. */
/** @jsxImportSource @kitajs/html */

import { attribute } from "../responses.ts";
import type { SortDirection } from "../sort.ts";

interface SortHeadProps {
  readonly name: string;
  /** CSS class of the column. */
  readonly kind: string;
  /** The address after a click; undefined for a column that cannot be sorted by. */
  readonly href: string | undefined;
  /** Undefined where the table is sorted by another column. */
  readonly direction: SortDirection | undefined;
}

const ariaOrders = { up: "ascending", down: "descending" } as const;

export function SortHead({ name, kind, href, direction }: SortHeadProps): JSX.Element {
  return (
    <th scope="col" class={kind} {...(direction ? { "aria-sort": ariaOrders[direction] } : {})}>
      {href === undefined ? (
        name
      ) : (
        <a class="sort" href={attribute(href)}>
          {name}
        </a>
      )}
    </th>
  );
}

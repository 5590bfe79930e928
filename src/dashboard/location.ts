/** Where on the dashboard somebody acts: there the answer belongs, and there the way leads back. */

import { anchorOf } from "./responses.ts";
import { queryOf, type View, viewOf } from "./view.ts";

export type PageLocation =
  { readonly page: "overview"; readonly view: View } | { readonly page: "upstream"; readonly id: string };

export function formLocation(fields: URLSearchParams): PageLocation {
  const at = fields.get("at");
  if (at !== null && at !== "") return { page: "upstream", id: at };
  return { page: "overview", view: viewOf(Object.fromEntries(fields)) };
}

/** The fields that {@link formLocation} understands. */
export function locationFields(location: PageLocation): Readonly<Record<string, string>> {
  if (location.page === "upstream") return { at: location.id };
  const { sort, filter } = location.view;
  return {
    ...(sort ? { sort: `${sort.by}-${sort.direction}` } : {}),
    ...(filter === "" ? {} : { filter }),
  };
}

/**
 * The address of a place.
 * @param deed what was done there, to be told
 * @param id the upstream that is looked at
 */
export function backTo(
  location: PageLocation,
  { deed: undo, id }: { deed?: string; id?: string | undefined } = {},
): string {
  const further: Record<string, string> = undo === undefined ? {} : { done: undo };
  if (location.page === "upstream") {
    const query = undo === undefined ? "" : `?${new URLSearchParams(further)}`;
    return `${pageOf(location.id)}${query}`;
  }
  const anchor = id === undefined ? "" : `#${anchorOf("upstream", id)}`;
  return `/${queryOf(location.view, further)}${anchor}`;
}

/** The address of an upstream's own page. */
export function pageOf(id: string): string {
  return `/upstreams/${encodeURIComponent(id)}`;
}

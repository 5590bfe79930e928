/** Where on the dashboard somebody acts: there the answer belongs, and there the way leads back. */

import { anchorOf } from "./escape.ts";
import { queryOf, type View, viewOf } from "./view.ts";

export type PageLocation =
  { readonly page: "overview"; readonly view: View } | { readonly page: "upstream"; readonly id: string };

export function placeOf(fields: URLSearchParams): PageLocation {
  const at = fields.get("at");
  if (at !== null && at !== "") return { page: "upstream", id: at };
  return { page: "overview", view: viewOf(Object.fromEntries(fields)) };
}

/** The fields that {@link placeOf} understands. */
export function locationFields(place: PageLocation): Readonly<Record<string, string>> {
  if (place.page === "upstream") return { at: place.id };
  const { sort, filter } = place.view;
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
  place: PageLocation,
  { deed, id }: { deed?: string; id?: string | undefined } = {},
): string {
  const further: Record<string, string> = deed === undefined ? {} : { done: deed };
  if (place.page === "upstream") {
    const query = deed === undefined ? "" : `?${new URLSearchParams(further)}`;
    return `${pageOf(place.id)}${query}`;
  }
  const anchor = id === undefined ? "" : `#${anchorOf("upstream", id)}`;
  return `/${queryOf(place.view, further)}${anchor}`;
}

/** The address of an upstream's own page. */
export function pageOf(id: string): string {
  return `/upstreams/${encodeURIComponent(id)}`;
}

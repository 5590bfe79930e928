/** The page from which an action was started: the result is shown there, and links lead back to it. */

import { anchorOf } from "./responses.ts";
import { queryOf, type View, viewFields, viewOf } from "./view.ts";

export type PageLocation =
  { readonly page: "overview"; readonly view: View } | { readonly page: "upstream"; readonly id: string };

export function formLocation(fields: URLSearchParams): PageLocation {
  const at = fields.get("at");
  if (at !== null && at !== "") return { page: "upstream", id: at };
  return { page: "overview", view: viewOf(Object.fromEntries(fields)) };
}

/** The form fields that {@link formLocation} reads. */
export function locationFields(location: PageLocation): Readonly<Record<string, string>> {
  if (location.page === "upstream") return { at: location.id };
  return viewFields(location.view);
}

/**
 * The address of a location.
 * @param undo key of the undo entry whose result the page shows
 * @param id the upstream to scroll to
 */
export function backTo(
  location: PageLocation,
  { undo, id }: { undo?: string; id?: string | undefined } = {},
): string {
  const extra: Record<string, string> = undo === undefined ? {} : { done: undo };
  if (location.page === "upstream") {
    const query = undo === undefined ? "" : `?${new URLSearchParams(extra)}`;
    return `${pageOf(location.id)}${query}`;
  }
  const anchor = id === undefined ? "" : `#${anchorOf("upstream", id)}`;
  return `/${queryOf(location.view, extra)}${anchor}`;
}

/** The address of an upstream's page. */
export function pageOf(id: string): string {
  return `/upstreams/${encodeURIComponent(id)}`;
}

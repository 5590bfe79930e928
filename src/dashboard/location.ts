/** The page from which an action was started: the result is shown there, and links lead back to it. */

import { anchorOf } from "./responses.ts";
import { type ChartQuery, plainView, queryOf, type View, viewFields, viewOf } from "./view.ts";

export type PageLocation = { readonly page: "overview"; readonly view: View } | UpstreamPageLocation;

export interface UpstreamPageLocation {
  readonly page: "upstream";
  readonly id: string;
  /** The time of its charts, as the address has it. */
  readonly charts?: ChartQuery | undefined;
}

export function formLocation(fields: URLSearchParams): PageLocation {
  const at = fields.get("at");
  const view = viewOf(Object.fromEntries(fields));
  return at !== null && at !== "" ? upstreamLocation(at, view) : { page: "overview", view };
}

export function upstreamLocation(id: string, { charts }: Pick<View, "charts">): UpstreamPageLocation {
  return { page: "upstream", id, ...(charts && { charts }) };
}

/** The form fields that {@link formLocation} reads. */
export function locationFields(location: PageLocation): Readonly<Record<string, string>> {
  if (location.page === "upstream") return { at: location.id, ...location.charts };
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
  if (location.page === "upstream")
    return `${pageOf(location.id)}${queryOf({ ...plainView, charts: location.charts }, extra)}`;
  const anchor = id === undefined ? "" : `#${anchorOf("upstream", id)}`;
  return `/${queryOf(location.view, extra)}${anchor}`;
}

/** The address of an upstream's page. */
export function pageOf(id: string): string {
  return `/upstreams/${encodeURIComponent(id)}`;
}

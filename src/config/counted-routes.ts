/** Which routes of a configuration have counters of their own, and the text that each of them is counted and shown under. */

import type { RouteConfig } from "./config.ts";

/** Each costs a few kilobytes in every process. The rest of a larger configuration is counted together. */
export const maxCountedRoutes = 1_000;

/** Under which the rest is counted. No route has this text. */
export const otherRoutes = "";

/** A host has at most 253 characters; a path may have thousands. */
const maxLabel = 300;

/**
 * Name, or host and path: "shop.example/checkout". A route whose host and path another one has too gets its place as well, as
 * two routes for GET and POST. A name has no slash, so that it cannot be taken for a host and path.
 * @returns in the order of the routes; `otherRoutes` from the thousandth on, of which the ones with a name come first
 */
export function countedRoutes(routes: readonly RouteConfig[]): readonly string[] {
  let counted = known.get(routes);
  if (!counted) known.set(routes, (counted = countersOf(routes)));
  return counted;
}

/** A configuration may have a hundred thousand routes, and does not change. */
const known = new WeakMap<readonly RouteConfig[], readonly string[]>();

function countersOf(routes: readonly RouteConfig[]): readonly string[] {
  const used = new Map<string, number>();
  const labels = routes.map(labelOf);
  for (const label of labels) used.set(label, (used.get(label) ?? 0) + 1);
  let left = maxCountedRoutes - routes.filter(({ name }) => name !== undefined).length;
  let named = 0;
  return routes.map(({ name, place }, index) => {
    if (name !== undefined) return (named += 1) <= maxCountedRoutes ? name : otherRoutes;
    if ((left -= 1) < 0) return otherRoutes;
    const label = labels[index] ?? "";
    return (used.get(label) ?? 0) > 1 ? `${label} (${place})` : label;
  });
}

function labelOf({ name, conditions }: RouteConfig): string {
  if (name !== undefined) return name;
  const [host = ""] = conditions.hosts ?? [];
  const label = `${host}${conditions.path?.text ?? "/"}`;
  return label.length > maxLabel ? `${label.slice(0, maxLabel)}…` : label;
}

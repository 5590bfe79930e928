/** How people name an upstream: by its id, as POOL/ID, or by its address. */

import type { PoolSnapshot, UpstreamSnapshot } from "./snapshot.ts";

/** What the names of an upstream depend on. */
export type NamedPools = readonly (Pick<PoolSnapshot, "name"> & {
  readonly upstreams: readonly Pick<UpstreamSnapshot, "id" | "url">[];
})[];

export type FoundReference =
  | { readonly kind: "found"; readonly id: string }
  | { readonly kind: "unknown" }
  /** Several upstreams have this address. */
  | { readonly kind: "ambiguous"; readonly candidates: readonly string[] };

/** Ids are unique among all pools, and no id contains a slash. Several upstreams may have one address. */
export function findReference(reference: string, pools: NamedPools): FoundReference {
  const all = pools.flatMap(({ name, upstreams }) =>
    upstreams.map(({ id, url }) => ({ pool: name, id, url })),
  );
  if (all.some(({ id }) => id === reference)) return { kind: "found", id: reference };
  const matching = all.filter(({ pool, id, url }) =>
    [id, url, withoutScheme(url)].some((name) => reference === name || reference === `${pool}/${name}`),
  );
  const [first, second] = matching;
  if (!first) return { kind: "unknown" };
  if (!second) return { kind: "found", id: first.id };
  return { kind: "ambiguous", candidates: matching.map(({ pool, id }) => `${pool}/${id}`) };
}

function withoutScheme(url: string): string {
  return url.replace(/^https?:\/\//, "");
}

/** Names in a message; there may be thousands. */
const maxListed = 20;

/** "a, b and 3 more" */
export function listOf(names: readonly string[]): string {
  const more = names.length > maxListed ? ` and ${names.length - maxListed} more` : "";
  return names.slice(0, maxListed).join(", ") + more;
}

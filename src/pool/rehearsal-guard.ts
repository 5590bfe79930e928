/** Whether a pool can bear a rehearsal: what is played must leave it able to serve. */

import type { Pool } from "./pool.ts";
import type { Upstream } from "./upstream.ts";

/** A sentence's end that says why not; undefined if nothing speaks against it. */
export function reasonNotToInject(pool: Pool, upstream: Upstream): string | undefined {
  const { available: fit } = pool;
  const isPlayed = (other: Upstream) => other === upstream || other.fault !== undefined;
  // Those that a rehearsal has got ejected count still: they are what the pool will have again.
  const able = pool.upstreams.filter((other) => fit.includes(other) || isPlayed(other));
  const played = able.filter(isPlayed);
  if (!fit.some((other) => !isPlayed(other))) return "no other upstream of its pool is fit to serve";
  if (played.length * 2 > able.length) {
    return `${played.length} of ${able.length} fit upstreams would be under rehearsal, more than half`;
  }
  return undefined;
}

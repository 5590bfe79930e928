/** Policy `hash`: the same key to the same upstream; as few keys as possible move when the list changes. */

import { hashPair, hashString } from "../lib/hash.ts";
import type { Policy } from "../pool/selection.ts";
import type { Upstream } from "../pool/upstream.ts";

/**
 * Weighted rendezvous hashing: the highest weight ÷ −ln(u), where u in (0, 1) is drawn from key and upstream, wins.
 * When an upstream leaves, only its own keys move, each to its next choice; so do retries and what a full upstream cannot
 * take. Its seed is fixed, so every process selects alike.
 * Sources: Thaler and Ravishankar (1998); Schindelhauer and Schomaker, "Weighted distributed hash tables" (2005).
 */
export function hash(): Policy {
  return { pick: (available, key) => highest(available, key) as Upstream, next: highest };
}

function highest(
  from: readonly Upstream[],
  key: string,
  accepts?: (upstream: Upstream) => boolean,
): Upstream | undefined {
  const keyHash = hashString(key);
  let best: Upstream | undefined;
  let bestScore = -1;
  for (const upstream of from) {
    if (accepts && !accepts(upstream)) continue;
    const unit = (hashPair(keyHash, upstream.seed) + 0.5) / 4294967296;
    const score = upstream.effectiveWeight / -Math.log(unit);
    if (score > bestScore) [best, bestScore] = [upstream, score];
  }
  return best;
}

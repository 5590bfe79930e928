/** Policy `hash`: the same key to the same upstream; as few keys as possible move when the list changes. */

import { hashPair, hashString } from "../lib/hash.ts";
import type { Policy } from "../pool/selection.ts";
import type { Upstream } from "../pool/upstream.ts";

/**
 * Weighted rendezvous hashing: the highest weight ÷ −ln(u), where u in (0, 1) is drawn from key and upstream, wins.
 * When an upstream leaves, only its own keys move. Its seed is fixed, so every process selects alike.
 * Sources: Thaler and Ravishankar (1998); Schindelhauer and Schomaker, "Weighted distributed hash tables" (2005).
 */
export function hash(): Policy {
  return {
    pick(available, key) {
      const keyHash = hashString(key);
      let best = available[0] as Upstream;
      let bestScore = -1;
      for (const upstream of available) {
        const unit = (hashPair(keyHash, upstream.seed) + 0.5) / 4294967296;
        const score = upstream.effectiveWeight / -Math.log(unit);
        if (score > bestScore) [best, bestScore] = [upstream, score];
      }
      return best;
    },
  };
}

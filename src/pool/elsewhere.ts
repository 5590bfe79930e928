/** Where a retry goes: not a turn of the policy, so it is chosen apart from it. */

import type { Random } from "../lib/random.ts";
import { lighterOfTwo } from "./draw.ts";
import type { Tier } from "./tier.ts";
import type { Upstream } from "./upstream.ts";

/** Another one: with room and nothing against it; else one in probation, else an ejected one, rather than nobody. */
export function elsewhere(
  tiers: readonly Tier[],
  ejected: readonly Upstream[],
  { tried, random }: { readonly tried: readonly Upstream[]; readonly random: Random },
): Upstream | undefined {
  const isNew = (upstream: Upstream) => !tried.includes(upstream);
  for (const tier of tiers) {
    const isUp = (upstream: Upstream) => isNew(upstream) && upstream.outlier.state === "up";
    const other = lighterOfTwo(tier.open, random, isUp);
    if (other) return other;
  }
  const rest = tiers.flatMap((tier) => tier.open);
  const hasPlace = (upstream: Upstream) => isNew(upstream) && upstream.inFlight < upstream.maxInFlight;
  return lighterOfTwo(rest, random, isNew) ?? lighterOfTwo(ejected, random, hasPlace);
}

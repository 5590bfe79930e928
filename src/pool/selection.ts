/** Chances between upstreams where no policy is asked: for retries, and for what a full upstream leaves to others. */

import { type Random, randomIndex } from "../lib/random.ts";
import type { PriorityGroups } from "./serving-set.ts";
import type { PriorityTier } from "./tier.ts";
import type { Upstream } from "./upstream.ts";

/** So many blind draws come before a search: where most are acceptable, one of them hits. */
const blindDraws = 4;

/**
 * The lighter of two that are drawn evenly from the acceptable ones; undefined if there are none. Costs the same for any
 * length of the list as long as most of it is acceptable.
 */
export function powerOfTwoChoices(
  from: readonly Upstream[],
  random: Random,
  accepts: (upstream: Upstream) => boolean = () => true,
): Upstream | undefined {
  const one = draw(from, random, accepts);
  if (!one) return undefined;
  const other = draw(from, random, (upstream) => upstream !== one && accepts(upstream)) ?? one;
  return one.inFlight / one.effectiveWeight <= other.inFlight / other.effectiveWeight ? one : other;
}

/** Another than those tried: with room and nothing against it; else one in probation, else an ejected one, rather than nobody. */
export function selectRetryUpstream(
  { tiers, ejected }: Pick<PriorityGroups, "ejected"> & { readonly tiers: readonly PriorityTier[] },
  tried: readonly Upstream[],
  random: Random,
): Upstream | undefined {
  const isNew = (upstream: Upstream) => !tried.includes(upstream);
  for (const tier of tiers) {
    const isUp = (upstream: Upstream) => isNew(upstream) && upstream.outlier.state === "up";
    const other = powerOfTwoChoices(tier.open, random, isUp);
    if (other) return other;
  }
  const rest = tiers.flatMap((tier) => tier.open);
  const hasPlace = (upstream: Upstream) => isNew(upstream) && upstream.hasCapacity;
  return powerOfTwoChoices(rest, random, isNew) ?? powerOfTwoChoices(ejected, random, hasPlace);
}

function draw(
  from: readonly Upstream[],
  random: Random,
  accepts: (upstream: Upstream) => boolean,
): Upstream | undefined {
  for (let i = 0; i < blindDraws && from.length > 1; i++) {
    const drawn = from[randomIndex(random, from.length)] as Upstream;
    if (accepts(drawn)) return drawn;
  }
  const accepted = from.filter(accepts);
  return accepted[randomIndex(random, accepted.length)];
}

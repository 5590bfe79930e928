/** Chances between upstreams where no policy is asked: for retries, and for what a full upstream leaves to others. */

import { type Random, randomIndex } from "../lib/random.ts";
import type { PriorityGroups, PriorityTier } from "./serving-set.ts";
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

// What a pool asks of a policy. Here and not with the policies, because the pool owns the question.

/**
 * Chooses one upstream. Total: from a non-empty list it always returns one of its members. It is never asked about
 * health, modes or retries, and the list keeps its identity for as long as its members and their effective weights do.
 */
export interface Policy {
  /**
   * @param fit non-empty; every effective weight is above 0, and may be a fraction
   * @param key what the request is pinned by; empty where the pool has no key
   */
  pick(fit: readonly Upstream[], key: string): Upstream;
  /** What `pick` would return now, without taking the turn. Missing where picking changes nothing but the dice. */
  peek?(fit: readonly Upstream[], key: string): Upstream;
}

export function pick(policy: Policy, fit: readonly Upstream[], key: string): Upstream {
  return policy.pick(fit, key);
}

/** What `pick` would say. */
export function peek(policy: Policy, fit: readonly Upstream[], key: string): Upstream {
  return policy.peek?.(fit, key) ?? policy.pick(fit, key);
}

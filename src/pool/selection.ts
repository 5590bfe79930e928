/** How an upstream is selected: the policy interface, and power of two choices for retries and overflow. */

import { type Random, randomIndex } from "../lib/random.ts";
import type { PriorityGroups, PriorityTier } from "./serving-set.ts";
import type { Upstream } from "./upstream.ts";

/** Random draws before a search: where most upstreams are acceptable, one of them hits. */
const blindDraws = 4;

/**
 * The less loaded of two that are drawn evenly from the acceptable ones; undefined if there are none. Costs the same for
 * any length of the list while most of it is acceptable. Source: Mitzenmacher (2001).
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

/** An upstream that was not tried: one that is up and has a slot, else one on probation, else an ejected one. */
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
  const hasSlot = (upstream: Upstream) => isNew(upstream) && upstream.hasCapacity;
  return powerOfTwoChoices(rest, random, isNew) ?? powerOfTwoChoices(ejected, random, hasSlot);
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

/**
 * Selects one upstream. Total: from a non-empty list it always returns one of its members. It does not handle health, modes
 * or retries. The list keeps its identity while its members and their effective weights stay the same.
 */
export interface Policy {
  /**
   * @param available non-empty; every effective weight is above 0, and may be a fraction
   * @param key the request's hash key; empty where the pool has none
   */
  pick(available: readonly Upstream[], key: string): Upstream;
  /** What `pick` would return now, without taking the turn. Missing where `pick` keeps no state. */
  peek?(available: readonly Upstream[], key: string): Upstream;
}

export function pick(policy: Policy, available: readonly Upstream[], key: string): Upstream {
  return policy.pick(available, key);
}

/** What `pick` would return. */
export function peek(policy: Policy, available: readonly Upstream[], key: string): Upstream {
  return policy.peek?.(available, key) ?? policy.pick(available, key);
}

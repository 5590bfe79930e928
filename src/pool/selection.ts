/** How an upstream is selected: the policy interface, and what retries and overflow use instead of a policy's turn. */

import { type Random, randomIndex } from "../lib/random.ts";
import type { PriorityGroups, PriorityTier } from "./serving-set.ts";
import type { Upstream } from "./upstream.ts";

/** Random draws before a search: where most upstreams are acceptable, one of them hits. */
const blindDraws = 4;

/**
 * The less loaded of two that are drawn evenly from the acceptable ones; undefined if there are none. Costs the same for
 * any length of the list while most of it is acceptable. Source: Mitzenmacher (2001).
 */
function powerOfTwoChoices(
  from: readonly Upstream[],
  random: Random,
  accepts: (upstream: Upstream) => boolean = () => true,
): Upstream | undefined {
  const one = draw(from, random, accepts);
  if (!one) return undefined;
  const other = draw(from, random, (upstream) => upstream !== one && accepts(upstream)) ?? one;
  return one.inFlight / one.effectiveWeight <= other.inFlight / other.effectiveWeight ? one : other;
}

/** One of the acceptable ones, without a turn of the policy; undefined if there are none. */
export type Choose = (
  from: readonly Upstream[],
  accepts?: (upstream: Upstream) => boolean,
) => Upstream | undefined;

/** The policy's own next choice for the key where it has one, else the less loaded of two. */
export function chooserFor(policy: Policy, key: string, random: Random): Choose {
  return (from, accepts) =>
    policy.next ? policy.next(from, key, accepts) : powerOfTwoChoices(from, random, accepts);
}

/** An upstream that was not tried: one that is up and has a slot, else one on probation, else an ejected one. */
export function selectRetryUpstream(
  { tiers, ejected }: Pick<PriorityGroups, "ejected"> & { readonly tiers: readonly PriorityTier[] },
  tried: readonly Upstream[],
  choose: Choose,
): Upstream | undefined {
  const isNew = (upstream: Upstream) => !tried.includes(upstream);
  for (const tier of tiers) {
    const isUp = (upstream: Upstream) => isNew(upstream) && upstream.outlier.state === "up";
    const other = choose(tier.open, isUp);
    if (other) return other;
  }
  const rest = tiers.flatMap((tier) => tier.open);
  const hasSlot = (upstream: Upstream) => isNew(upstream) && upstream.hasCapacity;
  return choose(rest, isNew) ?? choose(ejected, hasSlot);
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
  /**
   * Where a request with this key goes that may not go where `pick` sends it: for retries and overflow. Takes no turn.
   * Missing where the key does not matter; then the less loaded of two random ones is used.
   * @returns an accepted one; undefined if there are none
   */
  next?(
    from: readonly Upstream[],
    key: string,
    accepts?: (upstream: Upstream) => boolean,
  ): Upstream | undefined;
}

export function pick(policy: Policy, available: readonly Upstream[], key: string): Upstream {
  return policy.pick(available, key);
}

/** What `pick` would return. */
export function peek(policy: Policy, available: readonly Upstream[], key: string): Upstream {
  return policy.peek?.(available, key) ?? policy.pick(available, key);
}

/** What a pool asks of a policy. Here and not with the policies, because the pool owns the question. */

import type { Upstream } from "./upstream.ts";

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

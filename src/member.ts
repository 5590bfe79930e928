/** A pool as it runs: made from its configuration, with what its exchanges keep to. */

import type { Config, PoolConfig } from "./config/config.ts";
import type { Clock } from "./lib/clock.ts";
import { systemRandom } from "./lib/random.ts";
import { policyEntry } from "./policy/policies.ts";
import { Pool, type PoolObserver } from "./pool/pool.ts";
import { Upstream } from "./pool/upstream.ts";
import { keyOf } from "./proxy/affinity.ts";
import { RetryBudget } from "./proxy/retry-budget.ts";
import type { Destination, Route } from "./proxy/route.ts";

/** A pool with the configuration it was made from. */
export interface Member {
  readonly config: PoolConfig;
  readonly pool: Pool;
  readonly retryBudget: RetryBudget;
}

/** What pools need of the house around them. */
export interface Watch {
  readonly clock: Clock;
  readonly observer: PoolObserver;
}

export function memberOf(config: PoolConfig, { clock, observer }: Watch): Member {
  const { outlier, slowStartMs, maxInFlight } = config;
  const { rise, fall } = config.probe;
  const limits = { rise, fall, outlier, slowStartMs, maxInFlight };
  const pool = new Pool({
    name: config.name,
    policy: policyEntry(config.policy).create({ random: systemRandom, clock }),
    upstreams: config.upstreams.map((spec) => new Upstream(spec, limits)),
    random: systemRandom,
    clock,
    maxEjectedShare: outlier.maxEjectedShare,
    observer,
  });
  return { config, pool, retryBudget: new RetryBudget(config.retryBudget, clock) };
}

export function routesOf(config: Config, members: readonly Member[]): readonly Route[] {
  const destinations = new Map(members.map((member) => [member.config.name, destinationOf(member)]));
  return config.routes.flatMap(({ pool, ...match }) => {
    const destination = destinations.get(pool);
    return destination ? [{ ...match, destination }] : [];
  });
}

function destinationOf({ config, pool, retryBudget }: Member): Destination {
  const { timeouts, retries, retryStatuses, maxRequestBodyBytes } = config;
  return {
    pool,
    timeouts,
    retries,
    retryBudget,
    ...(retryStatuses.length > 0 && { retryStatuses: new Set(retryStatuses) }),
    ...(maxRequestBodyBytes !== undefined && { maxRequestBodyBytes }),
    ...(policyEntry(config.policy).keyed && { keyOf: keyOf(config.hashBy) }),
  };
}

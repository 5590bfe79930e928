/** What a pool is made of. */

import type { Clock } from "../lib/clock.ts";
import type { Random } from "../lib/random.ts";
import type { Policy } from "./policy.ts";
import type { PoolObserver } from "./pool-observer.ts";
import type { Upstream } from "./upstream.ts";

export interface PoolSpec {
  readonly name: string;
  readonly policy: Policy;
  readonly upstreams: readonly Upstream[];
  readonly random: Random;
  readonly clock: Clock;
  /** Share of the wanted upstreams that may be ejected at the same time, 0–1; without it none is. */
  readonly maxEjectedShare?: number;
  readonly observer?: PoolObserver;
}

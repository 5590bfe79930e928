/** What a pool is made of, and what comes with a probe. */

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

/** The circumstances of a probe. */
export interface ProbeContext {
  /** Attempts wait there for too long: then one failure is enough, except for the last one that is up. */
  readonly isSuspected?: boolean;
  /** Clock time at which it began: it knows nothing of what attempts have found since. */
  readonly begunAt?: number;
}

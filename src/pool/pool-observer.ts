/** What a pool tells of itself: apart from the pool, because the listeners live on other floors. */

import type { OutlierReason, OutlierState } from "./outlier-detector.ts";
import type { Pool } from "./pool.ts";
import type { Upstream } from "./upstream.ts";

/** A change of an upstream's passive verdict. */
export interface OutlierChange {
  readonly upstream: Upstream;
  readonly from: OutlierState;
  readonly to: OutlierState;
  readonly reason: OutlierReason | undefined;
}

/** Hears of changes that requests and time bring about. Called synchronously on a request's way; must not throw. */
export interface PoolObserver {
  outlierChanged(pool: Pool, change: OutlierChange): void;
  /** The pool began or stopped to serve from everybody for want of an upstream that is up. */
  panicChanged(pool: Pool, isPanicking: boolean): void;
}

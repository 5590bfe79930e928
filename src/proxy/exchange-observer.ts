/** What an exchange tells of itself: apart from the exchange, because the listeners live elsewhere. */

import type { AttemptObserver } from "../pool/attempt.ts";
import type { RetryVeto, Refusal } from "./refusal.ts";
import type { RetryCause } from "./retry.ts";

/** How a hedge came out: its answer went to the client, or it was in vain. */
export type HedgeResult = "won" | "lost";

/** Hears what no attempt can tell. Called synchronously; must not throw. */
export interface ExchangeObserver extends AttemptObserver {
  /** An attempt is followed by another one. */
  retried(poolName: string, cause: RetryCause): void;
  /** An attempt that failed, or whose answer is one to try elsewhere, is followed by none. */
  notRetried(poolName: string, cause: RetryCause, why: RetryVeto): void;
  /** A request was hedged, and this came of it. */
  hedged(poolName: string, result: HedgeResult): void;
  /**
   * The balancer answers itself, after so many attempts; `poolName` is undefined where no route matched or the head was
   * not acceptable.
   */
  refused(poolName: string | undefined, refused: Refusal, attempts: number): void;
}

/** Where a further attempt of a request goes, already paid for, or why there is none: after a failure, out of a wait, or beside one. */

import type { Attempt } from "../pool/attempt.ts";
import type { Upstream } from "../pool/upstream.ts";
import type { RetryVeto } from "./refusal.ts";
import { isExemptFromBudget, isIdempotent, reasonNotToRetry, type RetryCause } from "./retry.ts";
import type { Destination } from "./route.ts";

/** What is known of a request that may need another upstream. */
export interface RetryContext {
  readonly destination: Destination;
  readonly method: string;
  /** What it is pinned by. */
  readonly key: string;
  /** Where it has been. */
  readonly tried: readonly Upstream[];
  /** Attempts among those that are no retries. */
  readonly extra: number;
  /** Whether its body can be sent again from its first byte. */
  readonly isReplayable: boolean;
}

/** @param last the attempt that failed, or whose answer is to be bettered */
export function upstreamForRetry(
  context: RetryContext,
  cause: RetryCause,
  last: Attempt,
): Upstream | RetryVeto {
  const { destination, method, key, tried, extra, isReplayable: replayable } = context;
  const { pool, retries, retryBudget } = destination;
  const retriesLeft = retries + 1 + extra - tried.length;
  const why = reasonNotToRetry({ cause, method, replayable, retriesLeft });
  if (why !== undefined) return why;
  const upstream = pool.select(key, tried);
  if (!upstream) return "no_other_upstream";
  const isPaid = !retryBudget || isExemptFromBudget(cause, last) || retryBudget.tryWithdraw();
  return isPaid ? upstream : "retry_budget";
}

/** For a request that waits on an upstream that was found down. */
export function upstreamForRescue({ destination, key, tried, ...asked }: RetryContext): Upstream | undefined {
  const { pool, retries, retryBudget } = destination;
  if (retries === 0 || !asked.isReplayable || !isIdempotent(asked.method)) return undefined;
  const upstream = pool.select(key, tried);
  return upstream?.outlier.state === "up" && retryBudget?.tryWithdrawRescue() !== false
    ? upstream
    : undefined;
}

/** For a request that waits for long: only where there is time for it, since nobody has failed. */
export function upstreamForHedge({ destination, key, tried, ...asked }: RetryContext): Upstream | undefined {
  const { pool, queue, retryBudget, mayHedge } = destination;
  if (!mayHedge || !asked.isReplayable || !isIdempotent(asked.method)) return undefined;
  if (pool.isPanicking || (queue && queue.size > 0)) return undefined;
  const upstream = pool.select(key, tried);
  if (upstream?.outlier.state !== "up") return undefined;
  // Backups are for need, and a slow answer is none.
  if (upstream.backup && !tried.some(({ backup }) => backup)) return undefined;
  return retryBudget?.tryWithdraw() === false ? undefined : upstream;
}

/** Which failed attempts may be followed by another one. */

import type { Attempt } from "../pool/attempt.ts";
import type { Failure } from "../pool/outcome.ts";
import type { Upstream } from "../pool/upstream.ts";
import type { RetryVeto } from "./refusal.ts";
import type { Destination } from "./route.ts";

/** Methods that do the same when done twice (RFC 9110 section 9.2.2); TRACE is never forwarded. */
const idempotent: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS", "PUT", "DELETE"]);

/** What a further attempt follows from: a failure, a status that is to be tried elsewhere, or a long wait. */
export type RetryCause =
  Failure | { readonly kind: "answer"; readonly reason: `status_${number}` } | typeof hedged;

/** It waits for longer than nearly all requests do, and another one is made beside it. */
export const hedged = { kind: "hedge", reason: "hedged" } as const;

export interface RetryCheck {
  readonly cause: RetryCause;
  readonly method: string;
  /** Whether the engine can send the request's body again from its first byte. */
  readonly replayable: boolean;
  readonly retriesLeft: number;
}

/** Undefined if another attempt is allowed, else why not. Nothing is sent twice that may have been processed once. */
export function reasonNotToRetry({
  cause,
  method,
  replayable,
  retriesLeft,
}: RetryCheck): RetryVeto | undefined {
  const phase = cause.kind === "failure" ? cause.phase : "head";
  if (phase === "body") return "answer_begun";
  if (cause.reason === "total_timeout") return "time_spent";
  if (retriesLeft <= 0) return "retries_spent";
  if (!replayable) return "body_not_replayable";
  if (phase === "head" && !idempotent.has(method)) return "method_not_idempotent";
  return undefined;
}

/**
 * Whether a retry needs no budget, because it is no further load on upstreams that falter: after a failed connect nothing
 * was sent; and what an ejection left behind moves once, at most as much as may be in flight.
 */
export function isExemptFromBudget(cause: RetryCause, { upstream, startedAt }: Attempt): boolean {
  if (cause.kind === "failure" && cause.phase === "connect") return true;
  return upstream.outlier.ejectedAfter(startedAt);
}

export function isIdempotent(method: string): boolean {
  return idempotent.has(method);
}

// Where a further attempt of a request goes, already paid for, or why there is none: after a failure, out of a wait, or beside one.

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

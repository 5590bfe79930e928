/** Whether a request may have another attempt, and on which upstream: retry, rescue and hedge. */

import type { Attempt } from "../pool/attempt.ts";
import type { Failure } from "../pool/outcome.ts";
import type { Upstream } from "../pool/upstream.ts";
import type { RetryVeto } from "./refusal.ts";
import type { Destination } from "./route.ts";

/** Methods that do the same when done twice (RFC 9110 section 9.2.2); TRACE is never forwarded. */
const idempotent: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS", "PUT", "DELETE"]);

/** The cause of another attempt: a failure, a status that is retried, or a long wait. */
export type RetryCause =
  Failure | { readonly kind: "response"; readonly reason: `status_${number}` } | typeof hedged;

/** The request has waited longer than nearly all do. */
export const hedged = { kind: "hedge", reason: "hedged" } as const;

export interface RetryCheck {
  readonly cause: RetryCause;
  readonly method: string;
  /** Whether the engine can replay the request's body from its first byte. */
  readonly replayable: boolean;
  readonly retriesLeft: number;
}

/** Undefined if another attempt is allowed. A request that may have been processed is not sent twice unless idempotent. */
function reasonNotToRetry({ cause, method, replayable, retriesLeft }: RetryCheck): RetryVeto | undefined {
  const phase = cause.kind === "failure" ? cause.phase : "head";
  if (phase === "body") return "answer_begun";
  if (cause.reason === "total_timeout") return "time_spent";
  // Another upstream would respond in the same form.
  if (cause.reason === "answer_refused") return "answer_refused";
  if (retriesLeft <= 0) return "retries_spent";
  if (!replayable) return "body_not_replayable";
  if (phase === "head" && !idempotent.has(method)) return "method_not_idempotent";
  return undefined;
}

/**
 * Whether a retry needs no budget, because it adds no load to failing upstreams: after a failed connect nothing was sent; and
 * requests that were open at an ejection move once, at most as many as may be in flight.
 */
function isExemptFromBudget(cause: RetryCause, { upstream, startedAt }: Attempt): boolean {
  if (cause.kind === "failure" && cause.phase === "connect") return true;
  return upstream.outlier.ejectedAfter(startedAt);
}

export function isIdempotent(method: string): boolean {
  return idempotent.has(method);
}

/** A request that may need another upstream. */
export interface RetryContext {
  readonly destination: Destination;
  readonly method: string;
  /** Its hash key. */
  readonly key: string;
  /** Upstreams that it was sent to. */
  readonly tried: readonly Upstream[];
  /** How many of those were rescues or hedges, not retries. */
  readonly extra: number;
  /** Whether its body can be replayed from its first byte. */
  readonly isReplayable: boolean;
}

/** @param last the attempt that failed, or whose status is retried  @returns an upstream, already paid for */
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

/** For a request that waits on an upstream that went down. @returns already paid for */
export function upstreamForRescue({ destination, key, tried, ...asked }: RetryContext): Upstream | undefined {
  const { pool, retries, retryBudget } = destination;
  if (retries === 0 || !asked.isReplayable || !isIdempotent(asked.method)) return undefined;
  const upstream = pool.select(key, tried);
  return upstream?.outlier.state === "up" && retryBudget?.tryWithdrawRescue() !== false
    ? upstream
    : undefined;
}

/** For a request that has waited long: only without load pressure, since nothing failed. @returns already paid for */
export function upstreamForHedge({ destination, key, tried, ...asked }: RetryContext): Upstream | undefined {
  const { pool, queue, retryBudget, mayHedge } = destination;
  if (!mayHedge || !asked.isReplayable || !isIdempotent(asked.method)) return undefined;
  if (pool.isPanicking || (queue && queue.size > 0)) return undefined;
  const upstream = pool.select(key, tried);
  if (upstream?.outlier.state !== "up") return undefined;
  // A slow response is no reason to use a backup.
  if (upstream.backup && !tried.some(({ backup }) => backup)) return undefined;
  return retryBudget?.tryWithdraw() === false ? undefined : upstream;
}

/** Which failed attempts may be followed by another one. */

import type { Attempt } from "../pool/attempt.ts";
import type { Failure } from "../pool/outcome.ts";
import type { RetryVeto } from "./refusal.ts";

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

/** Which failed attempts may be followed by another one. */

import type { Failure } from "../pool/outcome.ts";
import type { NotRetried } from "./refusal.ts";

/** Methods that do the same when done twice (RFC 9110 section 9.2.2); TRACE is never forwarded. */
const idempotent: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS", "PUT", "DELETE"]);

export interface RetryCase {
  readonly failure: Failure;
  readonly method: string;
  /** Whether the engine can send the request's body again from its first byte. */
  readonly replayable: boolean;
  readonly retriesLeft: number;
}

/** Undefined if another attempt is allowed, else why not. Nothing is sent twice that may have been processed once. */
export function reasonNotToRetry({
  failure,
  method,
  replayable,
  retriesLeft,
}: RetryCase): NotRetried | undefined {
  if (failure.phase === "body") return "answer_begun";
  if (retriesLeft <= 0) return "retries_spent";
  if (!replayable) return "body_not_replayable";
  if (failure.phase === "head" && !idempotent.has(method)) return "method_not_idempotent";
  return undefined;
}

export function isIdempotent(method: string): boolean {
  return idempotent.has(method);
}

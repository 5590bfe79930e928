/** What is said of attempts that were lost, and which losses are nobody's fault. */

import { toError } from "../../lib/bugs.ts";
import type { Attempt } from "../../pool/attempt.ts";
import { type Failure, failure } from "../../pool/outcome.ts";
import type { Refusal } from "../../proxy/refusal.ts";
import { isIdempotent } from "../../proxy/retry.ts";
import type { EngineLog } from "../engine.ts";
import type { RequestForwarder } from "./request-forwarder.ts";
import type { ForwardedRequest } from "./forwarded-request.ts";

export interface FailedAttempt {
  /** Id of the upstream. */
  readonly upstream: string;
  /** How it failed, or the status of an answer that is to be bettered. */
  readonly failure: Failure | number;
  /** Why such an answer came, if not from the upstream. */
  readonly detail?: string | undefined;
}

/** @param next what comes of it; undefined where the client has a part of the answer already */
export function logFailedAttempt(
  log: EngineLog,
  { id: requestId, view: { method } }: ForwardedRequest,
  {
    upstream,
    failure: how,
    next,
    detail: why,
  }: FailedAttempt & { readonly next: Attempt | Refusal | undefined },
): void {
  const followed =
    next?.kind === "attempt"
      ? { retriedOn: next.upstream.id }
      : { notRetried: next ? next.notRetried : "answer_begun" };
  if (typeof how === "number") {
    log.warn("attempt answered badly", {
      requestId,
      method,
      upstream,
      status: how,
      detail: why,
      ...followed,
    });
  } else {
    const { reason, phase, detail } = how;
    log.warn("attempt failed", { requestId, method, upstream, reason, phase, detail, ...followed });
  }
}

/** What an attempt fails with whose connection was not opened. @param code the system's */
export function connectFailure(code: string): Failure {
  const reasons = { ETIMEDOUT: "connect_timeout", ECONNRESET: "connect_reset" } as const;
  return failure("connect", reasons[code as keyof typeof reasons] ?? "connect_refused", code);
}

/** What one fails with whose connection broke off. @param inBody the head of the answer has come already */
export function disconnectFailure(inBody: boolean, detail: string): Failure {
  return failure(inBody ? "body" : "head", inBody ? "body_truncated" : "upstream_reset", detail);
}

export const abortDetail = "cut by the operator";

/** What an attempt that the operator cuts fails with. @param hasBegun the client has a part of the answer already */
export function abortFailure(hasBegun: boolean): Failure {
  return disconnectFailure(hasBegun, abortDetail);
}

/**
 * A kept connection that the upstream closed before it answered anything failed because it was idle, not because
 * of the upstream: the same attempt goes on with a fresh one. What may have been processed is not sent again
 * (RFC 9112 section 9.3.1).
 */
export function isStaleConnection(
  connection: { readonly isReused: boolean; readonly hasResponded: boolean },
  failed: Failure,
  request: ForwardedRequest,
): boolean {
  const isAborted = connection.isReused && !connection.hasResponded && failed.reason === "upstream_reset";
  return isAborted && request.bytes.isWhole && isIdempotent(request.view.method);
}

/** A bug came to light on a connection that may have left the relay already: the request must not hang for it. */
export function reportBug(forwarder: RequestForwarder | undefined, error: unknown, log: EngineLog): void {
  if (!forwarder?.client) return log.bug(error, "");
  forwarder.client.handlerThrew(toError(error));
}

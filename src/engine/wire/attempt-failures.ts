/** Failures of attempts: what a broken connection means, when it is not the upstream's fault, and the log entry. */

import { exhaustion } from "../../lib/exhaustion.ts";
import type { Attempt } from "../../pool/attempt.ts";
import { cancelled, type Failure, failure, type Outcome } from "../../pool/outcome.ts";
import type { Refusal } from "../../proxy/refusal.ts";
import { isIdempotent } from "../../proxy/retry.ts";
import type { ForwardedRequest } from "./forwarded-request.ts";

export interface FailedAttempt {
  /** Id of the upstream. */
  readonly upstream: string;
  /** How it failed, or the status of a response that is to be retried. */
  readonly failure: Failure | number;
  /** Why a response with that status came, if it is not the upstream's. */
  readonly detail?: string | undefined;
  /** What follows; undefined where the client has a part of the response already. */
  readonly next: Attempt | Refusal | undefined;
}

/** The log entry of a failed attempt. */
export function failedAttemptEntry(
  { id: requestId, view: { method } }: ForwardedRequest,
  { upstream, failure: failed, next, detail }: FailedAttempt,
): { readonly message: string; readonly fields: Readonly<Record<string, unknown>> } {
  const followUp =
    next?.kind === "attempt"
      ? { retriedOn: next.upstream.id }
      : { notRetried: next ? next.notRetried : "answer_begun" };
  const attempt = { requestId, method, upstream };
  if (typeof failed === "number")
    return {
      message: "attempt failed: retriable status",
      fields: { ...attempt, status: failed, detail, ...followUp },
    };
  const { reason, phase } = failed;
  return {
    message: "attempt failed",
    fields: { ...attempt, reason, phase, detail: failed.detail, ...followUp },
  };
}

/** The failure of an attempt whose connection could not be opened. @param code the system's error code */
export function connectFailure(code: string): Failure {
  const own = exhaustion.ownCodeOf(code);
  if (own !== undefined) return failure("connect", "balancer_exhausted", own);
  const reasons = { ETIMEDOUT: "connect_timeout", ECONNRESET: "connect_reset" } as const;
  return failure("connect", reasons[code as keyof typeof reasons] ?? "connect_refused", code);
}

/** Whether nothing listens at this address, and no socket was opened: another address of the name may respond. */
export function isUnreachable(code: string): boolean {
  return /^(ECONNREFUSED|EHOSTUNREACH|ENETUNREACH|EHOSTDOWN|ENETDOWN|EAFNOSUPPORT|EADDRNOTAVAIL)$/.test(code);
}

/** The failure of an attempt whose connection was closed. @param inBody whether the response head had arrived */
export function disconnectFailure(inBody: boolean, detail: string): Failure {
  return failure(inBody ? "body" : "head", inBody ? "body_truncated" : "upstream_reset", detail);
}

/**
 * What a failed attempt says about its upstream. A server that hangs up before it has the whole request may do so because of
 * the request: its client may send a malformed or absurd body, or stop sending it. Such clients must not eject servers.
 */
export function outcomeOf(
  failed: Failure,
  connection: { readonly hasHungUp: boolean; readonly isFlushed: boolean } | undefined,
  { isComplete }: ForwardedRequest,
): Outcome {
  const wasUploading = connection !== undefined && !(isComplete && connection.isFlushed);
  return wasUploading && connection.hasHungUp ? cancelled : failed;
}

export const abortDetail = "aborted by the operator";

/** The failure of an attempt that is aborted. @param hasResponseStarted whether the client got a part of the response */
export function abortFailure(hasResponseStarted: boolean): Failure {
  return disconnectFailure(hasResponseStarted, abortDetail);
}

/**
 * Whether the attempt may continue on a new connection. It may where the old one takes no new requests and did nothing for
 * this one (GOAWAY), and where a reused one closes before the first byte of a response: that one closed because it had been
 * idle, which is not the upstream's fault. A request that the upstream may have processed is not sent again (RFC 9112
 * section 9.3.1).
 */
export function isStaleConnection(
  connection: { readonly isReused: boolean; readonly hasResponded: boolean; readonly hasMoved: boolean },
  failed: Failure,
  request: ForwardedRequest,
): boolean {
  if (connection.isReused && connection.hasMoved) return request.replay.isWhole;
  const wasClosedIdle = connection.isReused && !connection.hasResponded && failed.reason === "upstream_reset";
  return wasClosedIdle && request.replay.isWhole && isIdempotent(request.view.method);
}

/** How an attempt can end, as a type: separate from the attempt because everyone above speaks of it. */

import { isGatewayFailure } from "../proxy/response-class.ts";

/**
 * What had happened when an attempt failed. It decides what may be tried again:
 * - `connect`: nothing was sent, so any request may move on
 * - `head`: the request, or a part, may have been processed, so only an idempotent one may
 * - `body`: the answer has begun, so none may
 */
export type FailurePhase = "connect" | "head" | "body";

/** Why an attempt failed: one vocabulary for log, metrics, Proxy-Status and dashboard. */
export type FailureReason =
  | "connect_refused"
  | "connect_timeout"
  | "connect_reset"
  | "head_timeout"
  | "head_invalid"
  | "rescued"
  | "total_timeout"
  | "upstream_reset"
  | "body_timeout"
  | "body_truncated";

export interface Failure {
  readonly kind: "failure";
  readonly phase: FailurePhase;
  readonly reason: FailureReason;
  /** What the system said, for the log; never shown to a client. */
  readonly detail?: string;
}

export type Outcome =
  /** The whole answer was passed on; its status is the attempt's. */
  | { readonly kind: "response" }
  | Failure
  /** The client went away, or another attempt won (then `isOutrun`): says nothing against the upstream. */
  | { readonly kind: "cancelled"; readonly isOutrun?: true };

/** Shared, so that the end of a request allocates nothing. */
export const completed: Outcome = { kind: "response" };
export const cancelled: Outcome = { kind: "cancelled" };

/** A second attempt of the same request was answered first: that it would have taken longer is known of this one. */
export const superseded: Outcome = { kind: "cancelled", isOutrun: true };

/** It waited on an upstream that was found down, and was moved to another one. */
export const rescued: Failure = { kind: "failure", phase: "head", reason: "rescued" };

/** Its request had to be answered by now. */
export const deadlineExceeded: Failure = { kind: "failure", phase: "head", reason: "total_timeout" };

export function failure(phase: FailurePhase, reason: FailureReason, detail?: string): Failure {
  return detail === undefined
    ? { kind: "failure", phase, reason }
    : { kind: "failure", phase, reason, detail };
}

// What the end of an attempt says about its upstream. Apart from the verdict that follows from many of them.

export type Signal = "success" | "failure" | "cancelled";

/**
 * Failures of the gateway kind speak against an upstream, other answers for it: 500 is the application's own. Those that
 * were rescued say nothing new: the verdict came first.
 */
export function signalOf(outcome: Outcome, status: number): Signal {
  if (outcome === rescued) return "cancelled";
  if (outcome.kind !== "response") return outcome.kind;
  return isGatewayFailure(status) ? "failure" : "success";
}

/** What a failure is called, one vocabulary for log, metrics and dashboard: `connect_refused`, `status_503`. */
export function failureLabel(outcome: Outcome, status: number): string {
  return outcome.kind === "failure" ? outcome.reason : `status_${status}`;
}

/** How an attempt can end, and what its end says about the upstream. */

/**
 * How far an attempt had come when it failed. It decides what may be retried:
 * - `connect`: nothing was sent, so any request may be retried
 * - `head`: the request, or a part of it, may have been processed, so only an idempotent one may
 * - `body`: the response has begun, so none may
 */
export type FailurePhase = "connect" | "head" | "body";

/** Why an attempt failed: one vocabulary for log, metrics, Proxy-Status and dashboard. */
export type FailureReason =
  | "connect_refused"
  | "connect_timeout"
  | "connect_reset"
  | "stream_refused"
  | "balancer_exhausted"
  | "head_timeout"
  | "head_invalid"
  | "answer_refused"
  | "rescued"
  | "total_timeout"
  | "upstream_reset"
  | "body_timeout"
  | "body_truncated";

export interface Failure {
  readonly kind: "failure";
  readonly phase: FailurePhase;
  readonly reason: FailureReason;
  /** The system's error text, for the log; never shown to a client. Of `answer_refused`: the rule, a fixed text. */
  readonly detail?: string;
}

export type Outcome =
  /** The whole response was forwarded; its status is the attempt's. */
  | { readonly kind: "response" }
  | Failure
  /** The client left, or another attempt won (`isSuperseded`). Says nothing about the upstream. */
  | { readonly kind: "cancelled"; readonly isSuperseded?: true };

/** Shared objects, so that the end of a request allocates nothing. */
export const completed: Outcome = { kind: "response" };
export const cancelled: Outcome = { kind: "cancelled" };

/** Another attempt of the same request was answered first: this one is known to take at least as long. */
export const superseded: Outcome = { kind: "cancelled", isSuperseded: true };

/** The attempt waited on an upstream that went down, and its request moved to another one. */
export const rescued: Failure = { kind: "failure", phase: "head", reason: "rescued" };

/** The request's total timeout expired. */
export const deadlineExceeded: Failure = { kind: "failure", phase: "head", reason: "total_timeout" };

export function failure(phase: FailurePhase, reason: FailureReason, detail?: string): Failure {
  return detail === undefined
    ? { kind: "failure", phase, reason }
    : { kind: "failure", phase, reason, detail };
}

/** The system's error code, if the attempt failed because this process got no descriptor, port or memory for its socket; else undefined. */
export function exhaustedCode(outcome: Outcome): string | undefined {
  const isExhausted = outcome.kind === "failure" && outcome.reason === "balancer_exhausted";
  return isExhausted ? (outcome.detail ?? "") : undefined;
}

/** Whether the upstream responded, and we refused the form of its response. */
export function isAnswerRefused(outcome: Outcome): outcome is Failure {
  return outcome.kind === "failure" && outcome.reason === "answer_refused";
}

/** What a response's status code means to a pool, which knows no protocol. Finagle's ResponseClassifier. */
export interface ResponseClassifier {
  /** The upstream failed, although it responded. */
  isFailure(code: number): boolean;
  /** The connection became a tunnel: it may stay open for days and takes no slot. */
  isTunnel(code: number): boolean;
}

/** What the end of an attempt says about its upstream; the outlier detector's verdict follows from many of them. */
export type Signal = "success" | "failure" | "cancelled";

/**
 * A rescued attempt says nothing new: the verdict about its upstream came first. One for which this process had no descriptor
 * or port never reached its upstream. A response that we refuse for its form says that the upstream responds.
 */
export function signalOf(outcome: Outcome, code: number, classifier: ResponseClassifier): Signal {
  if (outcome === rescued || exhaustedCode(outcome) !== undefined || isAnswerRefused(outcome))
    return "cancelled";
  if (outcome.kind !== "response") return outcome.kind;
  return classifier.isFailure(code) ? "failure" : "success";
}

/** The name of a failure in log, metrics and dashboard: `connect_refused`, `status_503`. */
export function failureLabel(outcome: Outcome, code: number): string {
  return outcome.kind === "failure" ? outcome.reason : `status_${code}`;
}

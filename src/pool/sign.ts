/** What the end of an attempt says about its upstream. Apart from the verdict that follows from many of them. */

import { type Outcome, rescued } from "./outcome.ts";

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

/** 502 Bad Gateway, 503 Service Unavailable, 504 Gateway Timeout. */
export function isGatewayFailure(status: number): boolean {
  return status >= 502 && status <= 504;
}

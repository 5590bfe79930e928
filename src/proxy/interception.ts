/** Filters that decide about an attempt before it is sent, and what follows from their decisions. Envoy: upstream HTTP filters. */

import type { Attempt } from "../pool/attempt.ts";
import { completed, failure, type Failure } from "../pool/outcome.ts";
import type { Upstream } from "../pool/upstream.ts";
import { type Refusal, refusal, type RefusalReason } from "./refusal.ts";

/** A response in place of the upstream's. */
export interface SyntheticResponse {
  readonly kind: "response";
  readonly status: number;
  /** The reason word of the refusal that carries it to the client. */
  readonly reason: RefusalReason;
  /** For the log. */
  readonly detail: string;
}

/** What happens to one attempt before it is sent. Each is an object of its own. */
export interface Interception {
  /** How long the attempt is held first, milliseconds. */
  readonly delayMs: number;
  readonly then: "send" | Failure | SyntheticResponse;
  /** For the log, where the delay itself makes the attempt time out. */
  readonly detail: string;
}

export interface AttemptFilter {
  /** @param now clock time @returns undefined if the attempt is sent as it is */
  intercept(upstream: Upstream, now: number): Interception | undefined;
}

/** The part of an exchange that a synthetic response goes through. */
interface ResponseDecider {
  responseReceived(status: number, isReplayable: boolean): Attempt | "pass";
  commit(attempt: Attempt): void;
}

/** @param headMs timeout of a response's head: an attempt that is held longer times out, as on a slow upstream */
export function capDelay(interception: Interception, headMs: number): Interception {
  const { delayMs, detail } = interception;
  if (delayMs < headMs) return interception;
  return { delayMs: headMs, then: failure("head", "head_timeout", detail), detail };
}

/**
 * Ends the attempt as one that got this response.
 * @returns the next attempt if the status is retried, else the refusal that carries the status to the client
 */
export function applySyntheticResponse(
  exchange: ResponseDecider,
  attempt: Attempt,
  { status, reason }: SyntheticResponse,
  isReplayable: boolean,
): Attempt | Refusal {
  attempt.responseStarted(status);
  const step = exchange.responseReceived(status, isReplayable);
  if (step !== "pass") return step;
  exchange.commit(attempt);
  attempt.end(completed);
  return refusal(reason, status);
}

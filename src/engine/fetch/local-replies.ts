/** What the engine says itself: refusals, faults of ours, and what the log hears of attempts that were lost. */

import type { Attempt } from "../../pool/attempt.ts";
import type { Failure } from "../../pool/outcome.ts";
import {
  bodyTimeout,
  closesConnection,
  refusal,
  type Refusal,
  refusalForViolation,
  renderRefusal,
} from "../../proxy/refusal.ts";
import type { EngineOptions } from "../engine.ts";
import type { RequestContext } from "./request-context.ts";
import type { BodyProblem } from "./request-body.ts";

export function internalError(
  options: EngineOptions,
  { requestId }: RequestContext,
  error: unknown,
): Response {
  options.log.bug(error, requestId);
  return new Response(`500 internal_error: internal error of the balancer (request ${requestId})\n`, {
    status: 500,
    headers: { "Content-Type": "text/plain; charset=utf-8", "X-Request-Id": requestId },
  });
}

export function bodyRefusal(problem: BodyProblem): Refusal {
  return problem === "stalled" ? refusalForViolation(bodyTimeout) : refusal("request_too_large");
}

/** The balancer's own answer. */
export function refusalResponse(
  options: EngineOptions,
  { head, requestId, byteCounts }: RequestContext,
  given: Refusal,
): Response {
  const response = renderRefusal(given, head.header("accept"), requestId);
  byteCounts.bytesOut = head.method === "HEAD" ? 0 : Buffer.byteLength(response.body);
  if (given.notRetried === undefined) {
    const { reason, status, violation: violation } = given;
    options.log.warn("refused", {
      requestId,
      client: head.clientAddress,
      reason,
      status,
      complaint: violation,
    });
  }
  const headers = response.headers.map(([name, value]): [string, string] => [name, value]);
  if (closesConnection(given)) headers.push(["Connection", "close"]);
  return new Response(head.method === "HEAD" ? null : response.body, { status: response.status, headers });
}

/** Says what failed where, and what follows from it. */
export function logFailedTry(
  options: EngineOptions,
  { head, requestId }: RequestContext,
  upstream: string,
  failed: Failure,
  next: Attempt | Refusal,
): void {
  const { reason, phase, detail } = failed;
  const followed =
    next.kind === "attempt" ? { retriedOn: next.upstream.id } : { notRetried: next.notRetried };
  options.log.warn("attempt failed", {
    requestId,
    method: head.method,
    upstream,
    reason,
    phase,
    detail,
    ...followed,
  });
}

/** Says which answer was not good enough to be passed on at once. */
export function logRetry(
  options: EngineOptions,
  { head, requestId }: RequestContext,
  {
    upstream,
    ...answered
  }: { readonly upstream: string; readonly status: number; readonly retriedOn: string },
): void {
  options.log.warn("attempt answered badly", { requestId, method: head.method, upstream, ...answered });
}

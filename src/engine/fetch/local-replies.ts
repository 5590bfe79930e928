/** Responses of the balancer itself, and log lines of refusals and failed attempts. */

import type { Attempt } from "../../pool/attempt.ts";
import type { Failure } from "../../pool/outcome.ts";
import {
  bodyTimeout,
  closesConnection,
  refusal,
  type Refusal,
  refusalForViolation,
  renderRefusal,
  withoutBody,
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

export function bodyRefusal(problem: BodyProblem | "late"): Refusal {
  if (problem === "late") return refusal("total_timeout");
  return problem === "stalled" ? refusalForViolation(bodyTimeout) : refusal("request_too_large");
}

/** Renders and logs a refusal. */
export function refusalResponse(
  options: EngineOptions,
  { head, requestId, byteCounts, exchange }: RequestContext,
  refused: Refusal,
): Response {
  const reader = { accept: head.header("accept"), contentType: head.header("content-type") };
  const response = exchange.editReply(refused, renderRefusal(refused, reader, requestId));
  const isHead = head.method === "HEAD";
  const length = Buffer.byteLength(response.body);
  byteCounts.bytesOut = isHead ? 0 : length;
  if (refused.notRetried === undefined && !refused.reply) logRefusal(options, { head, requestId }, refused);
  const headers = response.headers.map(([name, value]): [string, string] => [name, value]);
  if (closesConnection(refused)) headers.push(["Connection", "close"]);
  const { status } = response;
  const hasBody = !withoutBody.includes(status);
  // The length of a GET's body: the listener would write 0.
  if (isHead && hasBody) headers.push(["Content-Length", String(length)]);
  return new Response(isHead || !hasBody ? null : response.body, { status, headers });
}

export function logRefusal(
  options: EngineOptions,
  { head, requestId }: Pick<RequestContext, "head" | "requestId">,
  { reason, status, violation }: Refusal,
): void {
  const client = head.clientAddress;
  options.log.warn("refused", { requestId, client, reason, status, complaint: violation });
}

/** Logs a failed attempt and what follows from it. */
export function logFailedAttempt(
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

/** Logs a response whose status is retried. */
export function logRetry(
  options: EngineOptions,
  { head, requestId }: RequestContext,
  {
    upstream,
    ...response
  }: { readonly upstream: string; readonly status: number; readonly retriedOn: string },
): void {
  options.log.warn("attempt failed: retriable status", {
    requestId,
    method: head.method,
    upstream,
    ...response,
  });
}

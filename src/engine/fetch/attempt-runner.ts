/** Runs one attempt of a request: interception, send, response head; returns its result. */

import { AttemptMonitor, type Redirected } from "./attempt-monitor.ts";
import { type AttemptRace, clientClosedResponse } from "./attempt-race.ts";
import { refusedHead, type UpstreamResponse } from "./forward.ts";
import { upstreamHeaders } from "./headers.ts";
import { bodyRefusal, refusalResponse } from "./local-replies.ts";
import type { RequestBody } from "./request-body.ts";
import type { FetchEngineContext, RequestContext } from "./request-context.ts";
import { type Answer, toClientResponse } from "./response.ts";
import { readResponseFields } from "./response-fields.ts";
import { systemSchedule } from "../../lib/clock.ts";
import type { Attempt } from "../../pool/attempt.ts";
import { cancelled, type Failure } from "../../pool/outcome.ts";
import { applySyntheticResponse, capDelay, type Interception } from "../../proxy/interception.ts";

/** A response whose status is retried. Its body stays unread; it is sent to the client if no better one arrives. */
export interface HeldResponse {
  readonly kind: "held";
  readonly incoming: UpstreamResponse;
  readonly answer: Omit<Answer, "attempt">;
  readonly next: Attempt;
}

/** The result of an attempt that was not superseded. */
export type AttemptResult = Response | Failure | HeldResponse | Redirected;

export interface AttemptInput {
  readonly attempt: Attempt;
  readonly body: RequestBody;
  /** All running attempts of this request. */
  readonly race: AttemptRace<AttemptResult>;
}

/** When it resolves the attempt has ended, or ends with the response's body. @returns undefined if another attempt won */
export async function runAttempt(
  options: FetchEngineContext,
  context: RequestContext,
  input: AttemptInput,
): Promise<AttemptResult | undefined> {
  const { head, exchange } = context;
  const { attempt, body, race } = input;
  const monitor = new AttemptMonitor({ engine: options, context, attempt, body, race });
  race.setMonitor(attempt, monitor);
  const withoutResponse = (error: unknown): AttemptResult | undefined => {
    if (!monitor.isClientGone && !body.problem) return monitor.isSuperseded ? undefined : monitor.lost(error);
    attempt.end(cancelled);
    if (monitor.isClientGone || !body.problem) return clientClosedResponse();
    return refusalResponse(options, context, exchange.refuse(bodyRefusal(body.problem)));
  };
  try {
    const { signal } = monitor;
    const interception = exchange.interceptionOf(attempt);
    const input = interception && { attempt, interception, signal, isReplayable: body.isReplayable };
    const result = input && (await applyInterception(options, context, input));
    if (result === "aborted") return withoutResponse(result);
    if (result instanceof Response) race.commit(attempt);
    if (result) return result;
    const { method } = head;
    const edit = exchange.requestEditFor(attempt);
    const target = edit?.target ?? head.target;
    const { upstream } = attempt;
    const headers = upstreamHeaders(options, context, edit);
    const endsConnection = context.fields.authenticatesConnection;
    const opened = body.open(monitor);
    const outgoing = { method, target, upstream, headers, body: opened, signal, endsConnection };
    let incoming: UpstreamResponse;
    try {
      incoming = await options.forward(outgoing);
    } catch (error) {
      return withoutResponse(error);
    }
    if (monitor.isSuperseded || monitor.isRedirected) {
      incoming.discard();
      return withoutResponse(undefined);
    }
    const { status } = incoming;
    const fields = readResponseFields(incoming.headers);
    const refusedFor = refusedHead(status, fields, options.limits);
    if (refusedFor) {
      incoming.discard();
      attempt.end(refusedFor);
      return refusedFor;
    }
    monitor.headReceived();
    attempt.responseStarted(status);
    const next = exchange.responseReceived(status, body.isReplayable);
    const answer = { context, monitor, fields, wholeBody: options.wholeBody };
    if (next !== "pass") return { kind: "held", incoming, answer, next };
    exchange.commit(attempt);
    race.commit(attempt);
    const response = toClientResponse(incoming, { ...answer, attempt });
    return response instanceof Promise ? await response : response;
  } catch (bug) {
    monitor.cancel();
    throw bug;
  } finally {
    monitor.release();
  }
}

/**
 * Sends the held response after the attempt that should have replaced it failed. All attempts have ended.
 * @returns undefined if it broke off before anything was sent
 */
export async function forwardHeld({ incoming, next, answer }: HeldResponse): Promise<Response | undefined> {
  const response = await toClientResponse(incoming, { ...answer, attempt: next });
  return response instanceof Response ? response : undefined;
}

/** An attempt that is intercepted before it is sent. */
export interface InterceptionInput {
  readonly attempt: Attempt;
  readonly interception: Interception;
  /** Aborted when the client leaves, or the request moves to another attempt. */
  readonly signal: AbortSignal;
  /** Whether the request's body can be sent again from its first byte. */
  readonly isReplayable: boolean;
}

/**
 * Holds, fails or answers an attempt before it is sent.
 * @returns the result of the attempt, which has ended; undefined if it is to be sent now; "aborted" if the signal was, and
 *   the attempt is still open
 */
export async function applyInterception(
  options: FetchEngineContext,
  context: RequestContext,
  { attempt, interception, signal, isReplayable }: InterceptionInput,
): Promise<Response | Failure | Redirected | "aborted" | undefined> {
  const { exchange, head, requestId } = context;
  const { delayMs, then } = capDelay(interception, exchange.destination?.timeouts.headMs ?? 0);
  if (delayMs > 0 && !(await waitFor(delayMs, signal))) return "aborted";
  attempt.heldMs = delayMs;
  if (then === "send") return undefined;
  if (then.kind === "failure") {
    attempt.end(then);
    return then;
  }
  const { id: upstream } = attempt.upstream;
  const step = applySyntheticResponse(exchange, attempt, then, isReplayable);
  if (step.kind === "refusal") return refusalResponse(options, context, step);
  const retriedOn = step.upstream.id;
  const fields = { requestId, method: head.method, upstream, status: then.status, detail: then.detail };
  options.log.warn("attempt failed: retriable status", { ...fields, retriedOn });
  return { kind: "moved", isLogged: true, next: step };
}

/** @returns false if the signal was aborted first */
function waitFor(delayMs: number, signal: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    const onAbort = () => {
      cancel();
      resolve(false);
    };
    const cancel = systemSchedule(delayMs, () => {
      signal.removeEventListener("abort", onAbort);
      resolve(true);
    });
    if (signal.aborted) return onAbort();
    signal.addEventListener("abort", onAbort, { once: true });
  });
}

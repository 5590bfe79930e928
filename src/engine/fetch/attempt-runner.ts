/** One attempt of a request: sends it, waits for the answer's head, and says what came of it. */

import { AttemptMonitor, headLimitMs, type Redirected } from "./attempt-monitor.ts";
import { type AttemptRace, clientClosedResponse } from "./attempt-race.ts";
import { isPassable, type UpstreamResponse } from "./forward.ts";
import type { RequestContext } from "./request-context.ts";
import type { FetchEngineContext } from "./request-context.ts";
import { upstreamHeaders } from "./headers.ts";
import { bodyRefusal, refusalResponse } from "./local-replies.ts";
import type { RequestBody } from "./request-body.ts";
import { closeExchange } from "./request-context.ts";
import { type ResponseOptions, toClientResponse } from "./response.ts";
import { capDelay, faultDetail, type Interception } from "../../fault/fault.ts";
import { systemSchedule } from "../../lib/clock.ts";
import type { Attempt } from "../../pool/attempt.ts";
import { cancelled, type Failure } from "../../pool/outcome.ts";
import { applySyntheticResponse } from "../../proxy/interception.ts";
import { refusal } from "../../proxy/refusal.ts";

/** An answer that is tried elsewhere: its body stays unread, to be passed on should nobody answer better. */
export interface HeldResponse {
  readonly kind: "kept";
  readonly incoming: UpstreamResponse;
  readonly watch: AttemptMonitor;
  readonly next: Attempt;
}

/** What comes of an attempt that was not outrun. */
export type AttemptResult = Response | Failure | HeldResponse | Redirected;

export interface AttemptInput {
  readonly attempt: Attempt;
  readonly body: RequestBody;
  /** All that are under way for this request. */
  readonly race: AttemptRace<AttemptResult>;
}

/** One attempt, which has ended or ends with the response's body when this resolves; undefined if another one won. */
export async function runAttempt(
  options: FetchEngineContext,
  context: RequestContext,
  given: AttemptInput,
): Promise<AttemptResult | undefined> {
  const { head, exchange } = context;
  const { attempt, body, race } = given;
  const watch = watchOf(context, given);
  race.name(attempt, watch);
  const withoutResponse = (error: unknown): AttemptResult | undefined => {
    if (!watch.isClientGone && !body.fault) return watch.isSuperseded ? undefined : watch.lost(error);
    attempt.end(cancelled);
    if (watch.isClientGone || !body.fault) return clientClosedResponse();
    return refusalResponse(options, context, exchange.refuse(bodyRefusal(body.fault)));
  };
  try {
    const { signal } = watch;
    const { interception: staged } = attempt;
    const { isReplayable } = body;
    const played =
      staged && (await applyInterception(options, context, { attempt, staged, signal, isReplayable }));
    if (played === "aborted") return withoutResponse(played);
    if (played instanceof Response) race.commit(attempt);
    if (played) return played;
    const { method, target } = head;
    const { upstream } = attempt;
    const headers = upstreamHeaders(options, context);
    const outgoing = { method, target, upstream, headers, body: body.take(watch.clientWait), signal };
    let incoming: UpstreamResponse;
    try {
      incoming = await options.forward(outgoing);
    } catch (error) {
      return withoutResponse(error);
    }
    if (watch.isSuperseded || watch.hasMoved) {
      incoming.discard();
      return withoutResponse(undefined);
    }
    if (!isPassable(incoming.status)) {
      incoming.discard();
      return withoutResponse(
        Object.assign(new Error(`status ${incoming.status}`), { code: "InvalidStatus" }),
      );
    }
    watch.headReceived();
    attempt.responseStarted(incoming.status);
    exchange.isReplayable = body.isReplayable;
    const next = exchange.responseReceived(incoming.status);
    if (next !== "pass") return { kind: "kept", incoming, watch, next };
    exchange.commit(attempt);
    race.commit(attempt);
    return await toClientResponse(incoming, responseOptions(context, attempt, watch));
  } catch (bug) {
    watch.cancel();
    throw bug;
  } finally {
    watch.release();
  }
}

function watchOf(
  { request, exchange }: RequestContext,
  { attempt, body, race }: AttemptInput,
): AttemptMonitor {
  return new AttemptMonitor({
    client: request.signal,
    limitMs: headLimitMs(exchange),
    attempt,
    redirect: () => {
      exchange.isReplayable = body.isReplayable;
      return exchange.rescue(attempt);
    },
    hedge: () => {
      exchange.isReplayable = body.isReplayable;
      const second = exchange.hedge();
      if (second) race.run(second);
    },
    abortIfSlow: (ms) => body.abortIfSlow(ms),
  });
}

function responseOptions(context: RequestContext, attempt: Attempt, watch: AttemptMonitor): ResponseOptions {
  const bodyIdleMs = context.exchange.destination?.timeouts.bodyIdleMs ?? 0;
  const { byteCounts } = context;
  const onStream = (status: number) => {
    byteCounts.streamed = status;
    context.idleMs = bodyIdleMs;
  };
  const onEnd = (isClientGone: boolean) => closeExchange(context, byteCounts.streamed, isClientGone);
  return { attempt, bodyIdleMs, isHead: context.head.method === "HEAD", watch, onStream, byteCounts, onEnd };
}

/** The last real answer of an upstream, after the attempt that was to better it has failed. All attempts have ended. */
export async function forwardHeld(
  options: FetchEngineContext,
  context: RequestContext,
  kept: HeldResponse,
): Promise<Response> {
  const answered = await toClientResponse(kept.incoming, responseOptions(context, kept.next, kept.watch));
  if (answered instanceof Response) return answered;
  return refusalResponse(options, context, context.exchange.refuse(refusal(answered.reason)));
}

// Plays what a rehearsal has in store for an attempt, before or instead of sending it.

/** An attempt that something is in store for. */
export interface InterceptionInput {
  readonly attempt: Attempt;
  readonly staged: Interception;
  /** Aborted when the client is gone, or the request goes elsewhere. */
  readonly signal: AbortSignal;
  /** Whether the request's body can be sent again from its first byte. */
  readonly isReplayable: boolean;
}

/** What became of the attempt, which has ended; undefined if it is to be sent now. "aborted": the signal was, and the attempt is as it was. */
export async function applyInterception(
  options: FetchEngineContext,
  context: RequestContext,
  { attempt, staged, signal, isReplayable }: InterceptionInput,
): Promise<Response | Failure | Redirected | "aborted" | undefined> {
  const { exchange, head, requestId } = context;
  const { delayMs, end } = capDelay(staged, exchange.destination?.timeouts.headMs ?? 0);
  if (delayMs > 0 && !(await waitFor(delayMs, signal))) return "aborted";
  attempt.heldMs = delayMs;
  if (!end) return undefined;
  if (end.kind === "failure") {
    attempt.end(end);
    return end;
  }
  exchange.isReplayable = isReplayable;
  const { id: upstream } = attempt.upstream;
  const step = applySyntheticResponse(exchange, attempt, end.status);
  if (step.kind === "refusal") return refusalResponse(options, context, step);
  const retriedOn = step.upstream.id;
  const headers = { requestId, method: head.method, upstream, status: end.status, detail: faultDetail };
  options.log.warn("attempt answered badly", { ...headers, retriedOn });
  return { kind: "moved", isTold: true, next: step };
}

/** Whether the time went by without an end of the signal. */
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

/** One attempt of a request: sends it, waits for the answer's head, and says what came of it. */

import type { Attempt } from "../../pool/attempt.ts";
import { cancelled, type Failure } from "../../pool/outcome.ts";
import { refusal } from "../../proxy/refusal.ts";
import { toClientResponse, type ResponseOptions } from "./response.ts";
import { AttemptMonitor, headLimitMs, type Redirected } from "./attempt-monitor.ts";
import { upstreamHeaders } from "./headers.ts";
import { type UpstreamResponse, isPassable } from "./forward.ts";
import type { FetchEngineContext, RequestContext } from "./handler.ts";
import type { AttemptRace } from "./attempt-race.ts";
import { closeExchange } from "./end-passage.ts";
import { bodyRefusal, refusalResponse } from "./local-replies.ts";
import { applyInterception } from "./play.ts";
import type { RequestBody } from "./request-body.ts";
import { clientClosedResponse } from "./turn.ts";

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

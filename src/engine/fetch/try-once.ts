/** One attempt of a request: sends it, waits for the answer's head, and says what came of it. */

import type { Attempt } from "../../pool/attempt.ts";
import { cancelled, type Failure } from "../../pool/outcome.ts";
import { refusal } from "../../proxy/refusal.ts";
import { toClientResponse, type ResponseOptions } from "./answer.ts";
import { AttemptMonitor, headLimitMs, type Redirected } from "./attempt-watch.ts";
import { upstreamHeaders } from "./fields.ts";
import { type UpstreamResponse, isPassable } from "./forward.ts";
import type { FetchEngineContext, RequestContext } from "./handler.ts";
import type { AttemptRace } from "./legs.ts";
import { closeExchange } from "./end-passage.ts";
import { bodyRefusal, refusalResponse } from "./own-words.ts";
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
  readonly legs: AttemptRace<AttemptResult>;
}

/** One attempt, which has ended or ends with the response's body when this resolves; undefined if another one won. */
export async function runAttempt(
  options: FetchEngineContext,
  passage: RequestContext,
  given: AttemptInput,
): Promise<AttemptResult | undefined> {
  const { head, exchange } = passage;
  const { attempt, body, legs } = given;
  const watch = watchOf(passage, given);
  legs.name(attempt, watch);
  const unanswered = (error: unknown): AttemptResult | undefined => {
    if (!watch.isClientGone && !body.fault) return watch.isSuperseded ? undefined : watch.lost(error);
    attempt.end(cancelled);
    if (watch.isClientGone || !body.fault) return clientClosedResponse();
    return refusalResponse(options, passage, exchange.refuse(bodyRefusal(body.fault)));
  };
  try {
    const { signal } = watch;
    const { interception: staged } = attempt;
    const { isReplayable } = body;
    const played =
      staged && (await applyInterception(options, passage, { attempt, staged, signal, isReplayable }));
    if (played === "aborted") return unanswered(played);
    if (played instanceof Response) legs.won(attempt);
    if (played) return played;
    const { method, target } = head;
    const { upstream } = attempt;
    const fields = upstreamHeaders(options, passage);
    const outgoing = { method, target, upstream, fields, body: body.take(watch.clientWait), signal };
    let incoming: UpstreamResponse;
    try {
      incoming = await options.forward(outgoing);
    } catch (error) {
      return unanswered(error);
    }
    if (watch.isSuperseded || watch.hasMoved) {
      incoming.discard();
      return unanswered(undefined);
    }
    if (!isPassable(incoming.status)) {
      incoming.discard();
      return unanswered(Object.assign(new Error(`status ${incoming.status}`), { code: "InvalidStatus" }));
    }
    watch.headArrived();
    attempt.responseStarted(incoming.status);
    exchange.isReplayable = body.isReplayable;
    const next = exchange.responseReceived(incoming.status);
    if (next !== "pass") return { kind: "kept", incoming, watch, next };
    exchange.commit(attempt);
    legs.won(attempt);
    return await toClientResponse(incoming, answerSetting(passage, attempt, watch));
  } catch (bug) {
    watch.cancel();
    throw bug;
  } finally {
    watch.release();
  }
}

function watchOf(
  { request, exchange }: RequestContext,
  { attempt, body, legs }: AttemptInput,
): AttemptMonitor {
  return new AttemptMonitor({
    client: request.signal,
    limitMs: headLimitMs(exchange),
    attempt,
    move: () => {
      exchange.isReplayable = body.isReplayable;
      return exchange.rescue(attempt);
    },
    hedge: () => {
      exchange.isReplayable = body.isReplayable;
      const second = exchange.hedge();
      if (second) legs.follow(second);
    },
    giveUp: (ms) => body.abortIfSlow(ms),
  });
}

function answerSetting(passage: RequestContext, attempt: Attempt, watch: AttemptMonitor): ResponseOptions {
  const bodyIdleMs = passage.exchange.destination?.timeouts.bodyIdleMs ?? 0;
  const { tally } = passage;
  const onStream = (status: number) => {
    tally.streamed = status;
    passage.idleMs = bodyIdleMs;
  };
  const onEnd = (isClientGone: boolean) => closeExchange(passage, tally.streamed, isClientGone);
  return { attempt, bodyIdleMs, isHead: passage.head.method === "HEAD", watch, onStream, tally, onEnd };
}

/** The last real answer of an upstream, after the attempt that was to better it has failed. All attempts have ended. */
export async function forwardHeld(
  options: FetchEngineContext,
  passage: RequestContext,
  kept: HeldResponse,
): Promise<Response> {
  const answered = await toClientResponse(kept.incoming, answerSetting(passage, kept.next, kept.watch));
  if (answered instanceof Response) return answered;
  return refusalResponse(options, passage, passage.exchange.refuse(refusal(answered.reason)));
}

/** One attempt of a request: sends it, waits for the answer's head, and says what came of it. */

import type { Attempt } from "../../pool/attempt.ts";
import { cancelled, type Failure } from "../../pool/outcome.ts";
import { refusal } from "../../proxy/refusal.ts";
import { answerClient, type AnswerSetting } from "./answer.ts";
import { AttemptWatch, headLimitMs, type Moved } from "./attempt-watch.ts";
import { outgoingFields } from "./fields.ts";
import { type Incoming, isPassable } from "./forward.ts";
import type { FetchHandlerSetting, Passage } from "./handler.ts";
import type { Legs } from "./legs.ts";
import { endPassage } from "./end-passage.ts";
import { bodyRefusal, refuse } from "./own-words.ts";
import { play } from "./play.ts";
import type { RequestBody } from "./request-body.ts";
import { clientGone } from "./turn.ts";

/** An answer that is tried elsewhere: its body stays unread, to be passed on should nobody answer better. */
export interface Kept {
  readonly kind: "kept";
  readonly incoming: Incoming;
  readonly watch: AttemptWatch;
  readonly next: Attempt;
}

/** What comes of an attempt that was not outrun. */
export type Tried = Response | Failure | Kept | Moved;

export interface Try {
  readonly attempt: Attempt;
  readonly body: RequestBody;
  /** All that are under way for this request. */
  readonly legs: Legs<Tried>;
}

/** One attempt, which has ended or ends with the response's body when this resolves; undefined if another one won. */
export async function tryOnce(
  setting: FetchHandlerSetting,
  passage: Passage,
  given: Try,
): Promise<Tried | undefined> {
  const { head, exchange } = passage;
  const { attempt, body, legs } = given;
  const watch = watchOf(passage, given);
  legs.name(attempt, watch);
  const unanswered = (error: unknown): Tried | undefined => {
    if (!watch.isClientGone && !body.fault) return watch.isOutrun ? undefined : watch.lost(error);
    attempt.end(cancelled);
    if (watch.isClientGone || !body.fault) return clientGone();
    return refuse(setting, passage, exchange.refuse(bodyRefusal(body.fault)));
  };
  try {
    const { signal } = watch;
    const { staged } = attempt;
    const { isReplayable } = body;
    const played = staged && (await play(setting, passage, { attempt, staged, signal, isReplayable }));
    if (played === "aborted") return unanswered(played);
    if (played instanceof Response) legs.won(attempt);
    if (played) return played;
    const { method, target } = head;
    const { upstream } = attempt;
    const fields = outgoingFields(setting, passage);
    const outgoing = { method, target, upstream, fields, body: body.take(watch.clientWait), signal };
    let incoming: Incoming;
    try {
      incoming = await setting.forward(outgoing);
    } catch (error) {
      return unanswered(error);
    }
    if (watch.isOutrun || watch.hasMoved) {
      incoming.discard();
      return unanswered(undefined);
    }
    if (!isPassable(incoming.status)) {
      incoming.discard();
      return unanswered(Object.assign(new Error(`status ${incoming.status}`), { code: "InvalidStatus" }));
    }
    watch.headArrived();
    attempt.head(incoming.status);
    exchange.isReplayable = body.isReplayable;
    const next = exchange.answered(incoming.status);
    if (next !== "pass") return { kind: "kept", incoming, watch, next };
    exchange.won(attempt);
    legs.won(attempt);
    return await answerClient(incoming, answerSetting(passage, attempt, watch));
  } catch (bug) {
    watch.abort();
    throw bug;
  } finally {
    watch.release();
  }
}

function watchOf({ request, exchange }: Passage, { attempt, body, legs }: Try): AttemptWatch {
  return new AttemptWatch({
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
    giveUp: (ms) => body.giveUp(ms),
  });
}

function answerSetting(passage: Passage, attempt: Attempt, watch: AttemptWatch): AnswerSetting {
  const bodyIdleMs = passage.exchange.destination?.timeouts.bodyIdleMs ?? 0;
  const { tally } = passage;
  const onStream = (status: number) => {
    tally.streamed = status;
    passage.idleMs = bodyIdleMs;
  };
  const onEnd = (isClientGone: boolean) => endPassage(passage, tally.streamed, isClientGone);
  return { attempt, bodyIdleMs, isHead: passage.head.method === "HEAD", watch, onStream, tally, onEnd };
}

/** The last real answer of an upstream, after the attempt that was to better it has failed. All attempts have ended. */
export async function passOn(setting: FetchHandlerSetting, passage: Passage, kept: Kept): Promise<Response> {
  const answered = await answerClient(kept.incoming, answerSetting(passage, kept.next, kept.watch));
  if (answered instanceof Response) return answered;
  return refuse(setting, passage, passage.exchange.refuse(refusal(answered.reason)));
}

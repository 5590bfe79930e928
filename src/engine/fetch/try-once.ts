/** One attempt of a request: sends it, waits for the answer's head, and says what came of it. */

import type { Attempt } from "../../pool/attempt.ts";
import { cancelled, type Failure, failure } from "../../pool/outcome.ts";
import { refusal } from "../../proxy/refusal.ts";
import { answerClient, type AnswerSetting } from "./answer.ts";
import { AttemptWatch } from "./attempt-watch.ts";
import { outgoingFields } from "./fields.ts";
import { failureOf, type Incoming } from "./forward.ts";
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

/** It waited on an upstream that was found down; the next attempt is counted in already. */
interface Moved {
  readonly kind: "moved";
  readonly next: Attempt;
  /** The log has heard why. */
  readonly isTold?: true;
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
  { attempt, body, legs }: Try,
): Promise<Tried | undefined> {
  const { request, head, exchange } = passage;
  const timeouts = exchange.destination?.timeouts;
  if (!timeouts) throw new Error("Cannot make an attempt: the exchange has no destination");
  const watch = new AttemptWatch({
    client: request.signal,
    limitMs: timeouts.connectMs + timeouts.headMs,
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
  legs.name(attempt, watch);
  try {
    const { staged } = attempt;
    const { signal } = watch;
    const { isReplayable } = body;
    const played = staged && (await play(setting, passage, { attempt, staged, signal, isReplayable }));
    if (played instanceof Response) legs.won(attempt);
    if (played) return played;
    const { method, target } = head;
    const incoming = await setting.forward({
      method,
      target,
      upstream: attempt.upstream,
      fields: outgoingFields(setting, passage),
      body: body.take(watch.clientWait),
      signal,
    });
    if (watch.isOutrun || watch.elsewhere) {
      incoming.discard();
      return watch.elsewhere && { kind: "moved", next: watch.elsewhere };
    }
    watch.headArrived();
    attempt.head(incoming.status);
    exchange.isReplayable = body.isReplayable;
    const next = exchange.answered(incoming.status);
    if (next !== "pass") return { kind: "kept", incoming, watch, next };
    exchange.won(attempt);
    legs.won(attempt);
    return await answerClient(incoming, answerSetting(passage, attempt, watch));
  } catch (error) {
    if (watch.isClientGone || body.fault) {
      attempt.end(cancelled);
      return body.fault && !watch.isClientGone
        ? refuse(setting, passage, exchange.refuse(bodyRefusal(body.fault)))
        : clientGone();
    }
    if (watch.isOutrun) return undefined;
    if (watch.elsewhere) return { kind: "moved", next: watch.elsewhere };
    const failed = watch.cutAs ?? (watch.isLate ? failure("head", "head_timeout") : failureOf(error));
    attempt.end(failed);
    return failed;
  } finally {
    watch.release();
  }
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

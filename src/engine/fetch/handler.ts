/** Drives an exchange with the standard fetch types: from a client's `Request` to its `Response`. */

import type { Attempt } from "../../pool/attempt.ts";
import { cancelled, type Failure, failure, rescued } from "../../pool/outcome.ts";
import type { Exchange } from "../../proxy/exchange.ts";
import type { Head } from "../../proxy/head.ts";
import { answerOf, type Refusal, refusal } from "../../proxy/refusal.ts";
import type { EngineSetting } from "../engine.ts";
import { answerClient, type AnswerSetting } from "./answer.ts";
import { AttemptWatch } from "./attempt-watch.ts";
import { outgoingFields } from "./fields.ts";
import { failureOf, type Forward, type Incoming } from "./forward.ts";
import { play } from "./play.ts";
import { refusalStatus, requestHead } from "./request-head.ts";
import { clientGone, turnOf } from "./turn.ts";
import { type BodyFault, type RequestBody, requestBody } from "./request-body.ts";

export interface FetchHandlerSetting extends EngineSetting {
  readonly forward: Forward;
  /** The port that the listener really has. */
  readonly listenPort: () => number;
  /** Told right before an answer begins how long its client's connection may be idle from here on, milliseconds. */
  readonly answering: (request: Request, idleMs: number) => void;
  /** Requests and tunnels under way, the present one among them. */
  readonly clients: () => number;
  /** Whether clients are to be told to open no further requests on their connections. */
  readonly isDraining: () => boolean;
}

/** One request on its way: what every step of it needs. */
export interface Passage {
  readonly request: Request;
  readonly head: Head;
  readonly exchange: Exchange;
  readonly requestId: string;
  /** How long the client's connection may be idle once the answer begins, milliseconds. */
  idleMs: number;
}

/** Opens the exchange of a request; a Response if its head is refused. */
export function openPassage(
  setting: FetchHandlerSetting,
  request: Request,
  clientAddress: string,
): Passage | Response {
  const head = requestHead(request, clientAddress);
  const requestId = setting.requestId(head.header("x-request-id"));
  const exchange = setting.exchange();
  const passage = { request, head, exchange, requestId, idleMs: setting.clientTimeouts.keepAliveMs };
  if (setting.maxClients !== undefined && setting.clients() > setting.maxClients)
    return refuse(setting, passage, exchange.refuse(refusal("too_many_clients")));
  const status = refusalStatus(head);
  if (status !== undefined)
    return refuse(setting, passage, exchange.refuse(refusal("request_invalid", status)));
  exchange.open(head);
  return passage;
}

/** Carries one request through; never rejects: a bug of ours becomes a 500 with the request's id. */
export async function handle(
  setting: FetchHandlerSetting,
  request: Request,
  clientAddress: string,
): Promise<Response> {
  const passage = openPassage(setting, request, clientAddress);
  const isRefused = passage instanceof Response;
  const response = isRefused
    ? passage
    : await carry(setting, passage).catch((error) => bugAnswer(setting, passage, error));
  setting.answering(request, isRefused ? setting.clientTimeouts.keepAliveMs : passage.idleMs);
  if (setting.isDraining()) response.headers.set("Connection", "close");
  return response;
}

function bugAnswer(setting: EngineSetting, { requestId }: Passage, error: unknown): Response {
  setting.log.bug(error, requestId);
  return new Response(`500 internal_error: a fault of the balancer (request ${requestId})\n`, {
    status: 500,
    headers: { "Content-Type": "text/plain; charset=utf-8", "X-Request-Id": requestId },
  });
}

async function carry(setting: FetchHandlerSetting, passage: Passage): Promise<Response> {
  const { request, exchange } = passage;
  const body = await requestBody(request, {
    idleMs: setting.clientTimeouts.bodyIdleMs,
    admits: (bytes) => exchange.admits(bytes),
  });
  if (typeof body === "string") return refuse(setting, passage, exchange.refuse(bodyRefusal(body)));
  let step = await turnOf(exchange, request.signal);
  if (step === "gone") return clientGone();
  let kept: Kept | undefined;
  for (;;) {
    if (step.kind === "refusal") {
      if (step.passesKept && kept) return passOn(setting, passage, kept);
      return refuse(setting, passage, step);
    }
    const { upstream } = step;
    const tried = await tryOnce(setting, passage, step, body);
    if (tried instanceof Response) {
      kept?.incoming.discard();
      return tried;
    }
    if (tried.kind === "moved") {
      step = tried.next;
      if (!tried.isTold) logFailure(setting, passage, upstream.id, rescued, step);
      continue;
    }
    if (tried.kind === "kept") {
      kept?.incoming.discard();
      kept = tried;
      step = tried.next;
      logRetry(setting, passage, upstream.id, tried);
      continue;
    }
    exchange.isReplayable = body.isReplayable;
    step = exchange.again(tried);
    logFailure(setting, passage, upstream.id, tried, step);
  }
}

/** An answer that is tried elsewhere: its body stays unread, to be passed on should nobody answer better. */
interface Kept {
  readonly kind: "kept";
  readonly incoming: Incoming;
  readonly watch: AttemptWatch;
  readonly next: Attempt;
}

/** It waited on an upstream that was found down; the next attempt is counted in already. */
type Moved = { readonly kind: "moved"; readonly next: Attempt; readonly isTold?: true };

/** One attempt, which has ended or ends with the response's body when this resolves. */
async function tryOnce(
  setting: FetchHandlerSetting,
  passage: Passage,
  attempt: Attempt,
  body: RequestBody,
): Promise<Response | Failure | Kept | Moved> {
  const { request, head, exchange, requestId } = passage;
  const timeouts = exchange.destination?.timeouts;
  if (!timeouts) throw new Error("Cannot make an attempt: the exchange has no destination");
  const watch = new AttemptWatch({
    client: request.signal,
    limitMs: timeouts.connectMs + timeouts.headMs,
    attempt,
    move: () => {
      exchange.isReplayable = body.isReplayable;
      return exchange.rescue();
    },
  });
  try {
    const { staged } = attempt;
    const { signal } = watch;
    const { isReplayable } = body;
    const played = staged && (await play(setting, passage, { attempt, staged, signal, isReplayable }));
    if (played) return played;
    const { method, target } = head;
    const added = { trusts: setting.trusts, listenPort: setting.listenPort(), requestId };
    const incoming = await setting.forward({
      method,
      target,
      upstream: attempt.upstream,
      fields: outgoingFields(request, head, added),
      body: body.take(watch.clientWait),
      signal,
    });
    if (watch.elsewhere) {
      incoming.discard();
      return { kind: "moved", next: watch.elsewhere };
    }
    watch.headArrived();
    attempt.head(incoming.status);
    exchange.isReplayable = body.isReplayable;
    const next = exchange.answered(incoming.status);
    if (next !== "pass") return { kind: "kept", incoming, watch, next };
    return await answerClient(incoming, answerSetting(passage, attempt, watch));
  } catch (error) {
    if (watch.isClientGone || body.fault) {
      attempt.end(cancelled);
      return body.fault && !watch.isClientGone
        ? refuse(setting, passage, exchange.refuse(bodyRefusal(body.fault)))
        : clientGone();
    }
    if (watch.elsewhere) return { kind: "moved", next: watch.elsewhere };
    const failed = watch.isLate ? failure("head", "head_timeout") : failureOf(error);
    attempt.end(failed);
    return failed;
  } finally {
    watch.release();
  }
}

function answerSetting(passage: Passage, attempt: Attempt, watch: AttemptWatch): AnswerSetting {
  const bodyIdleMs = passage.exchange.destination?.timeouts.bodyIdleMs ?? 0;
  const onStream = () => void (passage.idleMs = bodyIdleMs);
  return { attempt, bodyIdleMs, isHead: passage.head.method === "HEAD", watch, onStream };
}

/** The last real answer of an upstream, after the attempt that was to better it has failed. All attempts have ended. */
async function passOn(setting: FetchHandlerSetting, passage: Passage, kept: Kept): Promise<Response> {
  const answered = await answerClient(kept.incoming, answerSetting(passage, kept.next, kept.watch));
  if (answered instanceof Response) return answered;
  return refuse(setting, passage, passage.exchange.refuse(refusal(answered.reason)));
}

function bodyRefusal(fault: BodyFault): Refusal {
  return fault === "stalled" ? refusal("request_invalid", 408) : refusal("request_too_large");
}

/** The balancer's own answer. */
export function refuse(setting: EngineSetting, { head, requestId }: Passage, given: Refusal): Response {
  const answer = answerOf(given, head.header("accept"), requestId);
  if (given.notRetried === undefined) {
    setting.log.fault("refused", { requestId, reason: given.reason, status: given.status });
  }
  return new Response(head.method === "HEAD" ? null : answer.body, {
    status: answer.status,
    headers: answer.fields.map(([name, value]): [string, string] => [name, value]),
  });
}

/** Says what failed where, and what follows from it. */
export function logFailure(
  setting: EngineSetting,
  { head, requestId }: Passage,
  upstream: string,
  failed: Failure,
  next: Attempt | Refusal,
): void {
  const { reason, phase, detail } = failed;
  const followed =
    next.kind === "attempt" ? { retriedOn: next.upstream.id } : { notRetried: next.notRetried };
  const fields = { requestId, method: head.method, upstream, reason, phase, detail, ...followed };
  setting.log.fault("attempt failed", fields);
}

/** Says which answer was not good enough to be passed on at once. */
function logRetry(setting: EngineSetting, { head, requestId }: Passage, upstream: string, kept: Kept): void {
  const { status } = kept.incoming;
  const retriedOn = kept.next.upstream.id;
  setting.log.fault("attempt answered badly", {
    requestId,
    method: head.method,
    upstream,
    status,
    retriedOn,
  });
}

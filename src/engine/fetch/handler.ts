/** Drives an exchange with the standard fetch types: from a client's `Request` to its `Response`. */

import type { Attempt } from "../../pool/attempt.ts";
import { type Failure, rescued } from "../../pool/outcome.ts";
import type { Exchange } from "../../proxy/exchange.ts";
import type { RequestHead } from "../../proxy/head.ts";
import { type Refusal, refusal } from "../../proxy/refusal.ts";
import type { EngineOptions } from "../engine.ts";
import type { Redirected } from "./attempt-watch.ts";
import { closeWithResponse, newByteCounts, type ByteCounts } from "./end-passage.ts";
import type { Forward } from "./forward.ts";
import { AttemptRace } from "./legs.ts";
import { bodyRefusal, internalError, logFailedTry, logRetry, refusalResponse } from "./own-words.ts";
import { type RequestBody, requestBody } from "./request-body.ts";
import { refusalForHead, headOfRequest } from "./request-head.ts";
import { type HeldResponse, forwardHeld, type AttemptResult, runAttempt } from "./try-once.ts";
import { clientClosedResponse, firstStep } from "./turn.ts";

export interface FetchEngineContext extends EngineOptions {
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
export interface RequestContext {
  readonly request: Request;
  readonly head: RequestHead;
  readonly exchange: Exchange;
  readonly requestId: string;
  /** How long the client's connection may be idle once the answer begins, milliseconds. */
  idleMs: number;
  readonly tally: ByteCounts;
}

/** Opens the exchange of a request; a Response if its head is refused. */
export function openExchange(
  options: FetchEngineContext,
  request: Request,
  clientAddress: string,
): RequestContext | Response {
  const head = headOfRequest(request, clientAddress);
  const requestId = options.requestId(head.header("x-request-id"));
  const exchange = options.exchange();
  const passage = {
    request,
    head,
    exchange,
    requestId,
    idleMs: options.clientTimeouts.keepAliveMs,
    tally: newByteCounts(),
  };
  if (options.maxClients !== undefined && options.clients() > options.maxClients)
    return closeWithResponse(
      passage,
      refusalResponse(options, passage, exchange.refuse(refusal("too_many_clients"))),
    );
  const refused = refusalForHead(head);
  if (refused) return closeWithResponse(passage, refusalResponse(options, passage, exchange.refuse(refused)));
  exchange.open(head);
  return passage;
}

/** Carries one request through; never rejects: a bug of ours becomes a 500 with the request's id. */
export async function handleRequest(
  options: FetchEngineContext,
  request: Request,
  clientAddress: string,
): Promise<Response> {
  const passage = openExchange(options, request, clientAddress);
  const isRefused = passage instanceof Response;
  const response = isRefused
    ? passage
    : await carry(options, passage).catch((error) => internalError(options, passage, error));
  if (!isRefused && passage.tally.streamed === 0) closeWithResponse(passage, response);
  options.answering(request, isRefused ? options.clientTimeouts.keepAliveMs : passage.idleMs);
  if (options.isDraining()) response.headers.set("Connection", "close");
  return response;
}

async function carry(options: FetchEngineContext, passage: RequestContext): Promise<Response> {
  const { request, exchange } = passage;
  const body = await requestBody(request, {
    idleMs: options.clientTimeouts.bodyIdleMs,
    admits: (bytes) => {
      passage.tally.bytesIn = Math.max(passage.tally.bytesIn, bytes);
      return exchange.allowsBodySize(bytes);
    },
  });
  if (typeof body === "string") return refusalResponse(options, passage, exchange.refuse(bodyRefusal(body)));
  const first = await firstStep(exchange, request.signal);
  if (first === "gone") return clientClosedResponse();
  const legs: AttemptRace<AttemptResult> = new AttemptRace((attempt) =>
    runAttempt(options, passage, { attempt, body, legs }),
  );
  try {
    return await follow(options, passage, { first, body, legs });
  } catch (bug) {
    legs.cancelAll();
    throw bug;
  }
}

interface Course {
  readonly first: Attempt | Refusal;
  readonly body: RequestBody;
  readonly legs: AttemptRace<AttemptResult>;
}

/** From step to step, until one of them is answered or there is none left. */
async function follow(
  options: FetchEngineContext,
  passage: RequestContext,
  { first, body, legs }: Course,
): Promise<Response> {
  let step = first;
  let kept: HeldResponse | undefined;
  try {
    for (;;) {
      if (step.kind === "refusal") {
        const last = step.usesHeldResponse && kept;
        if (!last) return refusalResponse(options, passage, step);
        kept = undefined;
        return forwardHeld(options, passage, last);
      }
      legs.follow(step);
      const { upstream, result: tried } = await legs.next();
      if (tried instanceof Response) return tried;
      if (tried.kind === "kept") {
        kept?.incoming.discard();
        kept = tried;
        step = tried.next;
        const answered = { upstream, status: tried.incoming.status, retriedOn: step.upstream.id };
        logRetry(options, passage, answered);
      } else {
        passage.exchange.isReplayable = body.isReplayable;
        step = nextStep(options, passage, upstream, tried);
      }
    }
  } finally {
    kept?.incoming.discard();
  }
}

/** What follows an attempt on that upstream which has no answer; the log hears why. */
export function nextStep(
  options: FetchEngineContext,
  passage: RequestContext,
  upstream: string,
  tried: Redirected | Failure,
): Attempt | Refusal {
  if (tried.kind === "moved") {
    if (!tried.isTold) logFailedTry(options, passage, upstream, rescued, tried.next);
    return tried.next;
  }
  const step = passage.exchange.retryAfter(tried);
  logFailedTry(options, passage, upstream, tried, step);
  return step;
}

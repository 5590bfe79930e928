/** Drives an exchange with the standard fetch types: from a client's `Request` to its `Response`. */

import type { Attempt } from "../../pool/attempt.ts";
import { type Failure, rescued } from "../../pool/outcome.ts";
import { maxTimesThrough, timesThrough } from "../../proxy/forwarding.ts";
import type { Exchange } from "../../proxy/exchange.ts";
import { type Refusal, refusal } from "../../proxy/refusal.ts";
import type { Redirected } from "./attempt-monitor.ts";
import { readRequestFields } from "./headers.ts";
import {
  closeWithResponse,
  type FetchEngineContext,
  holdClient,
  newByteCounts,
  type RequestContext,
} from "./request-context.ts";
import { headOfRequest, refusalForHead } from "./request-head.ts";
import { AttemptRace, clientClosedResponse, waitForTurn } from "./attempt-race.ts";
import { bodyRefusal, internalError, logFailedAttempt, logRetry, refusalResponse } from "./local-replies.ts";
import { type BodyProblem, mayHaveBody, emptyBody, type RequestBody, requestBody } from "./request-body.ts";
import { type HeldResponse, forwardHeld, type AttemptResult, runAttempt } from "./attempt-runner.ts";

/** Opens the exchange of a request; a Response if its head is refused. */
export function openExchange(
  options: FetchEngineContext,
  request: Request,
  peer: string,
): RequestContext | Response {
  const head = headOfRequest(request, peer, options);
  const fields = readRequestFields(request.headers);
  const requestId = options.requestId(head.header("x-request-id"));
  const exchange = options.exchanges.take();
  const { meter } = options.listener;
  if (meter && options.protocol === "h3") meter.http3 += 1;
  else if (meter) meter.unknown += 1;
  const context = {
    request,
    head,
    fields,
    exchange,
    listener: options.listener,
    protocol: options.protocol,
    requestId,
    log: options.log,
    isClientHeld: false,
    idleMs: options.clientTimeouts.keepAliveMs,
    byteCounts: newByteCounts(),
    hasSettled: false,
  };
  const { maxClients } = options.listener;
  if (maxClients !== undefined && options.active() > maxClients)
    return closeWithResponse(
      context,
      refusalResponse(options, context, exchange.refuse(refusal("too_many_clients"))),
    );
  const refused = refusalForHead(head, fields, request, options);
  if (refused) return closeWithResponse(context, refusalResponse(options, context, exchange.refuse(refused)));
  exchange.open(head, options.listener.rules, requestId);
  if (exchange.localReply)
    return closeWithResponse(
      context,
      refusalResponse(options, context, exchange.refuse(exchange.localReply)),
    );
  if (timesThrough(fields.via, options.viaName) >= maxTimesThrough)
    return closeWithResponse(context, refusalResponse(options, context, exchange.refuse(refusal("loop"))));
  return context;
}

/** Serves one request. Never rejects: an exception becomes a 500 with the request's id. */
export async function handleRequest(
  options: FetchEngineContext,
  request: Request,
  peer: string,
): Promise<Response> {
  const context = openExchange(options, request, peer);
  if (context instanceof Response)
    return sendResponse(options, request, context, options.clientTimeouts.keepAliveMs);
  let response: Response;
  try {
    response = await driveExchange(options, context);
  } catch (error) {
    response = internalError(options, context, error);
  }
  if (context.byteCounts.streamedStatus === 0) {
    closeWithResponse(context, response);
    if (context.hasSettled) options.exchanges.giveBack(context.exchange);
  }
  return sendResponse(options, request, response, context.idleMs);
}

function sendResponse(
  options: FetchEngineContext,
  request: Request,
  response: Response,
  idleMs: number,
): Response {
  options.setIdleTimeout(request, idleMs);
  if (options.isDraining()) response.headers.set("Connection", "close");
  return response;
}

function driveExchange(options: FetchEngineContext, context: RequestContext): Promise<Response> {
  const { request, fields } = context;
  const hasBody = options.framesBodies ? fields.announcesBody : mayHaveBody(request);
  return hasBody ? driveWithBody(options, context) : driveAttempts(options, context, emptyBody);
}

async function driveWithBody(options: FetchEngineContext, context: RequestContext): Promise<Response> {
  holdClient(options, context);
  const body = await arrivingBody(options, context);
  return typeof body === "string"
    ? refusalResponse(options, context, context.exchange.refuse(bodyRefusal(body)))
    : driveAttempts(options, context, body);
}

function arrivingBody(
  options: FetchEngineContext,
  { request, exchange, byteCounts }: RequestContext,
): Promise<RequestBody | BodyProblem | "late"> {
  const arriving = requestBody(request, {
    idleMs: options.clientTimeouts.bodyIdleMs,
    admits: (bytes) => {
      byteCounts.bytesIn = Math.max(byteCounts.bytesIn, bytes);
      return exchange.allowsBodySize(bytes);
    },
  });
  return withinDeadline(exchange, arriving);
}

/** The body; "late" if the deadline of the exchange passed first. */
function withinDeadline<Body>(exchange: Exchange, arriving: Promise<Body>): Promise<Body | "late"> {
  if (exchange.destination?.timeouts.totalMs === undefined) return arriving;
  return new Promise((resolve, reject) => {
    exchange.onLate = () => resolve("late");
    arriving.then(resolve, reject);
  });
}

/** Runs attempts until one gets a response or a refusal ends the request. */
async function driveAttempts(
  options: FetchEngineContext,
  context: RequestContext,
  body: RequestBody,
): Promise<Response> {
  const { exchange } = context;
  const start = exchange.next();
  let step = start.kind === "wait" ? await firstTurn(options, context) : start;
  if (step === "gone") return clientClosedResponse();
  const race = new AttemptRace<AttemptResult>((attempt, running) =>
    runAttempt(options, context, { attempt, body, race: running }),
  );
  let held: HeldResponse | undefined;
  try {
    for (;;) {
      if (step.kind === "refusal") {
        const last = held;
        held = undefined;
        const response = await answerRefusal(options, context, step, last);
        context.hasSettled = race.isSettled && body.isWhole;
        return response;
      }
      race.run(step);
      const { upstream, result } = await race.next();
      if (result instanceof Response) {
        context.hasSettled = race.isSettled && body.isWhole;
        return result;
      }
      if (result.kind === "held") {
        held?.incoming.discard();
        held = result;
        step = result.next;
        const discarded = { upstream, status: result.incoming.status, retriedOn: step.upstream.id };
        logRetry(options, context, discarded);
      } else {
        step = nextStep(options, context, { upstream, result, isReplayable: body.isReplayable });
      }
    }
  } catch (bug) {
    race.cancelAll();
    throw bug;
  } finally {
    held?.incoming.discard();
  }
}

/** Sends the held response where the refusal says so and it is still whole. */
async function answerRefusal(
  options: FetchEngineContext,
  context: RequestContext,
  refused: Refusal,
  held: HeldResponse | undefined,
): Promise<Response> {
  if (!refused.usesHeldResponse) {
    held?.incoming.discard();
    return refusalResponse(options, context, refused);
  }
  const response = held && (await forwardHeld(held));
  return response ?? refusalResponse(options, context, context.exchange.refuse(refused));
}

/** The first step after a wait in the queue, or for a filter. */
export function firstTurn(
  options: FetchEngineContext,
  context: RequestContext,
): Promise<Attempt | Refusal | "gone"> {
  holdClient(options, context);
  return waitForTurn(context.exchange, context.request.signal);
}

/** An attempt that got no response. */
interface LostAttempt {
  readonly upstream: string;
  readonly result: Redirected | Failure;
  /** Whether the request's body can be sent again from its first byte. */
  readonly isReplayable: boolean;
}

/** What follows an attempt that got no response; logs why. */
export function nextStep(
  options: FetchEngineContext,
  context: RequestContext,
  { upstream, result, isReplayable }: LostAttempt,
): Attempt | Refusal {
  if (result.kind === "moved") {
    if (!result.isLogged) logFailedAttempt(options, context, upstream, rescued, result.next);
    return result.next;
  }
  const step = context.exchange.retryAfter(result, isReplayable);
  logFailedAttempt(options, context, upstream, result, step);
  return step;
}

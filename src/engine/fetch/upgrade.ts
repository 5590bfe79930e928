/** Drives the exchange of a WebSocket handshake: like any request, but what comes back is a tunnel. */

import type { Attempt } from "../../pool/attempt.ts";
import { cancelled, type Failure } from "../../pool/outcome.ts";
import { isGatewayFailure } from "../../pool/sign.ts";
import type { Address } from "../../pool/upstream.ts";
import { refusalForViolation, refusal } from "../../proxy/refusal.ts";
import { AttemptMonitor, headLimitMs, type Redirected } from "./attempt-watch.ts";
import { upstreamHeaders } from "./fields.ts";
import { failureOf } from "./forward.ts";
import { closeWithResponse, closeExchange } from "./end-passage.ts";
import { type FetchEngineContext, openExchange, type RequestContext, nextStep } from "./handler.ts";
import { internalError, refusalResponse } from "./own-words.ts";
import { applyInterception } from "./play.ts";
import { clientClosedResponse, firstStep } from "./turn.ts";
import { handshakeOptions, isSound, WebSocketTunnel, webSocketUrl } from "./websocket.ts";

/** Opens an upstream's WebSocket: the standard constructor cannot send fields, each runtime's own can. */
export type OpenWebSocket = (
  url: string,
  options: ReturnType<typeof handshakeOptions>,
  address: Address,
) => WebSocket;

/** A tunnel whose upstream has agreed and which waits for its client; or what to answer instead. */
export async function openWebSocketTunnel(
  options: FetchEngineContext,
  open: OpenWebSocket,
  request: Request,
  clientAddress: string,
): Promise<WebSocketTunnel | Response> {
  const passage = openExchange(options, request, clientAddress);
  if (passage instanceof Response) return passage;
  const joined = await joinUpstream(options, open, passage).catch((error) =>
    internalError(options, passage, error),
  );
  if (joined instanceof Response) return closeWithResponse(passage, joined);
  joined.whenEnded((isClientGone) => {
    passage.tally.bytesIn += joined.bytesIn;
    passage.tally.bytesOut += joined.bytesOut;
    closeExchange(passage, joined.status, isClientGone);
  });
  return joined;
}

const unsound = refusalForViolation({ status: 400, text: "the handshake of the WebSocket is not valid" });

async function joinUpstream(
  options: FetchEngineContext,
  open: OpenWebSocket,
  passage: RequestContext,
): Promise<WebSocketTunnel | Response> {
  if (!isSound(passage.request)) {
    return refusalResponse(options, passage, passage.exchange.refuse(unsound));
  }
  const first = await firstStep(passage.exchange, passage.request.signal);
  if (first === "gone") return clientClosedResponse();
  let step = first;
  for (;;) {
    if (step.kind === "refusal") return refusalResponse(options, passage, step);
    const { id } = step.upstream;
    const joined = await shakeHands(options, open, passage, step);
    if (joined instanceof WebSocketTunnel || joined instanceof Response) return joined;
    step = nextStep(options, passage, id, joined);
  }
}

/** One attempt of a handshake, which has ended unless this resolves with its tunnel. */
async function shakeHands(
  setting: FetchEngineContext,
  open: OpenWebSocket,
  passage: RequestContext,
  attempt: Attempt,
): Promise<WebSocketTunnel | Response | Redirected | Failure> {
  const { request, exchange, head } = passage;
  const watch = new AttemptMonitor({
    client: request.signal,
    limitMs: headLimitMs(exchange),
    attempt,
    move: () => exchange.rescue(attempt),
  });
  const { signal } = watch;
  const unanswered = (error: unknown): Response | Redirected | Failure => {
    if (!watch.isClientGone) return watch.lost(error);
    attempt.end(cancelled);
    return clientClosedResponse();
  };
  try {
    const { interception: staged } = attempt;
    const played =
      staged && (await applyInterception(setting, passage, { attempt, staged, signal, isReplayable: true }));
    if (played === "aborted") return unanswered(played);
    if (played) return played;
    const options = handshakeOptions(request, upstreamHeaders(setting, passage));
    const url = webSocketUrl(attempt, head.target);
    const tunnel = new WebSocketTunnel(attempt, open(url, options, attempt.upstream.address));
    try {
      await tunnel.opened(signal);
      signal.throwIfAborted();
    } catch (error) {
      if (signal.aborted || !isAnswered(error)) return unanswered(error);
      attempt.end(cancelled);
      return refusalResponse(setting, passage, exchange.refuse(refusal(failureOf(error).reason)));
    }
    exchange.commit(attempt);
    tunnel.begin();
    return tunnel;
  } finally {
    watch.release();
  }
}

/**
 * Whether the upstream answered the handshake with another status than 101, as far as the runtime's words tell. That is its
 * right, and must not speak against it: or clients could get upstreams ejected by asking for WebSockets where there are
 * none. Gateway failures do.
 */
function isAnswered(error: unknown): boolean {
  const status = /\bstatus code\b\D*(\d{3})?/i.exec(String(error));
  return status !== null && !isGatewayFailure(Number(status[1]));
}

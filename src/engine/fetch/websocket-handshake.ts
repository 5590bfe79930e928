/** Drives the exchange of a WebSocket handshake: like any request, but what comes back is a tunnel. */

import type { Attempt } from "../../pool/attempt.ts";
import { cancelled, type Failure } from "../../pool/outcome.ts";
import { isGatewayFailure } from "../../proxy/response-class.ts";
import type { Address } from "../../net/address.ts";
import { refusalForViolation, refusal } from "../../proxy/refusal.ts";
import { AttemptMonitor, headLimitMs, type Redirected } from "./attempt-monitor.ts";
import { upstreamHeaders } from "./headers.ts";
import { failureOf } from "./forward.ts";
import { closeWithResponse, closeExchange } from "./request-context.ts";
import { openExchange, nextStep } from "./handler.ts";
import { type RequestContext } from "./request-context.ts";
import { type FetchEngineContext } from "./request-context.ts";
import { internalError, refusalResponse } from "./local-replies.ts";
import { applyInterception } from "./attempt-runner.ts";
import { clientClosedResponse, firstStep } from "./attempt-race.ts";
import { handshakeOptions, isSound, WebSocketTunnel, webSocketUrl } from "./websocket-tunnel.ts";

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
  const context = openExchange(options, request, clientAddress);
  if (context instanceof Response) return context;
  const joined = await connectUpstream(options, open, context).catch((error) =>
    internalError(options, context, error),
  );
  if (joined instanceof Response) return closeWithResponse(context, joined);
  joined.whenEnded((isClientGone) => {
    context.byteCounts.bytesIn += joined.bytesIn;
    context.byteCounts.bytesOut += joined.bytesOut;
    closeExchange(context, joined.status, isClientGone);
  });
  return joined;
}

const handshakeProblem = refusalForViolation({
  status: 400,
  text: "the handshake of the WebSocket is not valid",
});

async function connectUpstream(
  options: FetchEngineContext,
  open: OpenWebSocket,
  context: RequestContext,
): Promise<WebSocketTunnel | Response> {
  if (!isSound(context.request)) {
    return refusalResponse(options, context, context.exchange.refuse(handshakeProblem));
  }
  const first = await firstStep(context.exchange, context.request.signal);
  if (first === "gone") return clientClosedResponse();
  let step = first;
  for (;;) {
    if (step.kind === "refusal") return refusalResponse(options, context, step);
    const { id } = step.upstream;
    const joined = await handshake(options, open, context, step);
    if (joined instanceof WebSocketTunnel || joined instanceof Response) return joined;
    step = nextStep(options, context, { upstream: id, tried: joined, isReplayable: true });
  }
}

/** One attempt of a handshake, which has ended unless this resolves with its tunnel. */
async function handshake(
  setting: FetchEngineContext,
  open: OpenWebSocket,
  context: RequestContext,
  attempt: Attempt,
): Promise<WebSocketTunnel | Response | Redirected | Failure> {
  const { request, exchange, head } = context;
  const watch = new AttemptMonitor({
    client: request.signal,
    limitMs: headLimitMs(exchange),
    attempt,
    redirect: () => exchange.rescue(true, attempt),
  });
  const { signal } = watch;
  const withoutResponse = (error: unknown): Response | Redirected | Failure => {
    if (!watch.isClientGone) return watch.lost(error);
    attempt.end(cancelled);
    return clientClosedResponse();
  };
  try {
    const interception = exchange.interceptionOf(attempt);
    const input = interception && { attempt, interception, signal, isReplayable: true };
    const result = input && (await applyInterception(setting, context, input));
    if (result === "aborted") return withoutResponse(result);
    if (result) return result;
    const options = handshakeOptions(request, upstreamHeaders(setting, context));
    const url = webSocketUrl(attempt, head.target);
    const tunnel = new WebSocketTunnel(attempt, open(url, options, attempt.upstream.address));
    try {
      await tunnel.opened(signal);
      signal.throwIfAborted();
    } catch (error) {
      if (signal.aborted || !hasResponse(error)) return withoutResponse(error);
      attempt.end(cancelled);
      return refusalResponse(setting, context, exchange.refuse(refusal(failureOf(error).reason)));
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
function hasResponse(error: unknown): boolean {
  const status = /\bstatus code\b\D*(\d{3})?/i.exec(String(error));
  return status !== null && !isGatewayFailure(Number(status[1]));
}

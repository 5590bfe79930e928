/** Drives the exchange of a WebSocket handshake: like any request, but its result is a tunnel. */

import type { Attempt } from "../../pool/attempt.ts";
import { cancelled, type Failure } from "../../pool/outcome.ts";
import type { Upstream } from "../../pool/upstream.ts";
import { isGatewayFailure } from "../../proxy/response-class.ts";
import { refusalForViolation, refusal } from "../../proxy/refusal.ts";
import { AttemptMonitor, type Redirected } from "./attempt-monitor.ts";
import { upstreamHeaders } from "./headers.ts";
import {
  closeExchange,
  closeWithResponse,
  type FetchEngineContext,
  type RequestContext,
} from "./request-context.ts";
import { firstTurn, openExchange, nextStep } from "./handler.ts";
import { internalError, logRefusal, refusalResponse } from "./local-replies.ts";
import { applyInterception } from "./attempt-runner.ts";
import { clientClosedResponse } from "./attempt-race.ts";
import { emptyBody } from "./request-body.ts";
import type { UpstreamSide } from "./websocket-side.ts";
import { handshakeOptions, hasValidSubprotocols, WebSocketTunnel } from "./websocket-tunnel.ts";

/** Opens an upstream's WebSocket with headers, which each runtime's constructor accepts and the standard one does not. */
export type OpenWebSocket = (
  upstream: Upstream,
  target: string,
  options: ReturnType<typeof handshakeOptions>,
  maxMessageBytes: number,
) => UpstreamSide;

/** A tunnel whose upstream accepted the handshake and which waits for its client; or the response to send. */
export async function openWebSocketTunnel(
  options: FetchEngineContext,
  open: OpenWebSocket,
  request: Request,
  peer: string,
): Promise<WebSocketTunnel | Response> {
  const context = openExchange(options, request, peer);
  if (context instanceof Response) return context;
  const result = await connectUpstream(options, open, context).catch((error) =>
    internalError(options, context, error),
  );
  if (result instanceof Response) return closeWithResponse(context, result);
  result.whenEnded((isClientGone) => {
    context.byteCounts.bytesIn += result.bytesIn;
    context.byteCounts.bytesOut += result.bytesOut;
    closeExchange(context, result.status, isClientGone);
  });
  return result;
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
  if (!hasValidSubprotocols(context.request)) {
    return refusalResponse(options, context, context.exchange.refuse(handshakeProblem));
  }
  const start = context.exchange.next();
  let step = start.kind === "wait" ? await firstTurn(options, context) : start;
  if (step === "gone") return clientClosedResponse();
  for (;;) {
    if (step.kind === "refusal") return refusalResponse(options, context, step);
    const { id } = step.upstream;
    const result = await handshake(options, open, context, step);
    if (result instanceof WebSocketTunnel || result instanceof Response) return result;
    step = nextStep(options, context, { upstream: id, result, isReplayable: true });
  }
}

/** One attempt of a handshake. It has ended unless this resolves with its tunnel. */
async function handshake(
  engineContext: FetchEngineContext,
  open: OpenWebSocket,
  context: RequestContext,
  attempt: Attempt,
): Promise<WebSocketTunnel | Response | Redirected | Failure> {
  const { request, exchange, head } = context;
  const monitor = new AttemptMonitor({ engine: engineContext, context, attempt, body: emptyBody });
  const { signal } = monitor;
  const withoutResponse = (error: unknown): Response | Redirected | Failure => {
    if (!monitor.isClientGone) return monitor.lost(error);
    attempt.end(cancelled);
    return clientClosedResponse();
  };
  try {
    const interception = exchange.interceptionOf(attempt);
    const input = interception && { attempt, interception, signal, isReplayable: true };
    const result = input && (await applyInterception(engineContext, context, input));
    if (result === "aborted") return withoutResponse(result);
    if (result) return result;
    const edit = exchange.requestEditFor(attempt);
    const options = handshakeOptions(request, upstreamHeaders(engineContext, context, edit));
    const maxMessageBytes = engineContext.limits.webSocketMessageBytes;
    const tunnel = new WebSocketTunnel({
      attempt,
      upstream: open(attempt.upstream, edit?.target ?? head.target, options, maxMessageBytes),
      buffers: engineContext.buffers,
      maxMessageBytes,
      onRefused: (reason) => logRefusal(engineContext, context, exchange.refuse(refusal(reason))),
    });
    try {
      await tunnel.opened(signal);
      signal.throwIfAborted();
    } catch (error) {
      if (signal.aborted || !hasResponse(error)) return withoutResponse(error);
      attempt.end(cancelled);
      return refusalResponse(engineContext, context, exchange.refuse(handshakeRefused));
    }
    exchange.commit(attempt);
    tunnel.begin();
    tunnel.responseEdit = exchange.responseEdit;
    return tunnel;
  } finally {
    monitor.release();
  }
}

/** The runtimes show no response to a handshake but a 101. */
const handshakeRefused = { ...refusal("answer_refused"), violation: "another status than 101" };

/**
 * Whether the upstream sent another status than 101, as far as the runtime's error text shows. Such a response does not count
 * against the upstream: else clients could get upstreams ejected by requesting WebSockets where there are none. Gateway
 * failures count.
 */
function hasResponse(error: unknown): boolean {
  const status = /\bstatus code\b\D*(\d{3})?|\bserver response: (\d{3})/i.exec(String(error));
  return status !== null && !isGatewayFailure(Number(status[1] ?? status[2]));
}

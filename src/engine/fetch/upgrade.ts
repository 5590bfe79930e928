/** Drives the exchange of a WebSocket handshake: like any request, but what comes back is a tunnel. */

import type { Attempt } from "../../pool/attempt.ts";
import { cancelled, type Failure } from "../../pool/outcome.ts";
import { isGatewayFailure } from "../../pool/sign.ts";
import type { Address } from "../../pool/upstream.ts";
import { invalid, refusal } from "../../proxy/refusal.ts";
import { AttemptWatch, headLimitMs, type Moved } from "./attempt-watch.ts";
import { outgoingFields } from "./fields.ts";
import { failureOf } from "./forward.ts";
import { ended, endPassage } from "./end-passage.ts";
import { type FetchHandlerSetting, openPassage, type Passage, stepAfter } from "./handler.ts";
import { bugAnswer, refuse } from "./own-words.ts";
import { play } from "./play.ts";
import { clientGone, turnOf } from "./turn.ts";
import { handshakeOptions, isSound, Tunnel, webSocketUrl } from "./websocket.ts";

/** Opens an upstream's WebSocket: the standard constructor cannot send fields, each runtime's own can. */
export type OpenWebSocket = (
  url: string,
  options: ReturnType<typeof handshakeOptions>,
  address: Address,
) => WebSocket;

/** A tunnel whose upstream has agreed and which waits for its client; or what to answer instead. */
export async function openTunnel(
  setting: FetchHandlerSetting,
  open: OpenWebSocket,
  request: Request,
  clientAddress: string,
): Promise<Tunnel | Response> {
  const passage = openPassage(setting, request, clientAddress);
  if (passage instanceof Response) return passage;
  const joined = await joinUpstream(setting, open, passage).catch((error) =>
    bugAnswer(setting, passage, error),
  );
  if (joined instanceof Response) return ended(passage, joined);
  joined.whenEnded((isClientGone) => {
    passage.tally.bytesIn += joined.bytesIn;
    passage.tally.bytesOut += joined.bytesOut;
    endPassage(passage, joined.status, isClientGone);
  });
  return joined;
}

const unsound = invalid({ status: 400, text: "the handshake of the WebSocket is not valid" });

async function joinUpstream(
  setting: FetchHandlerSetting,
  open: OpenWebSocket,
  passage: Passage,
): Promise<Tunnel | Response> {
  if (!isSound(passage.request)) {
    return refuse(setting, passage, passage.exchange.refuse(unsound));
  }
  const first = await turnOf(passage.exchange, passage.request.signal);
  if (first === "gone") return clientGone();
  let step = first;
  for (;;) {
    if (step.kind === "refusal") return refuse(setting, passage, step);
    const { id } = step.upstream;
    const joined = await shakeHands(setting, open, passage, step);
    if (joined instanceof Tunnel || joined instanceof Response) return joined;
    step = stepAfter(setting, passage, id, joined);
  }
}

/** One attempt of a handshake, which has ended unless this resolves with its tunnel. */
async function shakeHands(
  setting: FetchHandlerSetting,
  open: OpenWebSocket,
  passage: Passage,
  attempt: Attempt,
): Promise<Tunnel | Response | Moved | Failure> {
  const { request, exchange, head } = passage;
  const watch = new AttemptWatch({
    client: request.signal,
    limitMs: headLimitMs(exchange),
    attempt,
    move: () => exchange.rescue(attempt),
  });
  const { signal } = watch;
  const unanswered = (error: unknown): Response | Moved | Failure => {
    if (!watch.isClientGone) return watch.lost(error);
    attempt.end(cancelled);
    return clientGone();
  };
  try {
    const { staged } = attempt;
    const played = staged && (await play(setting, passage, { attempt, staged, signal, isReplayable: true }));
    if (played === "aborted") return unanswered(played);
    if (played) return played;
    const options = handshakeOptions(request, outgoingFields(setting, passage));
    const url = webSocketUrl(attempt, head.target);
    const tunnel = new Tunnel(attempt, open(url, options, attempt.upstream.address));
    try {
      await tunnel.opened(signal);
      signal.throwIfAborted();
    } catch (error) {
      if (signal.aborted || !isAnswered(error)) return unanswered(error);
      attempt.end(cancelled);
      return refuse(setting, passage, exchange.refuse(refusal(failureOf(error).reason)));
    }
    exchange.won(attempt);
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

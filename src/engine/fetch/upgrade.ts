/** Drives the exchange of a WebSocket handshake: like any request, but what comes back is a tunnel. */

import type { Attempt } from "../../pool/attempt.ts";
import { cancelled, type Failure, rescued } from "../../pool/outcome.ts";
import { isGatewayFailure } from "../../pool/outlier.ts";
import type { Address } from "../../pool/upstream.ts";
import { type Refusal, refusal } from "../../proxy/refusal.ts";
import { outgoingFields } from "./fields.ts";
import { failureOf } from "./forward.ts";
import { ended, endPassage } from "./end-passage.ts";
import { type FetchHandlerSetting, openPassage, type Passage } from "./handler.ts";
import { bugAnswer, logFailure, refuse } from "./own-words.ts";
import { play, type Scene } from "./play.ts";
import { clientGone, turnOf } from "./turn.ts";
import { handshakeOptions, Tunnel, webSocketUrl } from "./websocket.ts";

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

async function joinUpstream(
  setting: FetchHandlerSetting,
  open: OpenWebSocket,
  passage: Passage,
): Promise<Tunnel | Response> {
  const { request, exchange, head } = passage;
  const turn = await turnOf(exchange, request.signal);
  if (turn === "gone") return clientGone();
  let step: Attempt | Refusal = turn;
  for (;;) {
    if (step.kind === "refusal") return refuse(setting, passage, step);
    const { upstream } = step;
    const options = handshakeOptions(request, outgoingFields(setting, passage));
    const attempt = step;
    let failed: Failure;
    let tunnel: Tunnel | undefined;
    try {
      const { signal } = request;
      const scene: Scene | undefined = attempt.staged && {
        ...{ attempt, staged: attempt.staged, signal, isReplayable: true },
      };
      const played = scene && (await play(setting, passage, scene));
      if (played instanceof Response) return played;
      if (played?.kind === "moved") {
        step = played.next;
        continue;
      }
      if (played) throw new Played(played);
      const socket = open(webSocketUrl(attempt, head.target), options, upstream.address);
      tunnel = new Tunnel(attempt, socket, () => exchange.rescue(attempt));
      await tunnel.opened(exchange.destination?.timeouts.headMs ?? 0);
      if (request.signal.aborted) {
        tunnel.abandon();
        return clientGone();
      }
      attempt.head(101);
      exchange.won(attempt);
      return tunnel;
    } catch (error) {
      if (tunnel?.elsewhere) {
        step = tunnel.elsewhere;
        logFailure(setting, passage, upstream.id, rescued, step);
        continue;
      }
      failed = error instanceof Played ? error.failed : (tunnel?.cutAs ?? failureOf(error));
      const isAnswer = isAnswered(error);
      attempt.end(request.signal.aborted || isAnswer ? cancelled : failed);
      if (isAnswer) return refuse(setting, passage, exchange.refuse(refusal(failed.reason)));
    }
    step = exchange.again(failed);
    logFailure(setting, passage, upstream.id, failed, step);
  }
}

/** A failure that was played, on its way to where real ones end up. */
class Played extends Error {
  readonly failed: Failure;

  constructor(failed: Failure) {
    super(failed.reason);
    this.failed = failed;
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

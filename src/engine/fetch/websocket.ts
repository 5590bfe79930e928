/** Joins a client's WebSocket with an upstream's: messages and close codes pass in both directions. */

import { systemSchedule } from "../../lib/clock.ts";
import type { Attempt, Carrier } from "../../pool/attempt.ts";
import { cancelled, type Failure, failure, type Outcome, responded } from "../../pool/outcome.ts";
import { originOf } from "../../pool/upstream.ts";
import { errorOf } from "./websocket-error.ts";

/** The client's side, as either runtime offers it. */
export interface ClientSocket {
  send(message: string | Uint8Array<ArrayBuffer>): void;
  close(code?: number, reason?: string): void;
  /** Cuts the connection without a closing handshake. */
  terminate(): void;
  /** Bytes that wait to be sent. */
  bufferedAmount(): number;
}

/** A side that lets this much wait is cut: neither side's socket can be told to pause. */
const mostBufferedBytes = 16 * 1024 * 1024;

/** Fields of the handshake itself: the upstream's WebSocket makes its own. */
const handshakeFields = [
  "sec-websocket-key",
  "sec-websocket-version",
  "sec-websocket-extensions",
  "sec-websocket-protocol",
];

/** The address of an upstream's WebSocket. */
export function webSocketUrl(attempt: Attempt, target: string): string {
  return originOf(attempt.upstream.address).replace(/^http/, "ws") + target;
}

/** What the upstream is sent along with the handshake. */
export function handshakeOptions(
  request: Request,
  fields: Headers,
): { headers: Record<string, string>; protocols: string[] } {
  for (const name of handshakeFields) fields.delete(name);
  const offered = request.headers.get("sec-websocket-protocol")?.split(",") ?? [];
  return {
    headers: Object.fromEntries(fields),
    protocols: offered.map((protocol) => protocol.trim()).filter((protocol) => protocol !== ""),
  };
}

/** Whether this is a WebSocket handshake (RFC 6455 section 4.2.1). */
export function isWebSocket(request: Request): boolean {
  return request.method === "GET" && request.headers.get("upgrade")?.toLowerCase() === "websocket";
}

/**
 * ```
 *  dialling ──opened──▶ waiting ──attach──▶ joined ──either side closes──▶ ended
 *     ├───refused, cut─────┴────────────────────────────────────────────────▲
 *     └───its upstream found down: the handshake goes elsewhere─────────────┘
 * ```
 */
export class Tunnel implements Carrier {
  readonly #attempt: Attempt;
  readonly #upstream: WebSocket;
  #onEnd: ((isClientGone: boolean) => void) | undefined;
  #client: ClientSocket | undefined;
  #early: (string | Uint8Array<ArrayBuffer>)[] = [];
  #earlyBytes = 0;
  #closed: { code: number; reason: string } | undefined;
  #move: () => Attempt | undefined;
  /** Gives the handshake up; undefined once that is over. */
  #giveUp: ((why: Error) => void) | undefined;
  /** Where the handshake went instead, once it was rescued; this attempt has ended then. */
  elsewhere: Attempt | undefined;
  /** What the client is answered with. */
  status = 101;
  /** Bytes of messages, from the client and to it. */
  bytesIn = 0;
  bytesOut = 0;
  /** What the handshake fails as, since it was cut. */
  cutAs: Failure | undefined;

  /** @param move ends the attempt in favour of another one; undefined if the handshake has to stay */
  constructor(attempt: Attempt, upstream: WebSocket, move: () => Attempt | undefined) {
    this.#attempt = attempt;
    this.#move = move;
    attempt.carrier = this;
    this.#upstream = upstream;
    upstream.binaryType = "arraybuffer";
    upstream.addEventListener("message", (event) => this.#fromUpstream(event.data));
    upstream.addEventListener("close", ({ code, reason }) => this.#upstreamClosed(code, reason));
  }

  /** The subprotocol that the upstream chose; empty if none. */
  get protocol(): string {
    return this.#upstream.protocol;
  }

  /** Resolves when the upstream has agreed; rejects if it has not within `limitMs`. */
  opened(limitMs: number): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const cancel = systemSchedule(limitMs, () => {
      this.#giveUp?.(Object.assign(new Error("no answer in time"), { code: "ETIMEDOUT" }));
    });
    const settle = (end: () => void) => () => {
      cancel();
      this.#giveUp = undefined;
      end();
    };
    this.#giveUp = (why) => {
      settle(() => reject(why))();
      this.#upstream.close();
    };
    const refused = new Error("the handshake was refused");
    this.#upstream.addEventListener("open", settle(resolve), { once: true });
    this.#upstream.addEventListener("error", (event) => settle(() => reject(errorOf(event)))(), {
      once: true,
    });
    this.#upstream.addEventListener(
      "close",
      settle(() => reject(refused)),
      { once: true },
    );
    return promise;
  }

  /** The client's side is there: what came before it goes out first. */
  attach(client: ClientSocket): void {
    this.#client = client;
    for (const message of this.#early) client.send(message);
    this.#early = [];
    if (this.#closed) this.#passClose(client, this.#closed);
  }

  fromClient(message: string | Uint8Array<ArrayBuffer>): void {
    if (this.#upstream.readyState !== WebSocket.OPEN) return;
    this.bytesIn += sizeOf(message);
    this.#upstream.send(message);
    if (this.#upstream.bufferedAmount > mostBufferedBytes) this.cut();
  }

  clientClosed(code: number, reason: string): void {
    this.#end(responded);
    closeWith(this.#upstream, code, reason);
  }

  /** Told once, when it is over: at once if it is. */
  whenEnded(onEnd: (isClientGone: boolean) => void): void {
    if (this.#attempt.isOpen) this.#onEnd = onEnd;
    else onEnd(false);
  }

  #end(outcome: Outcome, isClientGone = false): void {
    const onEnd = this.#onEnd;
    this.#onEnd = undefined;
    this.#attempt.end(outcome);
    onEnd?.(isClientGone);
  }

  /** A handshake may be done again elsewhere; a tunnel that is open has a state that no other upstream knows. */
  rescue(): void {
    if (!this.#giveUp) return;
    this.elsewhere = this.#move();
    if (this.elsewhere) this.#giveUp(new Error("moved"));
  }

  /** The client left before it was joined. */
  abandon(): void {
    this.#end(cancelled, true);
    this.#upstream.close();
  }

  /** The upstream agreed, but the client's handshake is none: it gets this instead. */
  refuse(): Response {
    const words = "400 request_invalid: not a valid WebSocket handshake\n";
    this.status = 400;
    this.bytesOut = words.length;
    this.#end(cancelled);
    this.#upstream.close();
    return new Response(words, { status: 400 });
  }

  #fromUpstream(data: string | ArrayBuffer): void {
    const message = typeof data === "string" ? data : new Uint8Array(data);
    this.bytesOut += sizeOf(message);
    if (this.#client) {
      this.#client.send(message);
      if (this.#client.bufferedAmount() > mostBufferedBytes) this.cut();
      return;
    }
    this.#early.push(message);
    this.#earlyBytes += message.length;
    if (this.#earlyBytes > mostBufferedBytes) this.cut();
  }

  #upstreamClosed(code: number, reason: string): void {
    this.#closed = { code, reason };
    // The attempt may serve another handshake by now.
    if (this.#attempt.carrier === this && this.#attempt.status !== 0) {
      this.#end(code === abnormal ? failure("body", "body_truncated", "WebSocket cut") : responded);
    }
    if (this.#client) this.#passClose(this.#client, this.#closed);
  }

  #passClose(client: ClientSocket, { code, reason }: { code: number; reason: string }): void {
    if (code === abnormal) client.terminate();
    else closeWith(client, code, reason);
  }

  /** The operator's wish, or one side is far too slow for the other. */
  cut(_attempt?: Attempt, failed?: Failure): void {
    this.cutAs = failed;
    this.#end(cancelled);
    if (this.#giveUp) return this.#giveUp(new Error("cut"));
    this.#upstream.close();
    this.#client?.terminate();
  }
}

function sizeOf(message: string | Uint8Array): number {
  return typeof message === "string" ? Buffer.byteLength(message) : message.byteLength;
}

/** Reported when a connection ends without a closing handshake (RFC 6455 section 7.4.1). */
const abnormal = 1006;
const noStatus = 1005;

/** Codes that a program may not send become a close without a code, or 1000 where even that is not allowed. */
function closeWith(
  socket: { close(code?: number, reason?: string): void },
  code: number,
  reason: string,
): void {
  if (code === noStatus || code === abnormal) return socket.close();
  try {
    socket.close(code, reason);
  } catch {
    socket.close(1000, reason);
  }
}

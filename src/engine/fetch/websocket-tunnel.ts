/** Joins a client's WebSocket with an upstream's: messages and close codes pass in both directions. */

import type { Attempt, AttemptDriver } from "../../pool/attempt.ts";
import { cancelled, completed, failure, type Outcome } from "../../pool/outcome.ts";
import { originOf } from "../../net/address.ts";

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
const maxBufferedBytes = 16 * 1024 * 1024;

/** Fields of the handshake itself: the upstream's WebSocket makes its own. */
const handshakeHeaders = [
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
  headers: Headers,
): { headers: Record<string, string>; protocols: string[] } {
  for (const name of handshakeHeaders) headers.delete(name);
  return { headers: Object.fromEntries(headers), protocols: offeredProtocols(request) };
}

/** Each once, since the runtimes' constructors throw at a second one. */
function offeredProtocols({ headers }: Request): string[] {
  const offered = headers.get("sec-websocket-protocol")?.split(",") ?? [];
  return [...new Set(offered.map((protocol) => protocol.trim()).filter((protocol) => protocol !== ""))];
}

/** Whether its subprotocols are what they may be (RFC 6455 section 4.1): the constructors take no others. */
export function isSound(request: Request): boolean {
  return offeredProtocols(request).every((protocol) => /^[\w!#$%&'*+.^`|~-]+$/.test(protocol));
}

/** Whether this is a WebSocket handshake (RFC 6455 section 4.2.1). */
export function isWebSocket(request: Request): boolean {
  return request.method === "GET" && request.headers.get("upgrade")?.toLowerCase() === "websocket";
}

/**
 * ```
 *  dialling ──opened, begin──▶ waiting ──attach──▶ joined ──either side closes──▶ ended
 *     └──refused, given up        └──cut─────────────┴──────────────────────────────▲
 * ```
 */
export class WebSocketTunnel implements AttemptDriver {
  readonly #attempt: Attempt;
  readonly #upstream: WebSocket;
  #onEnd: ((isClientGone: boolean) => void) | undefined;
  #client: ClientSocket | undefined;
  #early: (string | Uint8Array<ArrayBuffer>)[] = [];
  #earlyBytes = 0;
  #closed: { code: number; reason: string } | undefined;
  /** What the client is answered with. */
  status = 101;
  /** Bytes of messages, from the client and to it. */
  bytesIn = 0;
  bytesOut = 0;

  constructor(attempt: Attempt, upstream: WebSocket) {
    this.#attempt = attempt;
    this.#upstream = upstream;
    upstream.binaryType = "arraybuffer";
    upstream.addEventListener("message", (event) => this.#fromUpstream(event.data));
    upstream.addEventListener("close", ({ code, reason }) => this.#upstreamClosed(code, reason));
  }

  /** The subprotocol that the upstream chose; empty if none. */
  get protocol(): string {
    return this.#upstream.protocol;
  }

  /** Resolves when the upstream has agreed; rejects if it does not, or gives up when the signal aborts. */
  opened(signal: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const giveUp = () => {
      reject(new Error("given up"));
      this.#upstream.close();
    };
    const once = { once: true };
    this.#upstream.addEventListener("open", () => resolve(), once);
    this.#upstream.addEventListener("error", (event) => reject(handshakeErrorOf(event)), once);
    this.#upstream.addEventListener("close", () => reject(new Error("the handshake was refused")), once);
    if (signal.aborted) giveUp();
    else signal.addEventListener("abort", giveUp, once);
    return promise.finally(() => signal.removeEventListener("abort", giveUp));
  }

  /** The upstream has agreed: from here on the tunnel carries the attempt. */
  begin(): void {
    this.#attempt.responseStarted(101);
    this.#attempt.driver = this;
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
    if (this.#upstream.bufferedAmount > maxBufferedBytes) this.abort();
  }

  clientClosed(code: number, reason: string): void {
    this.#end(completed);
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

  /** It stays: its state is known to no other upstream. */
  rescue(): void {}

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
      if (this.#client.bufferedAmount() > maxBufferedBytes) this.abort();
      return;
    }
    this.#early.push(message);
    this.#earlyBytes += message.length;
    if (this.#earlyBytes > maxBufferedBytes) this.abort();
  }

  #upstreamClosed(code: number, reason: string): void {
    this.#closed = { code, reason };
    // Before it carries the attempt, that may serve another handshake.
    if (this.#attempt.driver === this) {
      this.#end(code === abnormal ? failure("body", "body_truncated", "WebSocket cut") : completed);
    }
    if (this.#client) this.#passClose(this.#client, this.#closed);
  }

  #passClose(client: ClientSocket, { code, reason }: { code: number; reason: string }): void {
    if (code === abnormal) client.terminate();
    else closeWith(client, code, reason);
  }

  /** The operator's wish, or one side is far too slow for the other. */
  abort(): void {
    this.#end(cancelled);
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

// What the runtimes say of a handshake that failed, as the code that tells its phase: apart, since it is all words of theirs.

export function handshakeErrorOf(event: Event): Error {
  if ("error" in event && isSystemError(event.error)) return event.error;
  const message = "message" in event ? String(event.message) : "";
  const refused = /connect|refused/i.test(message);
  const code = /certificate/i.test(message)
    ? { code: "CERT_NOT_ACCEPTED" }
    : refused
      ? { code: "ECONNREFUSED" }
      : {};
  return Object.assign(new Error(message || "the handshake failed"), code);
}

/** Not the exceptions of the web, whose codes are numbers that say nothing. */
function isSystemError(error: unknown): error is Error {
  return error instanceof Error && "code" in error && typeof error.code === "string";
}

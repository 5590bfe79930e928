/** Connects a client's WebSocket with an upstream's: forwards messages and close codes in both directions. */

import type { Attempt, AttemptDriver } from "../../pool/attempt.ts";
import { cancelled, completed, failure, type Outcome } from "../../pool/outcome.ts";

/** The client's side, as either runtime offers it. */
export interface ClientSocket {
  send(message: string | Uint8Array<ArrayBuffer>): void;
  close(code?: number, reason?: string): void;
  /** Terminates the connection without a closing handshake. */
  terminate(): void;
  /** Bytes not sent yet. */
  bufferedAmount(): number;
}

/** A side with more unsent bytes is terminated: neither side's socket can be paused. */
const maxBufferedBytes = 16 * 1024 * 1024;

/** Headers of the handshake itself: the upstream's WebSocket adds its own. */
const handshakeHeaders = [
  "sec-websocket-key",
  "sec-websocket-version",
  "sec-websocket-extensions",
  "sec-websocket-protocol",
];

/** Headers and subprotocols of the upstream's handshake. */
export function handshakeOptions(
  request: Request,
  headers: Headers,
): { headers: Record<string, string>; protocols: string[] } {
  for (const name of handshakeHeaders) headers.delete(name);
  return { headers: Object.fromEntries(headers), protocols: offeredProtocols(request) };
}

/** Each once, because the runtimes' constructors throw on a duplicate. */
function offeredProtocols({ headers }: Request): string[] {
  const offered = headers.get("sec-websocket-protocol")?.split(",") ?? [];
  return [...new Set(offered.map((protocol) => protocol.trim()).filter((protocol) => protocol !== ""))];
}

/** Whether its subprotocols are valid (RFC 6455 section 4.1): the constructors accept no others. */
export function hasValidSubprotocols(request: Request): boolean {
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
  /** Status of the client's response. */
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

  /** Resolves when the upstream accepted the handshake; rejects if it did not, or when the signal aborts. */
  opened(signal: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const onAbort = () => {
      reject(new Error("given up"));
      this.#upstream.close();
    };
    const once = { once: true };
    this.#upstream.addEventListener("open", () => resolve(), once);
    this.#upstream.addEventListener("error", (event) => reject(handshakeErrorOf(event)), once);
    this.#upstream.addEventListener("close", () => reject(new Error("the handshake was refused")), once);
    if (signal.aborted) onAbort();
    else signal.addEventListener("abort", onAbort, once);
    return promise.finally(() => signal.removeEventListener("abort", onAbort));
  }

  /** The upstream accepted: the tunnel drives the attempt from now on. */
  begin(): void {
    this.#attempt.responseStarted(101);
    this.#attempt.driver = this;
  }

  /** Attaches the client's side; earlier messages are sent first. */
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
    closeWebSocket(this.#upstream, code, reason);
  }

  /** Calls back once at the end; at once if it has ended. */
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

  /** A tunnel stays: no other upstream has its state. */
  rescue(): void {}

  /** The upstream accepted, but the client's handshake is invalid: returns the response to send. */
  refuse(): Response {
    const text = "400 request_invalid: not a valid WebSocket handshake\n";
    this.status = 400;
    this.bytesOut = text.length;
    this.#end(cancelled);
    this.#upstream.close();
    return new Response(text, { status: 400 });
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
    // Before `begin` the attempt may serve another handshake.
    if (this.#attempt.driver === this) {
      this.#end(code === abnormal ? failure("body", "body_truncated", "WebSocket cut") : completed);
    }
    if (this.#client) this.#passClose(this.#client, this.#closed);
  }

  #passClose(client: ClientSocket, { code, reason }: { code: number; reason: string }): void {
    if (code === abnormal) client.terminate();
    else closeWebSocket(client, code, reason);
  }

  /** Aborted by an operator, or because one side is far too slow for the other. */
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

/** Codes that a program must not send become a close without a code, or 1000 where even that is not allowed. */
function closeWebSocket(
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

/** Whether the code is a system's: a DOM exception's code is a number. */
function isSystemError(error: unknown): error is Error {
  return error instanceof Error && "code" in error && typeof error.code === "string";
}

/** Connects a client's WebSocket with an upstream's: forwards messages and close codes in both directions. */

import type { Attempt, AttemptDriver } from "../../pool/attempt.ts";
import { cancelled, completed, failure, type Outcome } from "../../pool/outcome.ts";
import type { HeadEdit } from "../../proxy/head-edit.ts";
import type { RefusalReason } from "../../proxy/refusal.ts";
import type { BufferingTunnel, WebSocketBuffers } from "./websocket-buffers.ts";
import {
  closeCodes,
  closeWebSocket,
  sizeOfMessage,
  type UpstreamSideEvents,
  type UpstreamSide,
  type WebSocketMessage,
  type WebSocketSide,
} from "./websocket-side.ts";

/** While a side has more unsent bytes, the other one is paused. */
const highWaterBytes = 65_536;

/** Where the other side cannot be paused, a side with more unsent bytes ends the tunnel; or more than two messages, if they are larger. */
const maxUnpausedBytes = 16 * 1024 * 1024;

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

/**
 * Whether this is a whole WebSocket handshake (RFC 6455 section 4.2.1). Any other request with `Upgrade` is an ordinary one, which
 * the upstream may respond to as it likes (RFC 9110 section 7.8): the handshake that this engine sends would be another one.
 */
export function isWebSocket({ method, headers }: Request): boolean {
  if (method !== "GET" || headers.get("upgrade")?.toLowerCase() !== "websocket") return false;
  const options = headers.get("connection")?.toLowerCase() ?? "";
  return (
    options.split(",").some((option) => option.trim() === "upgrade") &&
    headers.get("sec-websocket-version") === "13" &&
    /^[\w+/]{22}==$/.test(headers.get("sec-websocket-key") ?? "")
  );
}

export interface WebSocketTunnelOptions {
  readonly attempt: Attempt;
  readonly upstream: UpstreamSide;
  readonly buffers: WebSocketBuffers;
  /** Maximum size of a message. A runtime that can refuses a larger one at its first byte. */
  readonly maxMessageBytes: number;
  /** Called when the tunnel ends because of a limit. */
  readonly onRefused: (reason: RefusalReason) => void;
}

/**
 * ```
 *  dialling ──opened, begin──▶ waiting ──attach──▶ joined ──either side closes, or breaks a limit──▶ ended
 *     └──refused, given up        └──abort───────────┴────────────────────────────────────────────────▲
 * ```
 */
export class WebSocketTunnel implements AttemptDriver, UpstreamSideEvents, BufferingTunnel {
  readonly #attempt: Attempt;
  readonly #upstream: UpstreamSide;
  readonly #buffers: WebSocketBuffers;
  readonly #maxMessageBytes: number;
  readonly #onRefused: WebSocketTunnelOptions["onRefused"];
  readonly #opening = Promise.withResolvers<void>();
  #onEnd: ((isClientGone: boolean) => void) | undefined;
  #client: WebSocketSide | undefined;
  /** What arrived from the upstream before the client's side was there. */
  #early: WebSocketMessage[] = [];
  #earlyBytes = 0;
  #closed: { code: number; reason: string } | undefined;
  /** What the route changes in the head of the client's response. */
  responseEdit: HeadEdit | undefined;
  /** Status of the client's response. */
  status = 101;
  /** Bytes of messages, from the client and to it. */
  bytesIn = 0;
  bytesOut = 0;

  constructor({ attempt, upstream, buffers, maxMessageBytes, onRefused }: WebSocketTunnelOptions) {
    this.#attempt = attempt;
    this.#upstream = upstream;
    this.#buffers = buffers;
    this.#maxMessageBytes = maxMessageBytes;
    this.#onRefused = onRefused;
    // The handshake may fail after its attempt was given up.
    this.#opening.promise.catch(() => {});
    upstream.follow(this);
  }

  /** The subprotocol that the upstream chose; empty if none. */
  get protocol(): string {
    return this.#upstream.protocol;
  }

  get bufferedBytes(): number {
    return this.#earlyBytes + this.#upstream.bufferedAmount() + (this.#client?.bufferedAmount() ?? 0);
  }

  /** Resolves when the upstream accepted the handshake; rejects if it did not, or when the signal aborts. */
  opened(signal: AbortSignal): Promise<void> {
    const { promise, reject } = this.#opening;
    const onAbort = () => {
      reject(new Error("given up"));
      this.#upstream.close();
    };
    if (signal.aborted) onAbort();
    else signal.addEventListener("abort", onAbort, { once: true });
    return promise.finally(() => signal.removeEventListener("abort", onAbort));
  }

  upstreamOpened(): void {
    this.#opening.resolve();
  }

  upstreamFailed(error: Error): void {
    this.#opening.reject(error);
    if (!this.#isBegun || !isTooBig("code" in error ? error.code : undefined)) return;
    this.#refuse("message_too_large");
    this.#closeClientForLimit();
  }

  /** The upstream accepted: the tunnel drives the attempt from now on. */
  begin(): void {
    this.#attempt.responseStarted(101);
    this.#attempt.driver = this;
  }

  /** Attaches the client's side; earlier messages are sent first. */
  attach(client: WebSocketSide): void {
    this.#client = client;
    for (const message of this.#early) client.send(message);
    this.#early = [];
    this.#earlyBytes = 0;
    if (this.#closed) this.#passClose(client, this.#closed);
    else this.clientDrained();
  }

  fromClient(message: WebSocketMessage): void {
    if (!this.#upstream.isOpen || !this.#client) return;
    const size = sizeOfMessage(message);
    this.bytesIn += size;
    if (size > this.#maxMessageBytes) return this.#endTooBig(this.#client);
    this.#upstream.send(message);
    this.#limit(this.#client, this.#upstream.bufferedAmount());
  }

  fromUpstream(message: WebSocketMessage): void {
    if (!this.#attempt.isOpen) return;
    const size = sizeOfMessage(message);
    this.bytesOut += size;
    if (size > this.#maxMessageBytes) return this.#endTooBig(this.#upstream);
    if (this.#client) this.#client.send(message);
    else {
      this.#early.push(message);
      this.#earlyBytes += size;
    }
    this.#limit(this.#upstream, this.#client?.bufferedAmount() ?? this.#earlyBytes);
  }

  /** @param unsentBytes what `source` has sent and the other side has not taken */
  #limit(source: WebSocketSide, unsentBytes: number): void {
    if (unsentBytes === 0) return;
    if (unsentBytes > highWaterBytes && source.pause) source.pause();
    else if (unsentBytes > Math.max(maxUnpausedBytes, 2 * this.#maxMessageBytes)) return this.dropBuffers();
    this.#buffers.update(this);
  }

  /** The client took all that was sent to it. */
  clientDrained(): void {
    this.#drained(this.#upstream, this.#client);
  }

  upstreamDrained(): void {
    if (this.#client) this.#drained(this.#client, this.#upstream);
  }

  #drained(source: WebSocketSide, target: WebSocketSide | undefined): void {
    if (!this.#attempt.isOpen) return;
    if (target && target.bufferedAmount() <= highWaterBytes) source.resume?.();
    this.#buffers.update(this);
  }

  clientClosed(code: number, reason: string): void {
    if (code === closeCodes.abnormal && isTooBig(reason)) {
      this.#refuse("message_too_large");
      this.#close(this.#upstream, closeCodes.goingAway, "");
    } else {
      this.#end(completed);
      this.#close(this.#upstream, code, reason);
    }
  }

  /** Calls back once at the end; at once if it has ended. */
  whenEnded(onEnd: (isClientGone: boolean) => void): void {
    if (this.#attempt.isOpen) this.#onEnd = onEnd;
    else onEnd(false);
  }

  #end(outcome: Outcome): void {
    const onEnd = this.#onEnd;
    this.#onEnd = undefined;
    this.#buffers.remove(this);
    this.#attempt.end(outcome);
    onEnd?.(false);
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

  /** Ends with one of our limits, which is neither side's failure. */
  #refuse(reason: RefusalReason): void {
    if (!this.#isBegun || !this.#attempt.isOpen) return;
    this.#onRefused(reason);
    this.#end(cancelled);
  }

  #endTooBig(sender: WebSocketSide): void {
    this.#refuse("message_too_large");
    this.#close(sender, closeCodes.tooBig, "");
    if (sender === this.#upstream) this.#closeClientForLimit();
    else this.#close(this.#upstream, closeCodes.goingAway, "");
  }

  /** The upstream broke a limit, which is not the client's fault. */
  #closeClientForLimit(): void {
    this.#closed = { code: closeCodes.internalError, reason: "message too large" };
    if (this.#client) this.#passClose(this.#client, this.#closed);
  }

  dropBuffers(): void {
    this.#refuse("buffers_full");
    this.#upstream.terminate();
    this.#client?.terminate();
  }

  /** Before `begin` the attempt may serve another handshake. */
  get #isBegun(): boolean {
    return this.#attempt.driver === this;
  }

  upstreamClosed(code: number, reason: string): void {
    this.#opening.reject(new Error("the handshake was refused"));
    if (this.#closed) return;
    this.#closed = { code, reason };
    if (this.#isBegun)
      this.#end(
        code === closeCodes.abnormal ? failure("body", "body_truncated", "WebSocket cut") : completed,
      );
    if (this.#client) this.#passClose(this.#client, this.#closed);
  }

  #passClose(client: WebSocketSide, { code, reason }: { code: number; reason: string }): void {
    if (code === closeCodes.abnormal) client.terminate();
    else this.#close(client, code, reason);
  }

  /** A paused side would not read the other end's close. */
  #close(side: WebSocketSide, code: number, reason: string): void {
    side.resume?.();
    closeWebSocket(side, code, reason);
  }

  /** Aborted by an operator. */
  abort(): void {
    this.#end(cancelled);
    this.#close(this.#upstream, closeCodes.noStatus, "");
    this.#client?.terminate();
  }
}

/** Whether a runtime's reason or code says that it refused a message for its size. */
function isTooBig(said: unknown): boolean {
  return said === "Received too big message" || said === "WS_ERR_UNSUPPORTED_MESSAGE_LENGTH";
}

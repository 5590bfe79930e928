/** A client's connection: reads one request after another and gives each to a forwarder, so that responses stay in order. */

import { plainAddress } from "../../net/address.ts";
import { type ProxyVersion, writeProxyHeader } from "../../net/proxy-protocol.ts";
import { type ProtocolViolation, type Refusal, refusal, refusalForViolation } from "../../proxy/refusal.ts";
import type { ConnectionTls } from "../../tls/connection-tls.ts";
import { ClientInput, type RequestSink } from "./client-input.ts";
import { Connection } from "./connection.ts";
import type { ClientListener, ClosableClient } from "./client-listener.ts";
import type { FreeList, WireContext } from "./context.ts";
import type { ParsedRequest } from "./http1/parsed-request.ts";
import type { ClientForwarding } from "./http1/request-writer.ts";
import { violations } from "./http1/violations.ts";
import type { PinnedConnections } from "./pinned-connections.ts";
import type { ConnectionFate } from "./forwarder-summary.ts";
import type { ClientSide, RequestForwarder } from "./request-forwarder.ts";
import type { ClientSocketHandler, WireSocket } from "./sockets.ts";

/** Where a connection comes from. */
export interface ClientPeer {
  readonly listener: ClientListener;
  /** The IP address of the peer, or of the client that it speaks for (PROXY protocol). */
  readonly address: string;
  /** The peer's own IP address, where it is another one. */
  readonly peerAddress?: string;
  readonly isStream?: boolean;
  /** Where the handshake limits what requests may name, or names the client. */
  readonly tls?: ConnectionTls | undefined;
}

type Phase = "idle" | "head" | "exchange" | "flushing" | "tunnel" | "lingering" | "closed";

/**
 * ```
 *  idle ──bytes──▶ head ──whole──▶ exchange ──finished──▶ flushing ──▶ idle
 *   │ timeout        │ timeout: 408   │  │ 101                └──close──▶ lingering ──FIN, timeout──▶ closed
 *   ▼                ▼ malformed: 4xx │  └──▶ tunnel ──────────────────────▲
 *  closed         lingering           └──client gone, response truncated──▶ closed
 * ```
 */
export class ClientConnection
  extends Connection
  implements ClientSide, ClientSocketHandler, ClosableClient, RequestSink
{
  readonly #context: WireContext;
  readonly #forwarders: FreeList<RequestForwarder>;
  readonly forwarding: ClientForwarding;
  #phase: Phase = "idle";
  #forwarder: RequestForwarder | undefined;
  readonly #input: ClientInput;
  pinned: PinnedConnections | undefined;
  #isReading = false;
  #isActive = false;
  place = -1;
  /** Whether the connection closes without lingering: the client has ended, or sends nothing more. */
  #closesAtOnce = false;

  /** Whether it is a stream of an HTTP/2 connection, which is the client that counts. */
  readonly isStream: boolean;
  readonly listener: ClientListener;
  readonly peerAddress: string;
  readonly tls: ConnectionTls | undefined;

  /** @param forwarders forwarders that serve no request, shared by all connections */
  constructor(
    context: WireContext,
    forwarders: FreeList<RequestForwarder>,
    { listener, address, peerAddress = address, isStream = false, tls }: ClientPeer,
  ) {
    super();
    this.tls = tls;
    this.listener = listener;
    this.peerAddress = peerAddress;
    this.isStream = isStream;
    this.#context = context;
    this.#forwarders = forwarders;
    const client = listener.options.tls?.clientCertificates?.forward ? tls?.client : undefined;
    this.forwarding = listener.forwardingCache.for(address, client);
    this.#input = new ClientInput(context.requestHead);
  }

  override opened(socket: WireSocket): void {
    super.opened(socket);
    if (this.isStream) return;
    const admission = this.listener.admit(this);
    if (admission === "drop") return this.closeForGood(true);
    if (admission === "reject") return this.#begin().refuseUnparsed(this, refusal("too_many_clients"));
    this.#context.clientTimers.forHead(this);
  }

  secured(): void {
    if (this.#phase === "idle") this.#context.clientTimers.forHead(this);
  }

  /** Whether it waits for a request. */
  get isIdle(): boolean {
    return this.#phase === "idle";
  }

  /** Refuses a request that was not read as HTTP/1.1. */
  refuse(refused: Refusal): void {
    this.#begin().refuseUnparsed(this, refused);
  }

  proxyHeader(version: ProxyVersion): Buffer {
    const { address } = this.forwarding;
    // The port of a proxy in front of us is not the client's.
    const port = address === this.peerAddress ? (this.socket?.remotePort ?? 0) : 0;
    const destination = { address: plainAddress(this.socket?.localAddress ?? ""), port: this.listener.port };
    return writeProxyHeader(version, { address, port }, destination);
  }

  get scheme(): "http" | "https" {
    return this.listener.scheme;
  }

  received(chunk: Buffer): void {
    switch (this.#phase) {
      case "idle":
      case "head":
        return this.#read(chunk);
      case "exchange": {
        const forwarder = this.#forwarder as RequestForwarder;
        const from = forwarder.request.isComplete ? 0 : forwarder.requestBody(chunk, 0, chunk.length);
        if (from < 0 || this.#forwarder !== forwarder) return;
        this.#expectBody();
        return this.#bufferPipelined(chunk, from);
      }
      case "flushing":
        return this.#bufferPipelined(chunk, 0);
      case "tunnel":
        return this.#forwarder?.tunnel?.fromClient(chunk);
    }
  }

  #expectBody(): void {
    if (this.#forwarder?.request.isComplete) this.#context.clientTimers.disarm(this);
    else this.#context.clientTimers.forBody(this);
  }

  protected override progressed(): void {
    if (this.#phase === "tunnel") this.#forwarder?.tunnel?.progressed();
    else this.#context.clientTimers.forSend(this);
  }

  override resume(): void {
    if (this.#input.isFull) return;
    super.resume();
    if (this.#phase === "exchange" && this.#forwarder?.request.isComplete === false)
      this.#context.clientTimers.forBody(this);
  }

  #bufferPipelined(bytes: Buffer, from: number): void {
    this.#input.buffer(bytes, from, bytes.length);
    if (this.#input.isFull) this.pause();
  }

  /** Reads pipelined requests in a loop while each of them finishes within this call. */
  #read(chunk: Buffer): void {
    this.#isReading = true;
    for (let bytes: Buffer | undefined = chunk; bytes !== undefined; bytes = this.#input.takePipelined()) {
      if (!this.#input.readHead(bytes, 0, this)) {
        if (!this.#input.hasPartialHead) break;
        if (this.#phase === "idle") this.#context.clientTimers.forHead(this);
        this.#phase = "head";
        break;
      }
      if (this.#phase !== "idle") break;
    }
    this.#isReading = false;
    if (this.#phase === "tunnel") this.#sendPipelined();
    else if (this.#input.isFull) this.pause();
  }

  headRead(head: ParsedRequest, to: number, violation: ProtocolViolation | undefined): number {
    const forwarder = this.#begin();
    if (violation) {
      forwarder.refuseUnparsed(this, refusalForViolation(violation));
      return to;
    }
    const next = forwarder.start(this, head, to);
    if (this.#forwarder === forwarder && !forwarder.request.isComplete)
      this.#context.clientTimers.forBody(this);
    return next;
  }

  #begin(): RequestForwarder {
    this.#phase = "exchange";
    this.#isActive = true;
    this.#context.requestStarted();
    this.#context.clientTimers.disarm(this);
    return (this.#forwarder = this.#forwarders.acquire());
  }

  enterTunnel(): void {
    this.#phase = "tunnel";
    this.#context.clientTimers.disarm(this);
    if (!this.#isReading) this.#sendPipelined();
  }

  /** Passes on what the client sent before it received the 101. */
  #sendPipelined(): void {
    const pipelined = this.#input.takePipelined();
    this.resume();
    if (pipelined) this.#forwarder?.tunnel?.fromClient(pipelined);
  }

  requestFinished(forwarder: RequestForwarder, fate: ConnectionFate): void {
    this.#forwarders.release(forwarder);
    this.#forwarder = undefined;
    // The next stream may be another user's: a connection of HTTP/2 may carry many (RFC 9110 section 3.3).
    if (this.isStream) this.#unpin();
    if (fate === "reset" || fate === "gone") return this.closeForGood(fate === "reset");
    if (fate === "last" && this.scheme === "http" && !this.#input.hasPipelined) {
      // The client sends nothing more that could make its kernel discard the response: no lingering close is needed.
      this.#closesAtOnce = true;
      if (this.isFlushed) return this.closeForGood(false);
    }
    if (fate !== "keep" || this.#context.isDraining) return this.#linger();
    this.#phase = "flushing";
    if (this.isFlushed) this.flushed();
    else this.#context.clientTimers.forSend(this);
  }

  #unpin(): void {
    this.pinned?.close();
    this.pinned = undefined;
  }

  protected override flushed(): void {
    if (this.#phase === "flushing") {
      this.#endRequest();
      if (this.#closesAtOnce) return this.closeForGood(false);
      this.#phase = "idle";
      this.#context.clientTimers.forRequest(this);
      const pipelined = this.#isReading ? undefined : this.#input.takePipelined();
      super.resume();
      if (pipelined) this.#read(pipelined);
    } else if (this.#phase === "lingering") this.#startLingering();
    else {
      if (this.#forwarder?.request.isComplete) this.#context.clientTimers.disarm(this);
      this.#forwarder?.clientFlushed();
    }
  }

  /** Sends FIN after the last byte. Reads and drops what the client still sends, or its kernel would discard the response. */
  #linger(): void {
    this.#phase = "lingering";
    this.#input.clear();
    this.pinned?.close();
    super.resume();
    this.shutdownWrite();
    if (this.isFlushed) this.#startLingering();
    else this.#context.clientTimers.forSend(this);
  }

  #startLingering(): void {
    this.#endRequest();
    if (this.#closesAtOnce) return this.closeForGood(false);
    this.#context.clientTimers.forLingeringClose(this);
  }

  /** The request's last bytes have left: it no longer counts as active. */
  #endRequest(): void {
    if (!this.#isActive) return;
    this.#isActive = false;
    this.#context.requestEnded();
  }

  ended(): void {
    this.#closesAtOnce = true;
    if (this.#phase === "tunnel") return this.#forwarder?.tunnel?.clientFinished();
    if ((this.#phase === "lingering" || this.#phase === "flushing") && !this.isFlushed) return;
    // A half-closed client looks like one that left. It must not take a part of a response for all of it.
    this.closeForGood(this.#forwarder?.hasResponseStarted === true);
  }

  closed(error: Error | undefined): void {
    this.isClosed = true;
    if (this.#phase === "tunnel") this.#forwarder?.tunnel?.clientClosed(error);
    this.closeForGood(false);
  }

  override expired(): void {
    if (this.#phase === "exchange") return this.#forwarder?.clientStalled();
    if (this.#phase !== "head") return this.closeForGood(!this.isFlushed);
    this.#input.clear();
    this.#begin().refuseUnparsed(this, refusalForViolation(violations.headTimeout));
  }

  override handlerThrew(error: Error): void {
    this.#context.options.log.bug(error, this.#forwarder?.request.id ?? "");
    if (this.#forwarder) this.#forwarder.handlerThrew();
    else this.closeForGood(true);
  }

  get isFresh(): boolean {
    return this.writtenBytes === 0 && (this.#phase === "idle" || this.#phase === "head");
  }

  /** For a drain. With a request in flight, its response announces that the connection closes. */
  closeIfIdle(): void {
    if (this.#phase === "idle") this.closeForGood(false);
  }

  /** The response and the FIN leave in one packet: the client's kernel and ours each handle one less. */
  override writeLast(bytes: Uint8Array, from: number, to: number): boolean {
    const { sendLast } = this.#context.sockets;
    const fd = this.socket?.fd ?? -1;
    if (!sendLast || fd < 0 || this.scheme !== "http" || !this.isFlushed) return this.write(bytes, from, to);
    const taken = Math.max(sendLast(fd, bytes, from, to - from), 0);
    this.writtenBytes += taken;
    return this.write(bytes, from + taken, to);
  }

  override close(): void {
    if (this.scheme === "http" && this.socket?.close) this.socket.close();
    else super.close();
  }

  /** Closes the connection and cancels the request in flight. */
  closeForGood(abruptly: boolean): void {
    if (this.#phase === "closed") return;
    this.#phase = "closed";
    const forwarder = this.#forwarder;
    this.#forwarder = undefined;
    forwarder?.cancel();
    this.pinned?.close();
    this.#endRequest();
    this.#input.clear();
    this.listener.closed(this);
    this.#context.wheel.forget(this);
    if (abruptly) this.terminate();
    else this.close();
  }
}

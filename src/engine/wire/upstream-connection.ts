/** One connection to an upstream: sends requests and reads responses. Rejects what two parsers could read differently. */

import { concernsAllHosts } from "../../lib/exhaustion.ts";
import type { Address } from "../../net/address.ts";
import type { Endpoints } from "../../net/endpoints.ts";
import { type Failure, failure, exhaustedCode } from "../../pool/outcome.ts";
import type { Timeouts } from "../../proxy/route.ts";
import { connectFailure, disconnectFailure, isUnreachable } from "./attempt-failures.ts";
import { Connection } from "./connection.ts";
import type { Closable, WireContext } from "./context.ts";
import type { Progress, ResponseExpectation, ResponseReader, ResponseSink } from "./http1/response-reader.ts";
import type { ConnectHandler, ConnectOptions, PendingConnect, WireSocket } from "./sockets.ts";
import { StreamFailure } from "./stream-failure.ts";
import type { Tunnel } from "./tunnel.ts";

/** What a connection calls while it serves a request; implemented by the attempt runner. */
export interface ConnectionUser {
  readonly sink: ConnectionSink;
  readonly timeouts: Timeouts;
  /** The connection that `connectFor` started is open: the request can be sent. */
  connectionOpened(connection: UpstreamConnection): void;
  /** The send queue is empty. */
  connectionFlushed(connection: UpstreamConnection): void;
  /** Bytes of the response arrived. `sink` gets them next. */
  bytesReceived(connection: UpstreamConnection): void;
  /** The connection is closed, before the response was complete. The last call. */
  connectionFailed(connection: UpstreamConnection, failure: Failure): void;
}

/** Receives the response to a request, or the bytes of its tunnel; implemented by the request forwarder. */
export interface ConnectionSink extends ResponseSink {
  /** Only if the whole request has arrived, the connection is reused after the response. */
  readonly request: ResponseExpectation & { readonly isComplete: boolean; readonly opensWebSocket: boolean };
  /** Present after the protocol was switched. */
  readonly tunnel: Tunnel | undefined;
  /** The response is complete. The connection is checked in or closed already. */
  responseComplete(): void;
  /** An exception was thrown on a connection that serves the request, or has just served it. */
  reportBug(error: unknown): void;
}

/** Where a connection waits between two requests; implemented by the connection pool and by a client's pinned connections. */
export interface ConnectionHome {
  readonly address: Address;
  readonly endpoints: Endpoints;
  /**
   * @param keepAliveSeconds of `Keep-Alive: timeout`; -1 if the upstream announced none
   * @param maxAgeMs maximum age of a connection, of which `ageShare` is this one's; infinite by default
   */
  checkIn(connection: UpstreamConnection, keepAliveSeconds: number, maxAgeMs?: number): void;
  /** The connection closes while it is idle. */
  remove(connection: UpstreamConnection): void;
  /** A connect timed out, and the system still works on it. */
  connectAbandoned(): void;
  /** The system is done with an abandoned connect. */
  abandonedConnectEnded(): void;
}

/**
 * ```
 *  connecting ──opened──▶ response ──complete──▶ idle ──beginFor──▶ response
 *      │ timeout that       │  │ not reusable      │ FIN, bytes, timeout
 *      ▼ cannot end it  101 ▼  └──────▶ closed ◀───┘
 *  abandoned             tunnel ─────────▲
 * ```
 * Every way from `connecting` or `response` to `closed` calls `connectionFailed` once, except `abort` and an unusable
 * connection after a complete response.
 */
export class UpstreamConnection extends Connection implements ConnectHandler, Closable {
  readonly #context: WireContext;
  #home: ConnectionHome;
  /** Reads the current response. After a failure, `hasResponded` still needs the last one. */
  #reader: ResponseReader | undefined;
  #user: ConnectionUser | undefined;
  #phase: "connecting" | "abandoned" | "idle" | "response" | "tunnel" | "closed" = "connecting";
  /** Ends the connect that is under way. */
  #pending: PendingConnect | undefined;
  /** The upstream's address when this connection was created. The pool drops it after a change, e.g. of TLS parameters. */
  readonly address: Address;
  /** The IP address that it connects to, or the name where that was not resolved yet. */
  host = "";
  /** The generation of the endpoints in which `host` was last found. */
  generation = 0;
  /** Hosts that refused this connect. */
  #refusedBy: string[] | undefined;
  /** Time of the wheel's clock. */
  openedAt = 0;
  /** The share of the maximum age after which this connection closes, 0–1. */
  ageShare = 1;
  /** Whether nothing was done for the request, and the connection that it was sent on takes no new ones. */
  hasMoved = false;
  /** Whether it has been idle: only then it can be stale. */
  isReused = false;
  /** Whether it serves one client alone. */
  isPinned = false;
  needsWebSocket = false;
  /** Whether it speaks HTTP/1.1 to an HTTP/2 upstream: for a WebSocket, and for nothing else. */
  #isOverHttp1 = false;
  /** Sent first, before a TLS handshake: a PROXY header, which makes the connection one client's. Set before the connect. */
  greeting: Buffer | undefined;
  /** Whether the upstream closed it before its response was complete. */
  hasHungUp = false;
  /** Neighbours in the pool's stack of idle connections. Only the stack writes them. */
  above: UpstreamConnection | undefined;
  below: UpstreamConnection | undefined;

  constructor(context: WireContext, home: ConnectionHome) {
    super();
    this.#context = context;
    this.#home = home;
    this.address = home.address;
  }

  get refusesWebSockets(): boolean {
    return this.socket?.refusesWebSockets === true;
  }

  /** Whether a byte of the current response has arrived. */
  get hasResponded(): boolean {
    return this.#reader?.hasStarted === true;
  }

  get isOpen(): boolean {
    return this.#phase !== "connecting" && this.#phase !== "abandoned" && this.#phase !== "closed";
  }

  /** Starts to connect. Calls the user's `connectionOpened` or `connectionFailed`, never before this returns. */
  connectFor(user: ConnectionUser, connectMs: number): void {
    this.#user = user;
    this.#context.wheel.arm(this, connectMs);
    const { http2, protocol } = this.address;
    this.needsWebSocket = http2 === true && protocol === "https" && user.sink.request.opensWebSocket;
    this.#connectTo(this.host);
  }

  #connectTo(host: string): void {
    this.host = host;
    this.generation = this.#home.endpoints.generation;
    if (this.address.http2) this.#connectOverHttp2(host);
    else this.#context.sockets.connect(this.address, host, this, this.#greetingBeforeTls);
  }

  get #greetingBeforeTls(): ConnectOptions | undefined {
    return this.greeting && this.address.protocol === "https" ? { greeting: this.greeting } : undefined;
  }

  #connectOverHttp2(host: string): void {
    const maxAgeMs = (this.#user?.timeouts.connectionAgeMs ?? Infinity) * this.ageShare;
    this.#context.upstreamSessions.connect(this.address, host, this, maxAgeMs);
  }

  /** It serves one client alone from now on, and waits for its requests in this home. Called while it serves a request. */
  pinTo(home: ConnectionHome): void {
    this.#home = home;
    this.isPinned = true;
  }

  /** Prepares for the response to the user's request, which is sent next. */
  beginFor(user: ConnectionUser): void {
    this.#user = user;
    this.#phase = "response";
    this.#context.wheel.disarm(this);
    this.#reader = this.#context.readers.acquire();
    this.#reader.begin();
  }

  /** The rest of the current response goes to another user. What is left of the request is not sent here any more. */
  handOver(user: ConnectionUser): void {
    if (this.#reader && this.#user?.sink.request.isComplete !== true) this.#reader.keepsAlive = false;
    this.#user = user;
  }

  get #inBody(): boolean {
    return this.#reader?.inBody === true;
  }

  pending(connect: PendingConnect): void {
    this.#pending = connect;
    if (this.#phase !== "connecting") this.terminate();
  }

  override opened(socket: WireSocket): void {
    this.#pending = undefined;
    super.opened(socket);
    this.#home.endpoints.worked(this.host);
    this.openedAt = this.#context.wheel.now;
    this.#context.upstreamConnections.add(this);
    if (this.#phase !== "connecting") return this.terminate();
    if (socket.isReused) this.isReused = true;
    this.#isOverHttp1 = this.address.http2 === true && socket.alpnProtocol === "http/1.1";
    if (this.greeting && !this.#greetingBeforeTls) this.writeAll(this.greeting);
    if (this.#user) {
      this.beginFor(this.#user);
      this.#user.connectionOpened(this);
    } else if (this.greeting || this.#isOverHttp1) this.close();
    else {
      // The client has left. The next request need not wait for a connect.
      this.#phase = "idle";
      this.isReused = true;
      this.#home.checkIn(this, -1);
    }
  }

  refused(code: string): void {
    if (this.#phase === "closed") return;
    this.#pending = undefined;
    const { endpoints } = this.#home;
    const failed = connectFailure(code);
    const concernsAll = concernsAllHosts(exhaustedCode(failed));
    if (!concernsAll) endpoints.failed(this.host);
    if (!concernsAll && this.#phase === "connecting" && isUnreachable(code)) {
      this.#refusedBy = [...(this.#refusedBy ?? []), this.host];
      const other = endpoints.nextExcept(this.#refusedBy);
      if (other !== undefined) return this.#connectTo(other);
    }
    this.isClosed = true;
    this.#fail(failed);
  }

  /** Before the response: the upstream has this long to respond, or to take more of the request. */
  expectWithin(delayMs: number): void {
    if (this.#phase === "response" && !this.#inBody) this.#context.wheel.arm(this, delayMs);
  }

  /** Nothing is expected from the upstream: the client must send more. */
  expectNothing(): void {
    this.expectWithin(Infinity);
  }

  received(chunk: Buffer): void {
    const user = this.#user;
    const reader = this.#reader;
    switch (this.#phase) {
      case "response":
        user?.bytesReceived(this);
        if (user && reader) this.#advance(reader, reader.read(user.sink, chunk));
        return;
      case "tunnel":
        return user?.sink.tunnel?.fromUpstream(chunk);
      case "idle":
        // Unrequested bytes must never become part of the next response.
        return this.close();
    }
  }

  #advance(reader: ResponseReader, progress: Progress): void {
    // During the read the connection may have been closed, or handed over.
    const user = this.#user;
    if (!user) return;
    switch (progress) {
      case "more":
        return reader.inBody ? this.#expectBody(user) : undefined;
      case "complete":
        return this.#complete(user, reader);
      case "switched":
        this.#context.wheel.disarm(this);
        this.#phase = "tunnel";
        return;
      case "notHttp":
        return this.#fail(failure("head", "head_invalid", reader.violation));
      case "refused":
        return this.#fail(failure(reader.inBody ? "body" : "head", "answer_refused", reader.violation));
    }
  }

  /** While the client's backpressure pauses the connection, silence is not the upstream's fault. */
  #expectBody(user: ConnectionUser): void {
    if (this.isPaused) this.#context.wheel.disarm(this);
    else this.#context.wheel.arm(this, user.timeouts.bodyIdleMs);
  }

  override resume(): void {
    super.resume();
    if (this.#phase === "response" && this.#inBody && this.#user) this.#expectBody(this.#user);
  }

  #complete(user: ConnectionUser, reader: ResponseReader): void {
    this.#user = undefined;
    if (reader.keepsAlive && user.sink.request.isComplete && this.isFlushed && !this.#isOverHttp1) {
      super.resume();
      this.#phase = "idle";
      this.isReused = true;
      this.#reader = undefined;
      this.#context.readers.release(reader);
      this.#home.checkIn(this, reader.keepAliveSeconds, user.timeouts.connectionAgeMs);
    } else this.close();
    try {
      user.sink.responseComplete();
    } catch (error) {
      user.sink.reportBug(error);
    }
  }

  ended(): void {
    if (this.#phase === "tunnel") return this.#user?.sink.tunnel?.upstreamFinished();
    if (this.#phase === "response" && this.#user && this.#reader?.ended())
      return this.#complete(this.#user, this.#reader);
    if (this.#phase === "idle") return this.close();
    this.#hungUp("FIN");
  }

  closed(error: Error | undefined): void {
    this.isClosed = true;
    if (error instanceof StreamFailure && this.#phase === "response") return this.#streamFailed(error);
    if (this.#phase === "connecting") return this.#fail(failure("connect", "connect_reset", error?.message));
    if (this.#phase === "tunnel") return this.#user?.sink.tunnel?.upstreamClosed(error);
    this.#hungUp(error?.message ?? "closed");
  }

  #streamFailed({ kind, message }: StreamFailure): void {
    if (kind === "invalid")
      return this.#fail(failure(this.#inBody ? "body" : "head", "answer_refused", message));
    if (this.hasResponded) return this.#hungUp(message);
    this.hasMoved = kind === "moved";
    this.#fail(failure("connect", "stream_refused", message));
  }

  #hungUp(detail: string): void {
    // Our own `terminate` leads here too.
    this.hasHungUp ||= this.#phase === "response";
    this.#fail(disconnectFailure(this.#inBody, detail));
  }

  override handlerThrew(error: Error): void {
    const user = this.#user;
    this.terminate();
    if (user) user.sink.reportBug(error);
    else this.#context.options.log.bug(error, "");
  }

  override expired(): void {
    switch (this.#phase) {
      case "connecting":
        return this.#connectTimedOut();
      case "response":
        return this.#fail(this.#inBody ? failure("body", "body_timeout") : failure("head", "head_timeout"));
      case "idle":
        return this.close();
    }
  }

  #connectTimedOut(): void {
    const canEnd = this.#pending !== undefined;
    this.#home.endpoints.failed(this.host);
    if (!canEnd) this.#home.connectAbandoned();
    this.#fail(failure("connect", "connect_timeout"));
    if (!canEnd) this.#phase = "abandoned";
  }

  closeIfIdle(): void {
    if (this.#phase === "idle") this.close();
  }

  override close(): void {
    this.#detach();
    super.close();
  }

  override terminate(): void {
    this.#detach();
    const pending = this.#pending;
    this.#pending = undefined;
    pending?.terminate();
    super.terminate();
  }

  /** The user no longer needs the connection. A connect continues, so that the connection can become idle. */
  abort(): void {
    if (this.#phase === "connecting") this.#user = undefined;
    else this.terminate();
  }

  protected override progressed(): void {
    if (this.#phase === "tunnel") this.#user?.sink.tunnel?.progressed();
    else if (this.#user) this.expectWithin(this.#user.timeouts.bodyIdleMs);
  }

  protected override flushed(): void {
    this.#user?.connectionFlushed(this);
  }

  #fail(failed: Failure): void {
    const user = this.#user;
    this.terminate();
    user?.connectionFailed(this, failed);
  }

  /** Takes the connection out of the pool and the wheel at once, however long its socket takes to close. */
  #detach(): void {
    this.#context.upstreamConnections.delete(this);
    if (this.#phase === "idle") this.#home.remove(this);
    if (this.#phase === "abandoned") this.#home.abandonedConnectEnded();
    this.#context.wheel.forget(this);
    this.#user = undefined;
    this.#phase = "closed";
  }
}

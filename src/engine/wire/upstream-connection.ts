/** One connection to an upstream: sends requests, reads answers and believes nothing that two readers could read differently. */

import { failure, type Failure } from "../../pool/outcome.ts";
import type { Address } from "../../net/address.ts";
import type { Progress, ResponseReader, ResponseSink } from "./http1/response-reader.ts";
import { Connection } from "./connection.ts";
import { connectFailure, disconnectFailure } from "./attempt-failures.ts";
import type { Closable, WireContext } from "./context.ts";
import type { ConnectHandler, WireSocket } from "./sockets.ts";
import type { Tunnel } from "./tunnel.ts";
import type { Timeouts } from "../../proxy/route.ts";

/** What a connection calls while it serves a request. */
export interface ConnectionUser {
  readonly sink: ConnectionSink;
  readonly timeouts: Timeouts;
  /** Whether all of the request arrived from the client: only then the connection may be reused after the response. */
  readonly isRequestComplete: boolean;
  /** A new connection is open and has begun to serve the user. */
  connectionOpened(connection: UpstreamConnection): void;
  /** The upstream took all bytes that were queued. */
  connectionFlushed(connection: UpstreamConnection): void;
  /** Bytes of the response arrived; `sink` gets them next. */
  bytesReceived(connection: UpstreamConnection): void;
  /** The connection is closed. Called at most once, and nothing after it. */
  connectionFailed(connection: UpstreamConnection, failure: Failure): void;
}

/** Receives what a connection brings for a request: a response, or what follows it in a tunnel. */
export interface ConnectionSink extends ResponseSink {
  /** Present after the protocol was switched. */
  readonly tunnel: Tunnel | undefined;
  /** The whole response arrived. The connection is checked in or closed already. */
  responseComplete(): void;
  /** A bug came to light on a connection that serves the request, or has served it. */
  reportBug(error: unknown): void;
}

/** Where a connection waits between two requests. */
export interface ConnectionHome {
  readonly address: Address;
  /**
   * @param keepAliveSeconds of `Keep-Alive: timeout`; -1 if the upstream announced none
   * @param maxAgeMs age from which on a connection serves no further request; infinite by default
   */
  checkIn(connection: UpstreamConnection, keepAliveSeconds: number, maxAgeMs?: number): void;
  /** The connection is no longer idle. */
  remove(connection: UpstreamConnection): void;
  /** A connect timed out, and the system still works on it. */
  connectAbandoned(): void;
  /** The system is done with an abandoned connect. */
  connectResolved(): void;
}

/**
 * ```
 *  connecting ──opened──▶ answer ──complete──▶ idle ──beginFor──▶ answer
 *      │ timeout            │  │ not reusable    │ FIN, bytes, timeout
 *      ▼                101 ▼  └──────▶ closed ◀─┘
 *  abandoned             tunnel ─────────▲
 * ```
 * Every way to `closed` during an exchange tells the relay why, once.
 */
export class UpstreamConnection extends Connection implements ConnectHandler, Closable {
  readonly #context: WireContext;
  readonly #home: ConnectionHome;
  /** Of the present answer, and of the last one after a failure. */
  #reader: ResponseReader | undefined;
  #user: ConnectionUser | undefined;
  #phase: "connecting" | "abandoned" | "idle" | "answer" | "tunnel" | "closed" = "connecting";
  /** As it was when this connection began; another one since then means another way to judge certificates. */
  readonly address: Address;
  /** On the wheel's clock; and how much of the longest age is this one's, 0–1. */
  openedAt = 0;
  ageShare = 1;
  /** Whether it has been idle before. */
  isReused = false;
  /** Neighbours among the idle ones, whose stack alone writes them. */
  above: UpstreamConnection | undefined;
  below: UpstreamConnection | undefined;

  constructor(context: WireContext, home: ConnectionHome) {
    super();
    this.#context = context;
    this.#home = home;
    this.address = home.address;
  }

  /** Whether any byte of the present answer has come. */
  get hasResponded(): boolean {
    return this.#reader?.hasStarted === true;
  }

  get isOpen(): boolean {
    return this.#phase !== "connecting" && this.#phase !== "abandoned" && this.#phase !== "closed";
  }

  /** Starts to connect for that relay, which hears `opened` or `failed`, never before this returns. */
  connectFor(user: ConnectionUser, connectMs: number): void {
    this.#user = user;
    this.#context.wheel.arm(this, connectMs);
    this.#context.sockets.connect(this.address, this);
  }

  /** That relay's request is sent next. */
  beginFor(user: ConnectionUser): void {
    this.#user = user;
    this.#phase = "answer";
    this.#context.wheel.disarm(this);
    this.#reader = this.#context.readers.acquire();
    this.#reader.begin();
  }

  get #inBody(): boolean {
    return this.#reader?.inBody === true;
  }

  override opened(socket: WireSocket): void {
    super.opened(socket);
    this.openedAt = this.#context.wheel.now;
    this.#context.upstreamConnections.add(this);
    if (this.#phase !== "connecting") return this.terminate();
    if (this.#user) {
      this.beginFor(this.#user);
      this.#user.connectionOpened(this);
    } else {
      // Its client left meanwhile; the next one need not wait.
      this.#phase = "idle";
      this.isReused = true;
      this.#home.checkIn(this, -1);
    }
  }

  refused(code: string): void {
    this.isClosed = true;
    this.#fail(connectFailure(code));
  }

  /** Until its answer begins the upstream has this long to do its part: to answer, or to take more of the request. */
  expectWithin(delayMs: number): void {
    if (this.#phase === "answer" && !this.#inBody) this.#context.wheel.arm(this, delayMs);
  }

  /** It is the client's turn again. */
  expectNothing(): void {
    this.expectWithin(Infinity);
  }

  received(chunk: Buffer): void {
    const user = this.#user;
    const reader = this.#reader;
    switch (this.#phase) {
      case "answer":
        user?.bytesReceived(this);
        if (user && reader) this.#advance(user, reader, reader.read(user.sink, chunk));
        return;
      case "tunnel":
        return user?.sink.tunnel?.fromUpstream(chunk);
      case "idle":
        // Bytes that nobody asked for must never become part of the next answer.
        return this.close();
    }
  }

  #advance(user: ConnectionUser, reader: ResponseReader, progress: Progress): void {
    if (this.#user !== user) return;
    switch (progress) {
      case "more":
        return reader.inBody ? this.#expectBody(user) : undefined;
      case "complete":
        return this.#complete(user, reader);
      case "switched":
        this.#context.wheel.disarm(this);
        this.#phase = "tunnel";
        return;
      case "headInvalid":
        return this.#fail(failure("head", "head_invalid", reader.violation));
      case "bodyInvalid":
        return this.#fail(failure("body", "body_truncated", "malformed chunk"));
    }
  }

  /** While the client is slower than the upstream, silence is not the upstream's fault. */
  #expectBody(user: ConnectionUser): void {
    if (this.isPaused) this.#context.wheel.disarm(this);
    else this.#context.wheel.arm(this, user.timeouts.bodyIdleMs);
  }

  override resume(): void {
    super.resume();
    if (this.#phase === "answer" && this.#inBody && this.#user) this.#expectBody(this.#user);
  }

  #complete(user: ConnectionUser, reader: ResponseReader): void {
    this.#user = undefined;
    if (reader.keepsAlive && user.isRequestComplete && this.isFlushed) {
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
    if (this.#phase === "answer" && this.#user && this.#reader?.ended())
      return this.#complete(this.#user, this.#reader);
    if (this.#phase === "idle") return this.close();
    this.#fail(disconnectFailure(this.#inBody, "FIN"));
  }

  closed(error: Error | undefined): void {
    this.isClosed = true;
    if (this.#phase === "connecting") return this.#fail(failure("connect", "connect_reset", error?.message));
    if (this.#phase === "tunnel") return this.#user?.sink.tunnel?.upstreamClosed(error);
    this.#fail(disconnectFailure(this.#inBody, error?.message ?? "closed"));
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
        this.#home.connectAbandoned();
        this.#fail(failure("connect", "connect_timeout"));
        this.#phase = "abandoned";
        return;
      case "answer":
        return this.#fail(this.#inBody ? failure("body", "body_timeout") : failure("head", "head_timeout"));
      case "idle":
        return this.close();
    }
  }

  /** For a drain: between two requests it can go. */
  closeIfIdle(): void {
    if (this.#phase === "idle") this.close();
  }

  override close(): void {
    this.#detach();
    super.close();
  }

  override terminate(): void {
    this.#detach();
    super.terminate();
  }

  /** The relay needs it no more, whatever it was doing. */
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

  /** At once, however long its socket takes to close: nobody may take it any more. */
  #detach(): void {
    this.#context.upstreamConnections.delete(this);
    if (this.#phase === "idle") this.#home.remove(this);
    if (this.#phase === "abandoned") this.#home.connectResolved();
    this.#context.wheel.forget(this);
    this.#user = undefined;
    this.#phase = "closed";
  }
}

/** One connection to an upstream: sends requests, reads answers and believes nothing that two readers could read differently. */

import { failure, type Failure } from "../../pool/outcome.ts";
import type { Address } from "../../net/address.ts";
import type { ResponseReader, Progress } from "./http1/response-reader.ts";
import { Connection } from "./connection.ts";
import { reportBug, disconnectFailure, connectFailure } from "./attempt-failures.ts";
import type { Closable, WireContext } from "./context.ts";
import type { RequestForwarder } from "./request-forwarder.ts";
import type { ConnectHandler, WireSocket } from "./sockets.ts";
import type { ConnectionPool } from "./connection-pool.ts";

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
  readonly #home: ConnectionPool;
  /** Of the present answer, and of the last one after a failure. */
  #reader: ResponseReader | undefined;
  #forwarder: RequestForwarder | undefined;
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

  constructor(context: WireContext, home: ConnectionPool) {
    super();
    this.#context = context;
    this.#home = home;
    this.address = home.upstream.address;
  }

  /** Whether any byte of the present answer has come. */
  get hasResponded(): boolean {
    return this.#reader?.hasStarted === true;
  }

  get isOpen(): boolean {
    return this.#phase !== "connecting" && this.#phase !== "abandoned" && this.#phase !== "closed";
  }

  /** Starts to connect for that relay, which hears `opened` or `failed`, never before this returns. */
  connectFor(forwarder: RequestForwarder, connectMs: number): void {
    this.#forwarder = forwarder;
    this.#context.wheel.arm(this, connectMs);
    this.#context.sockets.connect(this.address, this);
  }

  /** That relay's request is sent next. */
  beginFor(forwarder: RequestForwarder): void {
    this.#forwarder = forwarder;
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
    this.#context.upstreams.add(this);
    if (this.#phase !== "connecting") return this.terminate();
    if (this.#forwarder) {
      this.beginFor(this.#forwarder);
      this.#forwarder.attempts.connectionOpened(this);
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
    const forwarder = this.#forwarder;
    const reader = this.#reader;
    switch (this.#phase) {
      case "answer":
        forwarder?.attempts.pair.switchToConnection(this);
        if (forwarder && reader) this.#act(forwarder, reader, reader.read(forwarder, chunk));
        return;
      case "tunnel":
        return forwarder?.tunnel?.fromUpstream(chunk);
      case "idle":
        // Bytes that nobody asked for must never become part of the next answer.
        return this.close();
    }
  }

  #act(forwarder: RequestForwarder, reader: ResponseReader, progress: Progress): void {
    if (this.#forwarder !== forwarder) return;
    switch (progress) {
      case "more":
        return reader.inBody ? this.#awaitBody(forwarder) : undefined;
      case "complete":
        return this.#complete(forwarder, reader);
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
  #awaitBody(forwarder: RequestForwarder): void {
    if (this.isPaused) this.#context.wheel.disarm(this);
    else this.#context.wheel.arm(this, forwarder.attempts.timeouts.bodyIdleMs);
  }

  override resume(): void {
    super.resume();
    if (this.#phase === "answer" && this.#inBody && this.#forwarder) this.#awaitBody(this.#forwarder);
  }

  #complete(forwarder: RequestForwarder, reader: ResponseReader): void {
    this.#forwarder = undefined;
    if (reader.keepsAlive && forwarder.request.isComplete && this.isFlushed) {
      super.resume();
      this.#phase = "idle";
      this.isReused = true;
      this.#reader = undefined;
      this.#context.readers.release(reader);
      this.#home.checkIn(this, reader.keepAliveSeconds, forwarder.attempts.timeouts.connectionAgeMs);
    } else this.close();
    try {
      forwarder.responseComplete();
    } catch (error) {
      reportBug(forwarder, error, this.#context.setting.log);
    }
  }

  ended(): void {
    if (this.#phase === "tunnel") return this.#forwarder?.tunnel?.upstreamFinished();
    if (this.#phase === "answer" && this.#forwarder && this.#reader?.ended())
      return this.#complete(this.#forwarder, this.#reader);
    if (this.#phase === "idle") return this.close();
    this.#fail(disconnectFailure(this.#inBody, "FIN"));
  }

  closed(error: Error | undefined): void {
    this.isClosed = true;
    if (this.#phase === "connecting") return this.#fail(failure("connect", "connect_reset", error?.message));
    if (this.#phase === "tunnel") return this.#forwarder?.tunnel?.upstreamClosed(error);
    this.#fail(disconnectFailure(this.#inBody, error?.message ?? "closed"));
  }

  override handlerThrew(error: Error): void {
    const forwarder = this.#forwarder;
    this.terminate();
    reportBug(forwarder, error, this.#context.setting.log);
  }

  override expired(): void {
    switch (this.#phase) {
      case "connecting":
        this.#home.abandoned += 1;
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
    this.#leave();
    super.close();
  }

  override terminate(): void {
    this.#leave();
    super.terminate();
  }

  /** The relay needs it no more, whatever it was doing. */
  abort(): void {
    if (this.#phase === "connecting") this.#forwarder = undefined;
    else this.terminate();
  }

  protected override progressed(): void {
    if (this.#phase === "tunnel") this.#forwarder?.tunnel?.progressed();
    else if (this.#forwarder) this.expectWithin(this.#forwarder.attempts.timeouts.bodyIdleMs);
  }

  protected override flushed(): void {
    this.#forwarder?.upstreamFlushed(this);
  }

  #fail(failed: Failure): void {
    const forwarder = this.#forwarder;
    this.terminate();
    forwarder?.attempts.failed(failed, this);
  }

  /** At once, however long its socket takes to close: nobody may take it any more. */
  #leave(): void {
    this.#context.upstreams.delete(this);
    if (this.#phase === "idle") this.#home.remove(this);
    if (this.#phase === "abandoned") this.#home.abandoned -= 1;
    this.#context.wheel.forget(this);
    this.#forwarder = undefined;
    this.#phase = "closed";
  }
}

/** One connection to an upstream: sends requests, reads answers and believes nothing that two readers could read differently. */

import { failure, type Failure } from "../../pool/outcome.ts";
import type { Address } from "../../pool/upstream.ts";
import type { ResponseReader, Progress } from "./answer-reader.ts";
import { Connection } from "./connection.ts";
import { reportBug, disconnectFailure, connectFailure } from "./losses.ts";
import type { WireContext } from "./plane.ts";
import type { RequestForwarder } from "./relay.ts";
import type { ConnectHandler, WireSocket } from "./socket.ts";
import type { ConnectionPool } from "./upstreams.ts";

/**
 * ```
 *  connecting ──opened──▶ answer ──complete──▶ idle ──beginFor──▶ answer
 *      │ timeout            │  │ not reusable    │ FIN, bytes, timeout
 *      ▼                101 ▼  └──────▶ closed ◀─┘
 *  abandoned             tunnel ─────────▲
 * ```
 * Every way to `closed` during an exchange tells the relay why, once.
 */
export class UpstreamConnection extends Connection implements ConnectHandler {
  readonly #plane: WireContext;
  readonly #lane: ConnectionPool;
  /** Of the present answer, and of the last one after a failure. */
  #reader: ResponseReader | undefined;
  #relay: RequestForwarder | undefined;
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

  constructor(plane: WireContext, lane: ConnectionPool) {
    super();
    this.#plane = plane;
    this.#lane = lane;
    this.address = lane.upstream.address;
  }

  /** Whether any byte of the present answer has come. */
  get hasAnswered(): boolean {
    return this.#reader?.hasStarted === true;
  }

  get isOpen(): boolean {
    return this.#phase !== "connecting" && this.#phase !== "abandoned" && this.#phase !== "closed";
  }

  /** Starts to connect for that relay, which hears `opened` or `failed`, never before this returns. */
  connectFor(relay: RequestForwarder, connectMs: number): void {
    this.#relay = relay;
    this.#plane.wheel.arm(this, connectMs);
    this.#plane.sockets.connect(this.address, this);
  }

  /** That relay's request is sent next. */
  beginFor(relay: RequestForwarder): void {
    this.#relay = relay;
    this.#phase = "answer";
    this.#plane.wheel.disarm(this);
    this.#reader = this.#plane.readers.acquire();
    this.#reader.begin();
  }

  get #inBody(): boolean {
    return this.#reader?.inBody === true;
  }

  override opened(socket: WireSocket): void {
    super.opened(socket);
    this.openedAt = this.#plane.wheel.now;
    this.#plane.upstreams.add(this);
    if (this.#phase !== "connecting") return this.terminate();
    if (this.#relay) {
      this.beginFor(this.#relay);
      this.#relay.attempts.opened(this);
    } else {
      // Its client left meanwhile; the next one need not wait.
      this.#phase = "idle";
      this.isReused = true;
      this.#lane.checkIn(this, -1);
    }
  }

  refused(code: string): void {
    this.isClosed = true;
    this.#fail(connectFailure(code));
  }

  /** Until its answer begins the upstream has this long to do its part: to answer, or to take more of the request. */
  expectWithin(delayMs: number): void {
    if (this.#phase === "answer" && !this.#inBody) this.#plane.wheel.arm(this, delayMs);
  }

  /** It is the client's turn again. */
  expectNothing(): void {
    this.expectWithin(Infinity);
  }

  received(chunk: Buffer): void {
    const relay = this.#relay;
    const reader = this.#reader;
    switch (this.#phase) {
      case "answer":
        relay?.attempts.pair.switchToConnection(this);
        if (relay && reader) this.#act(relay, reader, reader.read(relay, chunk));
        return;
      case "tunnel":
        return relay?.tunnel?.fromUpstream(chunk);
      case "idle":
        // Bytes that nobody asked for must never become part of the next answer.
        return this.close();
    }
  }

  #act(relay: RequestForwarder, reader: ResponseReader, progress: Progress): void {
    if (this.#relay !== relay) return;
    switch (progress) {
      case "more":
        return reader.inBody ? this.#awaitBody(relay) : undefined;
      case "complete":
        return this.#complete(relay, reader);
      case "switched":
        this.#plane.wheel.disarm(this);
        this.#phase = "tunnel";
        return;
      case "headInvalid":
        return this.#fail(failure("head", "head_invalid", reader.complaint));
      case "bodyInvalid":
        return this.#fail(failure("body", "body_truncated", "malformed chunk"));
    }
  }

  /** While the client is slower than the upstream, silence is not the upstream's fault. */
  #awaitBody(relay: RequestForwarder): void {
    if (this.isPaused) this.#plane.wheel.disarm(this);
    else this.#plane.wheel.arm(this, relay.attempts.timeouts.bodyIdleMs);
  }

  override resume(): void {
    super.resume();
    if (this.#phase === "answer" && this.#inBody && this.#relay) this.#awaitBody(this.#relay);
  }

  #complete(relay: RequestForwarder, reader: ResponseReader): void {
    this.#relay = undefined;
    if (reader.keepsAlive && relay.request.isComplete && this.isFlushed) {
      super.resume();
      this.#phase = "idle";
      this.isReused = true;
      this.#reader = undefined;
      this.#plane.readers.release(reader);
      this.#lane.checkIn(this, reader.keepAliveSeconds, relay.attempts.timeouts.connectionAgeMs);
    } else this.close();
    try {
      relay.responseComplete();
    } catch (error) {
      reportBug(relay, error, this.#plane.setting.log);
    }
  }

  ended(): void {
    if (this.#phase === "tunnel") return this.#relay?.tunnel?.upstreamFinished();
    if (this.#phase === "answer" && this.#relay && this.#reader?.ended())
      return this.#complete(this.#relay, this.#reader);
    if (this.#phase === "idle") return this.close();
    this.#fail(disconnectFailure(this.#inBody, "FIN"));
  }

  closed(error: Error | undefined): void {
    this.isClosed = true;
    if (this.#phase === "connecting") return this.#fail(failure("connect", "connect_reset", error?.message));
    if (this.#phase === "tunnel") return this.#relay?.tunnel?.upstreamClosed(error);
    this.#fail(disconnectFailure(this.#inBody, error?.message ?? "closed"));
  }

  override handlerThrew(error: Error): void {
    const relay = this.#relay;
    this.terminate();
    reportBug(relay, error, this.#plane.setting.log);
  }

  override expired(): void {
    switch (this.#phase) {
      case "connecting":
        this.#lane.abandoned += 1;
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
    if (this.#phase === "connecting") this.#relay = undefined;
    else this.terminate();
  }

  protected override progressed(): void {
    if (this.#phase === "tunnel") this.#relay?.tunnel?.progressed();
    else if (this.#relay) this.expectWithin(this.#relay.attempts.timeouts.bodyIdleMs);
  }

  protected override flushed(): void {
    this.#relay?.upstreamFlushed(this);
  }

  #fail(failed: Failure): void {
    const relay = this.#relay;
    this.terminate();
    relay?.attempts.failed(failed, this);
  }

  /** At once, however long its socket takes to close: nobody may take it any more. */
  #leave(): void {
    this.#plane.upstreams.delete(this);
    if (this.#phase === "idle") this.#lane.remove(this);
    if (this.#phase === "abandoned") this.#lane.abandoned -= 1;
    this.#plane.wheel.forget(this);
    this.#relay = undefined;
    this.#phase = "closed";
  }
}

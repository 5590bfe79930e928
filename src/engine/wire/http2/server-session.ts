/** A client's HTTP/2 connection: gives each stream a client connection of the engine, which speaks HTTP/1.1. */

import { toError } from "../../../lib/bugs.ts";
import type { TimerWheel } from "../../../lib/timer-wheel.ts";
import { refusal, refusalForViolation } from "../../../proxy/refusal.ts";
import type { ConnectionTls } from "../../../tls/connection-tls.ts";
import { ClientConnection } from "../client-connection.ts";
import type { ClientListener, ClosableClient } from "../client-listener.ts";
import type { FreeList, WireContext } from "../context.ts";
import type { RequestForwarder } from "../request-forwarder.ts";
import type { ClientSocketHandler, WireSocket } from "../sockets.ts";
import type { HeadTools } from "./message-translator.ts";
import type { Http2Context } from "./context.ts";
import type { WholeBlock } from "./header-block-reader.ts";
import { ConnectionError, errorCode, maxStreamId, preface, setting } from "./protocol.ts";
import { writeTrailers } from "./field-rules.ts";
import { ServerStream, type StreamSession } from "./server-stream.ts";
import { clientWindowBytes, streamWindowBytes } from "./flow-control.ts";
import { Http2Session } from "./session.ts";

/** Streams that a client may have open at the same time. */
const maxStreams = 128;

/** How long a client may take to answer the PING behind the announcement that the connection ends. */
const drainMs = 1_000;

/** What the connection waits for. Each kind has its own timeout, which does not start again while it lasts. */
type Awaited = "nothing" | "head" | "request" | "socket" | "drain" | "close";

export interface ServerSessionOptions {
  readonly http2: Http2Context;
  readonly forwarders: FreeList<RequestForwarder>;
  readonly listener: ClientListener;
  /** Of the client. */
  readonly address: string;
  /** Of the peer. */
  readonly peerAddress: string;
  readonly tls?: ConnectionTls | undefined;
}

/**
 * ```
 *  preface ──settings──▶ open ──drain──▶ announced ──PING answered──▶ going away ──last stream ends──▶ flushing ──▶ lingering ──▶ closed
 *     │ timeout            │ idle, timeout                                                     ▲  GOAWAY
 *     └────────────────────┴── violation ──────────────────────────────────────────────────────┘
 * ```
 * After the last byte we send FIN, and drop what the client still sends, or its kernel would discard our last frames.
 */
export class ServerSession
  extends Http2Session<ServerStream, WireContext>
  implements ClientSocketHandler, ClosableClient, StreamSession
{
  readonly #options: ServerSessionOptions;
  readonly #free: ServerStream[] = [];
  #prefaceBytes = 0;
  #lastStreamId = 0;
  /** Streams above this are not served. */
  #lastServedId = maxStreamId;
  #isDraining = false;
  place = -1;
  /** The client has announced its end, or is one too many: the connection closes when no stream is open. */
  #isLeaving = false;
  /** There are too many clients: requests get 503. */
  #isRejected = false;
  #phase: "open" | "flushing" | "lingering" | "closed" = "open";
  /** Undefined where the timeout must start again. */
  #awaited: Awaited | undefined;
  /** Bytes that the socket had taken when the timeout for it started. */
  #takenBytes = 0;

  constructor(context: WireContext, options: ServerSessionOptions) {
    super(context, options.http2.fields, clientWindowBytes);
    this.#options = options;
  }

  override opened(socket: WireSocket): void {
    super.opened(socket);
    const admission = this.#options.listener.admit(this);
    if (admission === "drop") return this.closeForGood(true);
    this.sendSettings([
      [setting.maxConcurrentStreams, maxStreams],
      [setting.initialWindowSize, streamWindowBytes],
      [setting.maxHeaderListSize, this.#options.http2.fields.maxBytes],
      [setting.enableConnectProtocol, 1],
    ]);
    this.#isRejected = this.#isLeaving = admission === "reject";
    this.flush();
    this.arm();
  }

  get shared(): HeadTools {
    return this.#options.http2.responses;
  }

  get wheel(): TimerWheel {
    return this.context.wheel;
  }

  secured(): void {}

  protected override readPreface(chunk: Buffer): number {
    let from = 0;
    while (this.#prefaceBytes < preface.length && from < chunk.length) {
      if (chunk[from] !== preface[this.#prefaceBytes])
        throw new ConnectionError(errorCode.protocol, "no connection preface");
      this.#prefaceBytes += 1;
      from += 1;
    }
    return from;
  }

  protected override isIdleStream(streamId: number): boolean {
    return streamId > this.#lastStreamId || streamId % 2 === 0;
  }

  protected override checkHeaders(streamId: number): void {
    if (streamId % 2 === 0)
      throw new ConnectionError(errorCode.protocol, "HEADERS on a stream that no client opens");
    const stream = this.streams.get(streamId);
    if (stream?.peerEnded) throw new ConnectionError(errorCode.streamClosed, "HEADERS after the end");
    if (!stream && streamId <= this.#lastStreamId && !this.ignores(streamId))
      throw new ConnectionError(errorCode.streamClosed, "HEADERS on a closed stream");
  }

  protected override blockReceived(block: WholeBlock): void {
    const { streamId, endsStream } = block;
    const stream = this.streams.get(streamId);
    if (stream) return this.#trailers(stream, endsStream);
    if (streamId <= this.#lastStreamId) {
      // Trailers that crossed our reset.
      if (endsStream) this.peerHasEnded(streamId);
      return;
    }
    this.#lastStreamId = streamId;
    if (this.ignores(streamId)) return;
    if (block.dependsOnItself) return this.#refuseStream(streamId, errorCode.protocol);
    if (this.streams.size >= maxStreams) return this.#refuseStream(streamId, errorCode.refusedStream);
    this.#open(streamId, endsStream);
  }

  /** Streams above the announced last one are not served, and other ones that were reset no longer. */
  protected override ignores(streamId: number): boolean {
    return streamId > this.#lastServedId || super.ignores(streamId);
  }

  #refuseStream(streamId: number, code: number): void {
    this.resetId(streamId, code);
    this.guard.reset(this.context.wheel.now);
  }

  #open(streamId: number, endsStream: boolean): void {
    const { fields, requests, webSocketKey } = this.#options.http2;
    const { isTooLarge } = fields;
    if (!isTooLarge && !requests.write(fields, endsStream, webSocketKey))
      return this.#refuseStream(streamId, errorCode.protocol);
    if (isTooLarge) requests.forget();
    const stream = this.#freeStream();
    this.streams.set(streamId, stream);
    this.#awaited = undefined;
    stream.beganAt = this.context.wheel.now;
    stream.begin(streamId, this.peer.initialWindowBytes, requests, endsStream);
    if (this.#isRejected) stream.connection.refuse(refusal("too_many_clients"));
    else if (isTooLarge) stream.connection.refuse(refusalForViolation(this.#options.http2.headTooLarge));
    else stream.pass(requests.view);
  }

  #freeStream(): ServerStream {
    for (let free = this.#free.pop(); free; free = this.#free.pop()) if (free.isFree) return free;
    const { forwarders, listener, address, peerAddress, tls } = this.#options;
    const stream = new ServerStream(this);
    stream.connection = new ClientConnection(this.context, forwarders, {
      listener,
      address,
      peerAddress,
      tls,
      isStream: true,
    });
    stream.connection.opened(stream);
    return stream;
  }

  #trailers(stream: ServerStream, endsStream: boolean): void {
    const { fields } = this.#options.http2;
    const trailers = endsStream && !fields.isTooLarge ? writeTrailers(fields) : undefined;
    if (!trailers || !stream.receiveTrailers(trailers)) this.abandon(stream, errorCode.protocol);
  }

  protected override dataReceived(stream: ServerStream, data: Buffer, endsStream: boolean): void {
    if (!stream.receiveData(data, endsStream)) this.abandon(stream, errorCode.protocol);
  }

  protected override resetReceived(stream: ServerStream): void {
    stream.abandon();
    this.guard.reset(this.context.wheel.now, stream.beganAt);
    this.#closeIfDone();
  }

  /** The client opens no more streams. */
  protected override goAwayReceived(): void {
    this.#isLeaving = true;
    this.#closeIfDone();
  }

  resetStream(stream: ServerStream, code: number): void {
    this.resetId(stream.id, code);
  }

  streamEnded(stream: ServerStream): void {
    this.remove(stream);
    this.guard.streamEnded();
    if (!stream.isDead) this.#free.push(stream);
    this.#closeIfDone();
  }

  protected override abandon(stream: ServerStream, code: number): void {
    this.resetId(stream.id, code);
    this.remove(stream);
    stream.abandon();
    this.guard.reset(this.context.wheel.now, stream.beganAt);
    this.#closeIfDone();
  }

  // The end of the connection.

  /** Whether the client may not know yet that the connection ends. */
  get #isAnnounced(): boolean {
    return this.#isDraining && !this.isClosed && this.#lastServedId === maxStreamId;
  }

  get #awaits(): Awaited {
    if (this.#phase === "lingering") return "close";
    if (this.output.isBlocked) return "socket";
    const hasNoStream = this.streams.size === 0;
    if (!this.hasSettings || this.isInBlock || (hasNoStream && this.isInFrame)) return "head";
    if (this.#isAnnounced) return "drain";
    return hasNoStream ? "request" : "nothing";
  }

  protected override arm(): void {
    const awaited = this.#awaits;
    const hasProgressed = awaited === "socket" && this.output.takenBytes !== this.#takenBytes;
    if (this.#phase === "closed" || (awaited === this.#awaited && !hasProgressed)) return;
    this.#awaited = awaited;
    this.#takenBytes = this.output.takenBytes;
    const { clientTimers, wheel } = this.context;
    switch (awaited) {
      case "head":
        return clientTimers.forHead(this);
      case "request":
        return clientTimers.forRequest(this);
      case "socket":
        return clientTimers.forSend(this);
      case "drain":
        return wheel.arm(this, drainMs);
      case "close":
        return clientTimers.forLingeringClose(this);
      case "nothing":
        return clientTimers.disarm(this);
    }
  }

  override expired(): void {
    const awaited = this.#awaited;
    this.#awaited = undefined;
    if (awaited === "socket" || awaited === "close") return this.closeForGood(awaited === "socket");
    if (awaited === "drain") this.#goAwayForGood();
    else this.fail(errorCode.none);
  }

  /** Until the client's SETTINGS have arrived, nothing can be announced. */
  get isFresh(): boolean {
    return !this.hasSettings && !this.isClosed;
  }

  announceEnd(): void {
    if (!this.isFresh) this.closeIfIdle();
  }

  /**
   * Announces the end of the connection twice: streams that cross the first announcement are still served. The client has
   * received it when it answers the PING that follows.
   */
  closeIfIdle(): void {
    if (this.#isDraining || this.isClosed) return;
    this.#isDraining = true;
    if (!this.hasSettings) return this.fail(errorCode.none);
    this.context.holdDrain();
    this.goAway(maxStreamId, errorCode.none);
    this.ping();
    this.flush();
    this.arm();
  }

  protected override pingAnswered(): void {
    if (this.#isAnnounced) this.#goAwayForGood();
  }

  #goAwayForGood(): void {
    if (this.streams.size === 0) return this.fail(errorCode.none);
    this.#announced();
    this.goAway(this.#lastStreamId, errorCode.none);
    this.flushSoon();
    this.arm();
  }

  #announced(): void {
    this.#lastServedId = this.#lastStreamId;
    this.context.releaseDrain();
  }

  #closeIfDone(): void {
    if (this.streams.size > 0 || this.isClosed) return;
    const isDone = this.#isLeaving || (this.#isDraining && !this.#isAnnounced);
    if (isDone) this.fail(errorCode.none);
    else this.arm();
  }

  /** A drain waits until the last byte has left. */
  protected override fail(code: number): void {
    if (this.isClosed) return;
    this.context.holdDrain();
    this.#endStreams();
    this.#phase = "flushing";
    this.goAway(Math.min(this.#lastServedId, this.#lastStreamId), code);
    this.drained();
  }

  #endStreams(): void {
    if (this.#isAnnounced) this.#announced();
    this.isClosed = true;
    for (const stream of [...this.streams.values(), ...this.#free]) {
      try {
        stream.abandon();
      } catch (error) {
        this.context.options.log.bug(toError(error), "");
      }
    }
    this.streams.clear();
    this.#free.length = 0;
  }

  override drained(): void {
    this.flush();
    if (this.#phase === "flushing" && this.output.waitingBytes === 0) {
      this.#phase = "lingering";
      this.context.releaseDrain();
      this.socket?.shutdown();
    }
    this.arm();
  }

  override ended(): void {
    if (this.#phase !== "flushing") this.closeForGood(false);
  }

  closeForGood(abruptly: boolean): void {
    const phase = this.#phase;
    if (phase === "closed") return;
    if (!this.isClosed) this.#endStreams();
    this.#phase = "closed";
    if (phase === "flushing") this.context.releaseDrain();
    this.#options.listener.closed(this);
    this.closeSocket(abruptly && phase !== "lingering");
  }
}

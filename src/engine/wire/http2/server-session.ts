/** A client's HTTP/2 connection: gives each stream a client connection of the engine, which speaks HTTP/1.1. */

import { ClientConnection } from "../client-connection.ts";
import type { ClientListener, ClosableClient } from "../client-listener.ts";
import type { FreeList, WireContext } from "../context.ts";
import type { RequestForwarder } from "../request-forwarder.ts";
import type { ClientSocketHandler, WireSocket } from "../sockets.ts";
import type { HeadTools } from "./body-translator.ts";
import type { Http2Context } from "./context.ts";
import type { WholeBlock } from "./header-block-reader.ts";
import { ConnectionError, errorCode, maxStreamId, preface, setting } from "./protocol.ts";
import { writeTrailers } from "./request-writer.ts";
import { ServerStream, type StreamSession } from "./server-stream.ts";
import { clientWindowBytes, streamWindowBytes } from "./flow-control.ts";
import { Http2Session } from "./session.ts";

/** Streams that a client may have open at the same time. */
const maxStreams = 128;

/** How long a client may take to stop opening streams after it heard that the connection ends. */
const drainMs = 1_000;

export interface ServerSessionOptions {
  readonly http2: Http2Context;
  readonly forwarders: FreeList<RequestForwarder>;
  readonly listener: ClientListener;
  /** Of the client. */
  readonly address: string;
}

/**
 * ```
 *  preface ──settings──▶ open ──drain──▶ announced ──1 s──▶ going away ──last stream ends──▶ closed
 *     │ timeout            │ idle, timeout                                                     ▲
 *     └────────────────────┴── violation: GOAWAY ─────────────────────────────────────────────┘
 * ```
 */
export class ServerSession
  extends Http2Session<ServerStream>
  implements ClientSocketHandler, ClosableClient, StreamSession
{
  readonly #options: ServerSessionOptions;
  readonly #free: ServerStream[] = [];
  #prefaceBytes = 0;
  #lastStreamId = 0;
  /** Streams above this are not served. */
  #lastServedId = maxStreamId;
  #isDraining = false;

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
    if (admission === "reject") return this.fail(errorCode.enhanceYourCalm);
    this.context.clientTimers.forHead(this);
    this.flush();
  }

  get shared(): HeadTools {
    return this.#options.http2.responses;
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
    const stream = this.streams.get(streamId);
    if (streamId % 2 === 0)
      throw new ConnectionError(errorCode.protocol, "HEADERS on a stream that no client opens");
    if (!stream && streamId <= this.#lastStreamId)
      throw new ConnectionError(errorCode.streamClosed, "HEADERS on a closed stream");
    if (stream?.peerEnded) throw new ConnectionError(errorCode.streamClosed, "HEADERS after the end");
    if (!stream) this.#lastStreamId = streamId;
  }

  protected override blockReceived({ streamId, endsStream, dependsOnItself }: WholeBlock): void {
    const stream = this.streams.get(streamId);
    if (stream) return this.#trailers(stream, endsStream);
    if (dependsOnItself) return this.resetId(streamId, errorCode.protocol);
    if (streamId > this.#lastServedId) return;
    if (this.streams.size >= maxStreams) return this.resetId(streamId, errorCode.refusedStream);
    this.#open(streamId, endsStream);
  }

  #open(streamId: number, endsStream: boolean): void {
    const { fields, requests, webSocketKey } = this.#options.http2;
    if (!fields.isTooLarge && !requests.write(fields, endsStream, webSocketKey))
      return this.resetId(streamId, errorCode.protocol);
    const stream = this.#freeStream();
    this.streams.set(streamId, stream);
    const windows = { send: this.peer.initialWindowBytes, receive: streamWindowBytes };
    if (fields.isTooLarge) {
      stream.begin(streamId, windows, { isHead: false, isTunnel: false, contentLength: -1, endsStream });
      return stream.connection.refuse(this.#options.http2.headTooLarge);
    }
    const { isHead, isTunnel, contentLength } = requests;
    stream.begin(streamId, windows, { isHead, isTunnel, contentLength, endsStream });
    stream.connection.received(requests.bytes.subarray(0, requests.length));
  }

  #freeStream(): ServerStream {
    for (let free = this.#free.pop(); free; free = this.#free.pop()) if (free.isFree) return free;
    const { forwarders, listener, address } = this.#options;
    const stream = new ServerStream(this);
    stream.connection = new ClientConnection(this.context, forwarders, { listener, address, isStream: true });
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
    this.guard.reset(this.context.wheel.now);
    stream.abandon();
    this.#closeIfDone();
  }

  /** The client opens no more streams. Open ones go on. */
  protected override goAwayReceived(): void {
    this.#lastServedId = Math.min(this.#lastServedId, this.#lastStreamId);
  }

  resetStream(stream: ServerStream, code: number): void {
    this.resetId(stream.id, code);
  }

  streamEnded(stream: ServerStream): void {
    this.remove(stream);
    if (!stream.isDead) this.#free.push(stream);
    this.#closeIfDone();
  }

  protected override abandon(stream: ServerStream, code: number): void {
    this.guard.reset(this.context.wheel.now);
    this.resetId(stream.id, code);
    this.remove(stream);
    stream.abandon();
    this.#closeIfDone();
  }

  // The end of the connection.

  protected override arm(): void {
    if (this.isClosed) return;
    const { clientTimers } = this.context;
    if (this.output.isBlocked) clientTimers.forSend(this);
    else if (!this.hasSettings || this.isInBlock) clientTimers.forHead(this);
    else if (this.streams.size === 0) clientTimers.forRequest(this);
    else if (!this.#isDraining) clientTimers.disarm(this);
  }

  override expired(): void {
    if (this.output.isBlocked) return this.closeForGood(true);
    if (this.#isDraining && this.#lastServedId === maxStreamId) return this.#goAwayForGood();
    this.fail(errorCode.none);
  }

  /** Announces the end of the connection twice: streams that cross the first announcement are still served. */
  closeIfIdle(): void {
    if (this.#isDraining || this.isClosed) return;
    this.#isDraining = true;
    if (this.streams.size === 0) return this.fail(errorCode.none);
    this.goAway(maxStreamId, errorCode.none);
    this.flush();
    this.context.wheel.arm(this, drainMs);
  }

  #goAwayForGood(): void {
    this.#lastServedId = this.#lastStreamId;
    this.goAway(this.#lastStreamId, errorCode.none);
    this.flush();
    this.#closeIfDone();
  }

  #closeIfDone(): void {
    if (this.streams.size > 0 || this.isClosed) return;
    if (this.#isDraining) this.fail(errorCode.none);
    else this.arm();
  }

  protected override fail(code: number): void {
    if (this.isClosed) return;
    this.goAway(this.#lastStreamId, code);
    this.flush();
    this.closeForGood(false);
  }

  closeForGood(abruptly: boolean): void {
    if (this.isClosed) return;
    this.isClosed = true;
    for (const stream of [...this.streams.values(), ...this.#free]) stream.abandon();
    this.#options.listener.closed(this);
    this.closeSocket(abruptly);
  }
}

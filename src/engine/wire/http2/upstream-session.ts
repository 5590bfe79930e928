/** An HTTP/2 connection to an upstream, which requests share: gives each of them a socket of its own, which speaks HTTP/1.1. */

import type { ConnectHandler, PendingConnect, WireSocket } from "../sockets.ts";
import { StreamFailure } from "../stream-failure.ts";
import type { UpstreamHttp2Context } from "./context.ts";
import { streamWindowBytes } from "./flow-control.ts";
import type { WholeBlock } from "./header-block-reader.ts";
import {
  ConnectionError,
  errorCode,
  errorName,
  maxStreamId,
  noHttp2Code,
  preface,
  setting,
  startsHttp1,
} from "./protocol.ts";
import { writeTrailers } from "./field-rules.ts";
import { Http2Session, type SessionContext } from "./session.ts";
import { guarded, WaitingRequests } from "./waiting-requests.ts";
import { type UpstreamStreamSession, UpstreamStream } from "./upstream-stream.ts";

/** Streams on one connection, if the upstream allows more. */
const maxStreams = 100;

/** All streams may be full: a client that reads slowly must not stop the responses to others. */
const windowBytes = maxStreams * streamWindowBytes;

/** Frames without use: operators' own servers may be generous with PING and SETTINGS. */
const floodLimits = { burst: 10_000, perSecond: 1_000 };

/** A connection without a stream waits this long for the next one. */
const idleMs = 15_000;

/** A request that was given up after so much silence of the whole connection leads to a PING. */
const silenceMs = 1_000;

/** How long the upstream may take to answer a PING, with anything. */
const pingMs = 3_000;

/** A connection that a drain closes while it serves no request. */
interface IdleCloser {
  closeIfIdle(): void;
}

export interface UpstreamSessionContext extends SessionContext {
  readonly upstreamConnections: Set<IdleCloser>;
  readonly isDraining: boolean;
}

/** The connections to the same server. */
export interface SessionGroup {
  readonly scheme: "http" | "https";
  /** Gives the request a socket on another connection, for a WebSocket that this one does not carry over HTTP/1.1. */
  connect(handler: ConnectHandler): void;
  removed(session: UpstreamSession): void;
  /** A connect that no request waits for any more cannot be ended. */
  connectAbandoned(): void;
  abandonedConnectEnded(): void;
}

export interface UpstreamSessionOptions {
  readonly http2: UpstreamHttp2Context;
  readonly group: SessionGroup;
  /** From this age on it takes no new requests. */
  readonly maxAgeMs: number;
}

/**
 * ```
 *  connecting ──socket──▶ opening ──SETTINGS──▶ open ──GOAWAY, old──▶ retired ──last stream ends──▶ closed
 *      │ refused             │ closed             └──idle, PING not answered, violation──────────────▲
 *      └─────────────────────┴──▶ closed: all that wait are refused
 * ```
 */
export class UpstreamSession
  extends Http2Session<UpstreamStream, UpstreamSessionContext>
  implements ConnectHandler, IdleCloser, UpstreamStreamSession
{
  readonly #options: UpstreamSessionOptions;
  readonly #sockets = new Set<UpstreamStream>();
  readonly #waiting = new WaitingRequests();
  /** Streams with something that arrived in this event. */
  #touched: UpstreamStream[] = [];
  #pendingConnect: PendingConnect | undefined;
  /** Whether the system is done with the connect. */
  #isConnected = false;
  #isOpen = false;
  #isRetired = false;
  #isPinging = false;
  #nextId = 1;
  #openedAt = 0;
  #receivedAt = 0;
  /** When the last stream ended. */
  #idleSince = 0;

  constructor(context: UpstreamSessionContext, options: UpstreamSessionOptions) {
    super(context, options.http2.fields, windowBytes, floodLimits);
    this.#options = options;
  }

  get tools() {
    return this.#options.http2.tools;
  }

  get scheme() {
    return this.#options.group.scheme;
  }

  get takesTunnels(): boolean {
    return this.peer.enablesConnectProtocol;
  }

  get initialWindow(): number {
    return this.peer.initialWindowBytes;
  }

  /** Requests that have a socket or wait for one. */
  get load(): number {
    return this.#sockets.size + this.#waiting.count;
  }

  get #limit(): number {
    return Math.min(maxStreams, this.peer.maxStreams);
  }

  /** Whether another request can have a socket. Before SETTINGS it is assumed that the upstream allows the usual number. */
  get hasCapacity(): boolean {
    return this.load < this.#limit && this.#takesStreams;
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  get #takesStreams(): boolean {
    return !this.isClosed && !this.#isRetired && !this.#isPinging;
  }

  get keepsSockets(): boolean {
    return !this.isClosed && !this.#isRetired && this.#sockets.size <= this.#limit;
  }

  // Connecting.

  /** Gives the request a socket when the connection is open. */
  add(handler: ConnectHandler): void {
    this.#waiting.add(handler, () => this.#left());
    // Not before the caller has returned.
    if (this.#isOpen) queueMicrotask(() => this.#admit());
  }

  #left(): void {
    if (this.load > 0 || this.isClosed) return;
    if (this.#isOpen) this.arm();
    else this.closeForGood(true);
  }

  pending(connect: PendingConnect): void {
    if (!this.isClosed) return void (this.#pendingConnect = connect);
    this.#connectEnded();
    connect.terminate();
  }

  /** The system is done with the connect. */
  #connectEnded(): void {
    this.#pendingConnect = undefined;
    this.#isConnected = true;
    if (this.isClosed) this.#options.group.abandonedConnectEnded();
  }

  refused(code: string): void {
    this.#connectEnded();
    if (this.isClosed) return;
    this.#waiting.refuseAll(code);
    this.closeForGood(true);
  }

  override opened(socket: WireSocket): void {
    this.#connectEnded();
    if (this.isClosed) return socket.terminate();
    super.opened(socket);
    // A server that has not selected HTTP/2 would read the preface as a malformed request.
    if (this.scheme === "https" && socket.alpnProtocol !== "h2") return this.refused(noHttp2Code);
    this.output.raw(preface);
    this.sendSettings([
      [setting.enablePush, 0],
      [setting.initialWindowSize, streamWindowBytes],
      [setting.maxHeaderListSize, this.#options.http2.fields.maxBytes],
    ]);
    this.flush();
  }

  #settled(): void {
    this.#isOpen = true;
    this.#openedAt = this.#idleSince = this.context.wheel.now;
    this.context.upstreamConnections.add(this);
    this.#admit();
  }

  /** Gives sockets to requests that wait, and sends the ones beyond the limit to other connections. */
  #admit(): void {
    const isReused = this.#nextId > 1;
    for (const handler of this.#waiting.takeAll()) {
      if (this.peer.maxStreams === 0) guarded(handler, () => handler.refused("the server allows no streams"));
      else if (handler.needsWebSocket && !this.takesTunnels) this.#options.group.connect(handler);
      else if (!this.#takesStreams || this.#sockets.size >= this.#limit) this.#options.group.connect(handler);
      else {
        const stream = new UpstreamStream(this, handler, isReused);
        this.#sockets.add(stream);
        guarded(handler, () => handler.opened(stream));
      }
    }
    if (this.load === 0) this.arm();
  }

  // Frames.

  override received(chunk: Buffer): void {
    this.#receivedAt = this.context.wheel.now;
    this.#isPinging = false;
    if (!this.hasSettings && startsHttp1(chunk)) this.refused(noHttp2Code);
    else super.received(chunk);
  }

  protected override readPreface(): number {
    return 0;
  }

  protected override eventEnded(): void {
    if (this.hasSettings && !this.#isOpen && !this.isClosed) this.#settled();
    const touched = this.#touched;
    if (touched.length === 0) return;
    this.#touched = [];
    for (const stream of touched) stream.deliver();
  }

  protected override isIdleStream(streamId: number): boolean {
    return streamId >= this.#nextId || streamId % 2 === 0;
  }

  /** The upstream may not know yet which streams we have closed. */
  protected override ignores(): boolean {
    return true;
  }

  protected override checkHeaders(streamId: number): void {
    if (this.isIdleStream(streamId))
      throw new ConnectionError(errorCode.protocol, "HEADERS on a stream that is not open");
  }

  protected override blockReceived({ streamId, endsStream }: WholeBlock): void {
    const stream = this.streams.get(streamId);
    if (!stream) return this.guard.idleFrame(this.context.wheel.now);
    this.#touched.push(stream);
    const { fields, writer, fieldsTooLarge } = this.#options.http2;
    let isValid: boolean;
    if (stream.peerEnded) isValid = stream.reject("fields behind the end of the response");
    else if (fields.isTooLarge) isValid = stream.reject(fieldsTooLarge);
    else if (!stream.hasHead) isValid = stream.receiveHead(fields, writer, endsStream);
    else isValid = stream.receiveTrailers(endsStream ? writeTrailers(fields) : undefined);
    if (!isValid) this.resetId(streamId, errorCode.protocol);
  }

  protected override dataReceived(stream: UpstreamStream, data: Buffer, endsStream: boolean): void {
    const { id } = stream;
    this.#touched.push(stream);
    if (!stream.receiveData(data, endsStream)) this.resetId(id, errorCode.protocol);
  }

  protected override resetReceived(stream: UpstreamStream, code: number): void {
    const isUntouched = code === errorCode.refusedStream && !stream.hasHead;
    const detail = `RST_STREAM ${errorName(code)}`;
    stream.fail(isUntouched ? new StreamFailure("refused", detail) : new Error(detail));
  }

  protected override abandon(stream: UpstreamStream, code: number): void {
    this.resetId(stream.id, code);
    stream.reject(`a stream with an HTTP/2 error (${errorName(code)})`);
  }

  /** Streams above the id were not processed (RFC 9113 section 6.8). The others go on. */
  protected override goAwayReceived(lastStreamId: number, code: number): void {
    this.#retire();
    const failure = new StreamFailure("moved", `GOAWAY ${errorName(code)}`);
    for (const stream of [...this.streams.values()]) if (stream.id > lastStreamId) stream.fail(failure);
    this.#closeIfDone();
  }

  // What the streams call.

  openStream(stream: UpstreamStream): number {
    if (!this.#takesStreams || this.streams.size >= this.#limit) return 0;
    const id = this.#nextId;
    this.#nextId += 2;
    this.streams.set(id, stream);
    stream.beganAt = this.context.wheel.now;
    return id;
  }

  resetStream(stream: UpstreamStream, code: number): void {
    this.resetId(stream.id, code);
    const silentSince = Math.max(stream.beganAt, this.#receivedAt);
    if (!stream.hasHead && this.context.wheel.now - silentSince >= silenceMs) this.#probe();
  }

  /** Finds out whether the upstream is still there: on a dead connection each request would wait for its timeout. */
  #probe(): void {
    if (this.#isPinging || this.isClosed) return;
    this.#isPinging = true;
    this.ping();
    this.context.wheel.arm(this, pingMs);
    this.flushSoon();
  }

  streamEnded(stream: UpstreamStream): void {
    this.remove(stream);
    const { now } = this.context.wheel;
    this.#idleSince = now;
    const isOld = now - this.#openedAt >= this.#options.maxAgeMs;
    if (isOld || this.#nextId > maxStreamId) this.#retire();
    this.#closeIfDone();
  }

  socketClosed(stream: UpstreamStream): void {
    this.#sockets.delete(stream);
    // It may wait for the socket.
    this.remove(stream);
    this.#closeIfDone();
  }

  // The end of the connection.

  /** From now on it takes no new streams. */
  #retire(): void {
    if (this.#isRetired) return;
    this.#isRetired = true;
    this.#options.group.removed(this);
    const failure = new StreamFailure("moved", "the connection ends");
    for (const stream of [...this.#sockets]) if (stream.isFree) stream.fail(failure);
    if (this.#waiting.count > 0) this.#admit();
  }

  #closeIfDone(): void {
    if (this.isClosed || this.streams.size > 0) return;
    const isUnused = this.load === 0;
    if (this.#isRetired || (isUnused && this.context.isDraining)) {
      // Streams that are about to give their last bytes to the engine do so first.
      if (isUnused) this.fail(errorCode.none);
    } else this.arm();
  }

  protected override arm(): void {
    if (this.isClosed || this.#isPinging || !this.#isOpen) return;
    const { wheel } = this.context;
    if (this.load > 0) wheel.disarm(this);
    else wheel.arm(this, Math.max(0, this.#idleSince + idleMs - wheel.now));
  }

  override expired(): void {
    if (this.#isPinging) return this.#end(new Error("no answer to PING"), true);
    this.fail(errorCode.none);
  }

  closeIfIdle(): void {
    if (this.streams.size === 0 && this.#waiting.count === 0) this.fail(errorCode.none);
  }

  protected override fail(code: number): void {
    if (this.isClosed) return;
    this.goAway(0, code);
    this.flush();
    this.#end(new Error(code === errorCode.none ? "closed" : `HTTP/2 error: ${errorName(code)}`), false);
  }

  closeForGood(abruptly: boolean): void {
    this.#end(new Error("closed"), abruptly);
  }

  override closed(error?: Error): void {
    this.#end(error ?? new Error("closed"), false);
  }

  #end(error: Error, abruptly: boolean): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.#options.group.removed(this);
    this.context.upstreamConnections.delete(this);
    for (const stream of [...this.#sockets]) stream.fail(error);
    this.#sockets.clear();
    this.#waiting.refuseAll("ECONNRESET");
    const connect = this.#pendingConnect;
    if (connect) {
      this.#isConnected = true;
      connect.terminate();
    } else if (!this.#isConnected) this.#options.group.connectAbandoned();
    this.closeSocket(abruptly);
  }
}

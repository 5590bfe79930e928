/** One HTTP/2 connection, for either side: frames, settings, flow control and the end of the connection (RFC 9113). */

import type { EngineLog } from "../../engine.ts";
import type { SocketHandler, WireSocket } from "../sockets.ts";
import { TimerEntry, type TimerWheel } from "../../../lib/timer-wheel.ts";
import type { FieldList } from "./field-list.ts";
import { FlowControl, type OutgoingData, type SessionStream } from "./flow-control.ts";
import { FloodGuard, type FloodLimits } from "./flood-guard.ts";
import { type Flushable, flushLater } from "./flush-queue.ts";
import { FrameOutput } from "./frame-output.ts";
import { FrameReader, type FrameSink } from "./frame-reader.ts";
import { HeaderBlockReader, type WholeBlock } from "./header-block-reader.ts";
import { PeerSettings } from "./peer-settings.ts";
import { ConnectionError, errorCode, frameFlag, frameType, maxStreamId, maxWindowBytes } from "./protocol.ts";

/** Ids of recently reset streams. Frames on them that crossed our RST_STREAM are ignored (RFC 9113 section 5.4.2). */
const maxResetIds = 512;

/** A dynamic table of no bytes (RFC 7541 section 6.3). */
const noTable = 0x20;

/** What a connection needs of the engine. */
export interface SessionContext {
  readonly wheel: TimerWheel;
  readonly options: { readonly log: Pick<EngineLog, "bug"> };
}

export abstract class Http2Session<Stream extends SessionStream, Context extends SessionContext>
  extends TimerEntry
  implements SocketHandler, FrameSink, Flushable
{
  protected readonly context: Context;
  protected readonly output = new FrameOutput();
  protected readonly peer = new PeerSettings();
  protected readonly streams = new Map<number, Stream>();
  protected readonly guard: FloodGuard;
  readonly #frames = new FrameReader();
  readonly #blocks: HeaderBlockReader;
  readonly #flow: FlowControl<Stream>;
  readonly #resetIds = new Set<number>();
  protected socket: WireSocket | undefined;
  #isInFlushQueue = false;
  protected hasSettings = false;
  isClosed = false;

  /** @param fields receives the fields of header blocks  @param windowBytes of the connection */
  constructor(context: Context, fields: FieldList, windowBytes: number, limits?: FloodLimits) {
    super();
    this.context = context;
    this.#flow = new FlowControl<Stream>(this.output, windowBytes);
    this.#blocks = new HeaderBlockReader(fields);
    this.guard = new FloodGuard(context.wheel.now, limits);
  }

  /** Whether a header block has arrived in part. */
  protected get isInBlock(): boolean {
    return this.#blocks.isOpen;
  }

  /** Whether a frame has arrived in part. */
  protected get isInFrame(): boolean {
    return this.#frames.hasPartialFrame;
  }

  /** @returns the offset after the bytes that precede the first frame */
  protected abstract readPreface(chunk: Buffer): number;
  /** Whether no stream with this id has been opened. */
  protected abstract isIdleStream(streamId: number): boolean;
  /** Throws for a stream that may not get fields. */
  protected abstract checkHeaders(streamId: number): void;
  /** The fields of a block are in the list. */
  protected abstract blockReceived(block: WholeBlock): void;
  protected abstract dataReceived(stream: Stream, data: Buffer, endsStream: boolean): void;
  protected abstract resetReceived(stream: Stream, code: number): void;
  protected abstract goAwayReceived(lastStreamId: number, code: number): void;
  /** The peer sent what it may not send on this stream. */
  protected abstract abandon(stream: Stream, code: number): void;
  /** Called after each event: sets the timer. */
  protected abstract arm(): void;
  protected pingAnswered(): void {}
  /** All frames of an event were read. What is sent now leaves with the answers to them. */
  protected eventEnded(): void {}
  abstract closeForGood(abruptly: boolean): void;

  opened(socket: WireSocket): void {
    this.socket = socket;
    this.output.socket = socket;
  }

  /** @param settings names and values */
  protected sendSettings(settings: ReadonlyArray<readonly [name: number, value: number]>): void {
    const payload = Buffer.alloc(settings.length * 6);
    for (const [i, [name, value]] of settings.entries()) {
      payload.writeUInt16BE(name, i * 6);
      payload.writeUInt32BE(value, i * 6 + 2);
    }
    this.output.frame({ type: frameType.settings }, payload);
    this.#flow.begin();
  }

  received(chunk: Buffer): void {
    if (this.isClosed) return;
    try {
      const from = this.readPreface(chunk);
      if (from < chunk.length) this.#frames.read(from === 0 ? chunk : chunk.subarray(from), this);
      this.eventEnded();
    } catch (error) {
      if (!(error instanceof ConnectionError)) throw error;
      return this.fail(error.code);
    }
    if (this.output.isOverfull) return this.closeForGood(true);
    if (this.output.waitingBytes > 0 || this.#flow.canResume) this.flushSoon();
    this.arm();
  }

  drained(): void {
    this.flush();
    this.arm();
  }

  ended(): void {
    this.closeForGood(false);
  }

  closed(): void {
    this.closeForGood(false);
  }

  override handlerThrew(error: Error): void {
    this.context.options.log.bug(error, "");
    this.closeForGood(true);
  }

  // Frames.

  frame(type: number, flags: number, streamId: number, bytes: Buffer, from: number, to: number): void {
    if (!this.hasSettings && type !== frameType.settings)
      throw new ConnectionError(errorCode.protocol, "the first frame is not SETTINGS");
    if (this.#blocks.isOpen && type !== frameType.continuation)
      throw new ConnectionError(errorCode.protocol, "a frame within a header block");
    if (type !== frameType.headers) return this.#otherFrame(type, flags, streamId, bytes.subarray(from, to));
    if (streamId === 0) throw new ConnectionError(errorCode.protocol, "HEADERS without a stream");
    const block = this.#blocks.begin(flags, streamId, bytes, from, to);
    this.checkHeaders(streamId);
    if (block) this.blockReceived(block);
  }

  #otherFrame(type: number, flags: number, streamId: number, payload: Buffer): void {
    switch (type) {
      case frameType.data:
        return this.#data(flags, streamId, payload);
      case frameType.continuation: {
        this.guard.idleFrame(this.context.wheel.now);
        const block = this.#blocks.continue(flags, streamId, payload);
        if (block) this.blockReceived(block);
        return;
      }
      case frameType.priority:
        return this.#priority(streamId, payload);
      case frameType.rstStream:
        return this.#rstStream(streamId, payload);
      case frameType.settings:
        return this.#settings(flags, streamId, payload);
      case frameType.ping:
        return this.#ping(flags, streamId, payload);
      case frameType.goAway:
        if (streamId !== 0) throw new ConnectionError(errorCode.protocol, "GOAWAY on a stream");
        if (payload.length < 8) throw new ConnectionError(errorCode.frameSize, "GOAWAY of another size");
        return this.goAwayReceived(payload.readUInt32BE(0) & maxStreamId, payload.readUInt32BE(4));
      case frameType.windowUpdate:
        return this.#windowUpdated(streamId, payload);
      case frameType.pushPromise:
        throw new ConnectionError(errorCode.protocol, "PUSH_PROMISE, which we never allow");
      default:
        // Unknown types are ignored (RFC 9113 section 4.1).
        return this.guard.idleFrame(this.context.wheel.now);
    }
  }

  #data(flags: number, streamId: number, payload: Buffer): void {
    const stream = this.streams.get(streamId);
    if (!stream && (streamId === 0 || this.isIdleStream(streamId)))
      throw new ConnectionError(errorCode.protocol, "DATA on a stream that is not open");
    const data = withoutPadding(flags, payload);
    const endsStream = (flags & frameFlag.endStream) !== 0;
    if (data.length === 0 && !endsStream) this.guard.idleFrame(this.context.wheel.now);
    const isAllowed = this.#flow.received(stream, payload.length);
    if (!stream || stream.peerEnded || !isAllowed) {
      this.#flow.dropped(payload.length);
      if (stream) return this.abandon(stream, isAllowed ? errorCode.streamClosed : errorCode.flowControl);
      if (!this.ignores(streamId))
        throw new ConnectionError(errorCode.streamClosed, "DATA on a closed stream");
      if (endsStream) this.peerHasEnded(streamId);
      return;
    }
    if (payload.length > data.length) this.#flow.consumed(stream, payload.length - data.length);
    this.dataReceived(stream, data, endsStream);
  }

  #priority(streamId: number, payload: Buffer): void {
    this.guard.idleFrame(this.context.wheel.now);
    if (streamId === 0) throw new ConnectionError(errorCode.protocol, "PRIORITY without a stream");
    const code =
      payload.length !== 5
        ? errorCode.frameSize
        : (payload.readUInt32BE(0) & maxStreamId) === streamId
          ? errorCode.protocol
          : errorCode.none;
    if (code === errorCode.none) return;
    const stream = this.streams.get(streamId);
    if (stream) return this.abandon(stream, code);
    if (this.isIdleStream(streamId)) throw new ConnectionError(code, "malformed PRIORITY");
    this.resetId(streamId, code);
  }

  #rstStream(streamId: number, payload: Buffer): void {
    if (payload.length !== 4) throw new ConnectionError(errorCode.frameSize, "RST_STREAM of another size");
    if (streamId === 0 || this.isIdleStream(streamId))
      throw new ConnectionError(errorCode.protocol, "RST_STREAM on a stream that is not open");
    const stream = this.streams.get(streamId);
    if (!stream) {
      this.peerHasEnded(streamId);
      return this.guard.idleFrame(this.context.wheel.now);
    }
    this.remove(stream);
    this.resetReceived(stream, payload.readUInt32BE(0));
  }

  #settings(flags: number, streamId: number, payload: Buffer): void {
    if (streamId !== 0) throw new ConnectionError(errorCode.protocol, "SETTINGS on a stream");
    this.guard.idleFrame(this.context.wheel.now);
    if ((flags & frameFlag.ack) !== 0) {
      if (!this.hasSettings) throw new ConnectionError(errorCode.protocol, "the first SETTINGS acknowledge");
      if (payload.length > 0)
        throw new ConnectionError(errorCode.frameSize, "an acknowledgement with settings");
      return;
    }
    const growth = this.peer.read(payload);
    this.hasSettings = true;
    this.output.frame({ type: frameType.settings, flags: frameFlag.ack });
    if (growth !== 0) this.#flow.adjust(this.streams.values(), growth);
  }

  #ping(flags: number, streamId: number, payload: Buffer): void {
    if (streamId !== 0) throw new ConnectionError(errorCode.protocol, "PING on a stream");
    if (payload.length !== 8) throw new ConnectionError(errorCode.frameSize, "PING of another size");
    this.guard.idleFrame(this.context.wheel.now);
    if ((flags & frameFlag.ack) !== 0) return this.pingAnswered();
    this.output.frame({ type: frameType.ping, flags: frameFlag.ack }, payload);
  }

  #windowUpdated(streamId: number, payload: Buffer): void {
    if (payload.length !== 4) throw new ConnectionError(errorCode.frameSize, "WINDOW_UPDATE of another size");
    this.guard.windowUpdate(this.context.wheel.now);
    const increment = payload.readUInt32BE(0) & maxWindowBytes;
    if (streamId === 0) return this.#flow.grow(increment);
    const stream = this.streams.get(streamId);
    if (!stream) {
      if (this.isIdleStream(streamId))
        throw new ConnectionError(errorCode.protocol, "WINDOW_UPDATE on a stream that is not open");
      return;
    }
    const code = this.#flow.growStream(stream, increment);
    if (code !== errorCode.none) this.abandon(stream, code);
  }

  // What streams call.

  /** Whether the socket takes fields. Else the stream waits for it. */
  mayPassHead(stream: Stream): boolean {
    return this.#flow.mayPassHead(stream);
  }

  sendHeaders(stream: Stream, block: Buffer, endsStream: boolean): void {
    if (this.peer.mustShrinkTable) {
      this.peer.mustShrinkTable = false;
      this.output.headerBlock(stream.id, Buffer.concat([Buffer.of(noTable), block]), endsStream);
    } else this.output.headerBlock(stream.id, block, endsStream);
    this.guard.headersSent();
    this.flushSoon();
  }

  /** @returns how many bytes were taken; the end of the stream counts only if all were */
  sendData(stream: Stream, data: OutgoingData): number {
    const sent = this.#flow.send(stream, data);
    this.guard.dataSent(sent, sent === data.to - data.from);
    this.flushSoon();
    return sent;
  }

  /** The stream's reader took bytes, or dropped them: the peer may send as many again. */
  consumed(stream: Stream, bytes: number): void {
    this.#flow.consumed(stream, bytes);
    if (this.output.waitingBytes > 0) this.flushSoon();
  }

  /** The same for a stream that is closed. */
  consumedOfEnded(bytes: number): void {
    if (bytes === 0 || this.isClosed) return;
    this.#flow.dropped(bytes);
    if (this.output.waitingBytes > 0) this.flushSoon();
  }

  protected remove(stream: Stream): void {
    this.#flow.forget(stream);
    this.streams.delete(stream.id);
  }

  /** Whether frames on this stream, which is closed, may have crossed what closed it. */
  protected ignores(streamId: number): boolean {
    return this.#resetIds.has(streamId);
  }

  /** The peer has ended a stream that we have reset: nothing may follow. */
  protected peerHasEnded(streamId: number): void {
    this.#resetIds.delete(streamId);
  }

  /** Resets the stream with this id. */
  protected resetId(streamId: number, code: number): void {
    if (this.#resetIds.size >= maxResetIds) {
      const [oldest = 0] = this.#resetIds;
      this.#resetIds.delete(oldest);
    }
    this.#resetIds.add(streamId);
    this.output.frameOf(frameType.rstStream, streamId, code);
    this.flushSoon();
  }

  protected flushSoon(): void {
    if (this.#isInFlushQueue || this.isClosed) return;
    this.#isInFlushQueue = true;
    flushLater(this);
  }

  flushCollected(): void {
    this.#isInFlushQueue = false;
    if (this.isClosed) return;
    this.flush();
    if (this.output.isBlocked) this.arm();
  }

  /** Sends what waits, and then what streams have left that did not fit before. */
  protected flush(): void {
    this.output.flush();
    if (this.isClosed || this.output.isBlocked) return;
    this.#flow.resumeWaiting();
    this.output.flush();
  }

  // The end.

  protected ping(): void {
    this.output.frame({ type: frameType.ping }, Buffer.alloc(8));
  }

  protected goAway(lastStreamId: number, code: number): void {
    const payload = Buffer.allocUnsafe(8);
    payload.writeUInt32BE(lastStreamId, 0);
    payload.writeUInt32BE(code, 4);
    this.output.frame({ type: frameType.goAway }, payload);
  }

  /** Ends the connection with this error code. */
  protected abstract fail(code: number): void;

  /** Closes the socket. The subclass has ended its streams. */
  protected closeSocket(abruptly: boolean): void {
    this.isClosed = true;
    this.streams.clear();
    this.#flow.clear();
    this.context.wheel.forget(this);
    if (abruptly) this.socket?.terminate();
    else this.socket?.end();
    this.output.clear();
  }
}

/** RFC 9113 section 6.1. */
function withoutPadding(flags: number, payload: Buffer): Buffer {
  if ((flags & frameFlag.padded) === 0) return payload;
  const padding = payload[0];
  if (padding === undefined || padding >= payload.length)
    throw new ConnectionError(errorCode.protocol, "more padding than payload");
  return payload.subarray(1, payload.length - padding);
}

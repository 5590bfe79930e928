/** The frames that a connection sends: collected, so that many leave in one write, and bounded while the peer reads slowly. */

import type { WireSocket } from "../sockets.ts";
import { copyBytes } from "../http1/bytes.ts";
import { frameFlag, frameHeaderBytes, frameType, maxFrameBytes } from "./protocol.ts";

/** While more than this waits, no data is added. */
const highWaterBytes = 32_768;

/** Beyond this a peer that does not read is cut off: it makes us answer. */
const maxWaitingBytes = 131_072;

/** Buffers that no connection uses at the moment: an idle connection has none. */
const free: Buffer[] = [];
const maxFree = 64;
const bufferBytes = highWaterBytes * 2;

/**
 * `empty ──frame──▶ collecting ──flush──▶ empty, or waiting for the socket ──drained──▶ empty`
 */
export class FrameOutput {
  socket: WireSocket | undefined;
  #bytes: Buffer | undefined;
  #start = 0;
  #end = 0;
  /** Bytes that the socket has taken. */
  takenBytes = 0;
  /** Whether the socket has not taken all at the last flush. */
  isBlocked = false;

  get waitingBytes(): number {
    return this.#end - this.#start;
  }

  /** How many bytes of data may be added now. Writes what waits if that makes room. */
  get room(): number {
    if (this.#end - this.#start >= highWaterBytes && !this.isBlocked) this.flush();
    return this.isBlocked ? 0 : highWaterBytes - (this.#end - this.#start);
  }

  /** Whether the peer has not read so many answers of ours that it never will. */
  get isOverfull(): boolean {
    return this.isBlocked && this.#end - this.#start > maxWaitingBytes;
  }

  /** Adds a frame whose payload is bytes[from..to). */
  frame(
    {
      type,
      flags = 0,
      streamId = 0,
    }: { readonly type: number; readonly flags?: number; readonly streamId?: number },
    bytes: Buffer = nothing,
    from = 0,
    to = bytes.length,
  ): void {
    this.#add(type, flags, streamId, bytes, from, to);
  }

  /** Adds a frame of four bytes. */
  frameOf(type: number, streamId: number, value: number): void {
    const at = this.#head(type, 0, streamId, 4);
    writeUInt32(this.#bytes as Buffer, at, value);
  }

  /** Adds bytes that are no frame. */
  raw(bytes: Buffer): void {
    const at = this.#reserve(bytes.length);
    copyBytes(bytes, 0, bytes.length, this.#bytes as Buffer, at);
  }

  /** Adds a frame of data. */
  data(streamId: number, endsStream: boolean, bytes: Buffer, from: number, to: number): void {
    this.#add(frameType.data, endsStream ? frameFlag.endStream : 0, streamId, bytes, from, to);
  }

  #add(type: number, flags: number, streamId: number, bytes: Buffer, from: number, to: number): void {
    const at = this.#head(type, flags, streamId, to - from);
    copyBytes(bytes, from, to, this.#bytes as Buffer, at);
  }

  /** @returns the offset of the payload */
  #head(type: number, flags: number, streamId: number, length: number): number {
    const at = this.#reserve(frameHeaderBytes + length);
    const target = this.#bytes as Buffer;
    target[at] = length >>> 16;
    target[at + 1] = length >>> 8;
    target[at + 2] = length;
    target[at + 3] = type;
    target[at + 4] = flags;
    writeUInt32(target, at + 5, streamId);
    return at + frameHeaderBytes;
  }

  /** Adds a header block, in as many frames as the limit on frames makes necessary. Every peer takes frames of this size. */
  headerBlock(streamId: number, block: Buffer, endsStream: boolean): void {
    const { length } = block;
    let type: number = frameType.headers;
    let flags: number = endsStream ? frameFlag.endStream : 0;
    let from = 0;
    for (; length - from > maxFrameBytes; from += maxFrameBytes) {
      this.#add(type, flags, streamId, block, from, from + maxFrameBytes);
      type = frameType.continuation;
      flags = 0;
    }
    this.#add(type, flags | frameFlag.endHeaders, streamId, block, from, length);
  }

  /** Writes what waits. */
  flush(): void {
    if (this.#start === this.#end || !this.#bytes) return;
    const taken = this.socket?.write(this.#bytes, this.#start, this.#end - this.#start) ?? -1;
    if (taken < 0) return this.clear();
    this.takenBytes += taken;
    this.#start += taken;
    this.isBlocked = this.#start < this.#end;
    if (!this.isBlocked) this.clear();
    else if (this.#bytes.length >= bufferBytes) this.#shrink(this.#bytes);
  }

  /** Keeps only what the socket has not taken: it may wait for as long as the peer does not read. */
  #shrink(bytes: Buffer): void {
    const rest = Buffer.allocUnsafeSlow(this.waitingBytes);
    copyBytes(bytes, this.#start, this.#end, rest, 0);
    giveBack(bytes);
    this.#bytes = rest;
    this.#start = 0;
    this.#end = rest.length;
  }

  /** Drops what waits. */
  clear(): void {
    const bytes = this.#bytes;
    this.#bytes = undefined;
    this.#start = this.#end = 0;
    this.isBlocked = false;
    if (bytes) giveBack(bytes);
  }

  /** @returns the offset at which `more` bytes may be written */
  #reserve(more: number): number {
    this.#bytes ??= free.pop() ?? Buffer.allocUnsafeSlow(bufferBytes);
    if (this.#end + more > this.#bytes.length) this.#makeRoom(more);
    const at = this.#end;
    this.#end += more;
    return at;
  }

  #makeRoom(more: number): void {
    const before = this.#bytes as Buffer;
    const waiting = this.#end - this.#start;
    if (waiting + more <= before.length) before.copyWithin(0, this.#start, this.#end);
    else {
      const larger = Buffer.allocUnsafeSlow(Math.max(waiting + more, before.length * 2));
      before.copy(larger, 0, this.#start, this.#end);
      this.#bytes = larger;
    }
    this.#start = 0;
    this.#end = waiting;
  }
}

const nothing = Buffer.alloc(0);

function giveBack(bytes: Buffer): void {
  if (bytes.length === bufferBytes && free.length < maxFree) free.push(bytes);
}

function writeUInt32(target: Buffer, at: number, value: number): void {
  target[at] = value >>> 24;
  target[at + 1] = value >>> 16;
  target[at + 2] = value >>> 8;
  target[at + 3] = value;
}

/** The frames that a connection sends: collected, so that many leave in one write, and bounded while the peer reads slowly. */

import type { WireSocket } from "../sockets.ts";
import { frameFlag, frameHeaderBytes, frameType } from "./protocol.ts";

/** While more than this waits, no data is added. */
const highWaterBytes = 32_768;

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
  /** Whether the socket has not taken all at the last flush. */
  isBlocked = false;

  get waitingBytes(): number {
    return this.#end - this.#start;
  }

  /** How many bytes of data may be added now. */
  get room(): number {
    return this.isBlocked ? 0 : Math.max(0, highWaterBytes - this.waitingBytes);
  }

  /** Adds a frame whose payload is bytes[from..to). */
  frame(
    {
      type,
      flags = 0,
      streamId = 0,
    }: { readonly type: number; readonly flags?: number; readonly streamId?: number },
    bytes: Uint8Array = nothing,
    from = 0,
    to = bytes.length,
  ): void {
    const length = to - from;
    const at = this.#reserve(frameHeaderBytes + length);
    const target = this.#bytes as Buffer;
    target.writeUIntBE(length, at, 3);
    target[at + 3] = type;
    target[at + 4] = flags;
    target.writeUInt32BE(streamId, at + 5);
    if (length > 0) target.set(bytes.subarray(from, to), at + frameHeaderBytes);
  }

  /** Adds a header block, in as many frames as the peer's limit on frames makes necessary. */
  headerBlock(
    streamId: number,
    block: Buffer,
    { endsStream, frameBytes }: { readonly endsStream: boolean; readonly frameBytes: number },
  ): void {
    const endFlag = endsStream ? frameFlag.endStream : 0;
    for (let from = 0; from === 0 || from < block.length; from += frameBytes) {
      const to = Math.min(block.length, from + frameBytes);
      const flags = (from === 0 ? endFlag : 0) | (to === block.length ? frameFlag.endHeaders : 0);
      this.frame(
        { type: from === 0 ? frameType.headers : frameType.continuation, flags, streamId },
        block,
        from,
        to,
      );
    }
  }

  /** Writes what waits. */
  flush(): void {
    if (this.#start === this.#end || !this.#bytes) return;
    const taken = this.socket?.write(this.#bytes, this.#start, this.#end - this.#start) ?? -1;
    if (taken < 0) return this.clear();
    this.#start += taken;
    this.isBlocked = this.#start < this.#end;
    if (!this.isBlocked) this.clear();
  }

  /** Drops what waits. */
  clear(): void {
    const bytes = this.#bytes;
    this.#bytes = undefined;
    this.#start = this.#end = 0;
    this.isBlocked = false;
    if (bytes?.length === bufferBytes && free.length < maxFree) free.push(bytes);
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

const nothing = new Uint8Array(0);

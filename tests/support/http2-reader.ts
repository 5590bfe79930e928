/** Reads frames and blocks of fields, for both sides that speak HTTP/2 in single frames. */

import { FieldList, spanStride } from "../../src/engine/wire/http2/field-list.ts";
import { HpackDecoder } from "../../src/engine/wire/http2/hpack-decoder.ts";
import { frameFlag } from "../../src/engine/wire/http2/protocol.ts";

export interface Http2Frame {
  readonly type: number;
  readonly flags: number;
  readonly streamId: number;
  readonly payload: Buffer;
}

/** Cuts a connection's bytes, without the preface, into frames. */
export class FrameReader {
  #pending: Buffer = Buffer.alloc(0);

  /** @param onFrame called for each frame that is whole now; its payload stays valid */
  read(chunk: Buffer, onFrame: (frame: Http2Frame) => void): void {
    let bytes: Buffer = Buffer.concat([this.#pending, chunk]);
    while (bytes.length >= 9) {
      const end = 9 + bytes.readUIntBE(0, 3);
      if (bytes.length < end) break;
      const streamId = bytes.readUInt32BE(5) & 0x7fffffff;
      const [type, flags] = [bytes.readUInt8(3), bytes.readUInt8(4)];
      onFrame({ type, flags, streamId, payload: bytes.subarray(9, end) });
      bytes = bytes.subarray(end);
    }
    this.#pending = Buffer.from(bytes);
  }
}

/** Decodes the blocks of fields that arrive on one connection. */
export class FieldBlockReader {
  readonly #decoder = new HpackDecoder();
  readonly #list = new FieldList(262_144);
  #pieces: Buffer[] = [];

  /** @param frame of HEADERS or CONTINUATION @returns the fields if the block ends with it */
  read({ flags, payload }: Http2Frame): Array<[name: string, value: string]> | undefined {
    this.#pieces.push(payload);
    if ((flags & frameFlag.endHeaders) === 0) return undefined;
    const block = Buffer.concat(this.#pieces);
    this.#pieces = [];
    if (!this.#decoder.decode(block, this.#list)) throw new Error("Cannot read a header block: malformed");
    const { bytes, spans, count } = this.#list;
    return Array.from({ length: count }, (_, i) => {
      const at = (index: number) => spans[i * spanStride + index];
      return [bytes.toString("latin1", at(0), at(1)), bytes.toString("latin1", at(2), at(3))];
    });
  }
}

/** Collects the header block of one HEADERS frame and its CONTINUATION frames, and decodes it (RFC 9113 sections 4.3 and 6.2). */

import type { FieldList } from "./field-list.ts";
import { HpackDecoder } from "./hpack-decoder.ts";
import { ConnectionError, errorCode, frameFlag, maxStreamId } from "./protocol.ts";

/** A block whose fields are in the list. Valid until the next frame. */
export interface WholeBlock {
  readonly streamId: number;
  readonly endsStream: boolean;
  /** The priority names the stream itself, which is an error of the stream (RFC 7540 section 5.3.1). */
  readonly dependsOnItself: boolean;
}

export class HeaderBlockReader implements WholeBlock {
  readonly #fields: FieldList;
  readonly #decoder = new HpackDecoder();
  streamId = 0;
  endsStream = false;
  dependsOnItself = false;
  /** Whether a CONTINUATION frame must follow. */
  isOpen = false;
  #parts: Buffer[] | undefined;
  #bytes = 0;

  /** @param fields receives the fields; valid until the next block of any connection is decoded */
  constructor(fields: FieldList) {
    this.#fields = fields;
  }

  /** The payload is bytes[start..end). */
  begin(flags: number, streamId: number, bytes: Buffer, start: number, end: number): WholeBlock | undefined {
    let from = start;
    let to = end;
    if ((flags & frameFlag.padded) !== 0) {
      to -= from < to ? (bytes[from] as number) : Infinity;
      from += 1;
    }
    this.dependsOnItself = false;
    if ((flags & frameFlag.priority) !== 0) {
      if (to - from < 5) throw new ConnectionError(errorCode.frameSize, "HEADERS too short for a priority");
      this.dependsOnItself = (bytes.readUInt32BE(from) & maxStreamId) === streamId;
      from += 5;
    }
    if (from > to) throw new ConnectionError(errorCode.protocol, "more padding than payload");
    this.streamId = streamId;
    this.endsStream = (flags & frameFlag.endStream) !== 0;
    this.isOpen = (flags & frameFlag.endHeaders) === 0;
    if (!this.isOpen) return this.#decode(bytes, from, to);
    this.#keep(bytes.subarray(from, to));
    return undefined;
  }

  continue(flags: number, streamId: number, payload: Buffer): WholeBlock | undefined {
    if (!this.isOpen || streamId !== this.streamId)
      throw new ConnectionError(errorCode.protocol, "CONTINUATION without a header block");
    this.#keep(payload);
    if ((flags & frameFlag.endHeaders) === 0) return undefined;
    const block = Buffer.concat(this.#parts ?? []);
    this.isOpen = false;
    this.#parts = undefined;
    this.#bytes = 0;
    return this.#decode(block, 0, block.length);
  }

  #keep(part: Buffer): void {
    if (part.length === 0) return;
    this.#bytes += part.length;
    // Far more than the list may have: the fields of a smaller block get 431, this one is not even decoded.
    if (this.#bytes > 2 * this.#fields.maxBytes)
      throw new ConnectionError(errorCode.enhanceYourCalm, "a header block that is too large");
    (this.#parts ??= []).push(Buffer.from(part));
  }

  #decode(block: Buffer, from: number, to: number): WholeBlock {
    if (!this.#decoder.decode(block, this.#fields, from, to))
      throw new ConnectionError(errorCode.compression, "a malformed header block");
    return this;
  }
}

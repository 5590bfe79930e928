/** The response side of a forwarder: writes the head for the client and passes the body on, framed as it arrived. */

import type { HeadEdit } from "../../proxy/head-edit.ts";
import type { CompressedBody } from "./compressed-body.ts";
import type { Connection } from "./connection.ts";
import { smallPieceBytes } from "./context.ts";
import type { ByteWriter } from "./http1/byte-writer.ts";
import { ChunkedDecoder, framing } from "./http1/body.ts";
import { editResponseHead, type WrittenResponse } from "./http1/head-editor.ts";
import type { ParsedResponse } from "./http1/response-reader.ts";
import {
  type ListenerHeaders,
  type ResponseRewrite,
  trimResponseInPlace,
  writeResponseHead,
} from "./http1/response-writer.ts";

const interimRewrite: ResponseRewrite = { closes: false, isHttp10: false, upgrades: false };
const upgradeRewrite: ResponseRewrite = { ...interimRewrite, upgrades: true };

export class ForwardedResponse implements ResponseRewrite {
  readonly #scratch: Buffer;
  readonly #edited: ByteWriter;
  /** Removes the chunk framing for an HTTP/1.0 client. */
  #dechunker: ChunkedDecoder | undefined;
  /** Status sent to the client; 0 before. */
  status = 0;
  /** Bytes that were written to the client's connection before this response. */
  writtenBefore = 0;
  /** Whether the final head was sent to the client. */
  hasStarted = false;
  closes = false;
  /** Whether the response has arrived whole, and the connection closes at once after its head is sent. */
  isLast = false;
  isHttp10 = false;
  readonly upgrades = false;
  listenerHeaders: ListenerHeaders | undefined;
  /** What the route changes in the head; set before it is sent. */
  edit: HeadEdit | undefined;
  recodes = false;
  /** Present where the body is compressed. */
  compressed: CompressedBody | undefined;

  /** Both are shared, and valid during one event. @param edited for heads that a route changes */
  constructor(scratch: Buffer, edited: ByteWriter) {
    this.#scratch = scratch;
    this.#edited = edited;
  }

  /** @param writtenBytes bytes written to the client's connection so far  @param listenerHeaders as in `ResponseRewrite` */
  begin(isHttp10: boolean, writtenBytes: number, listenerHeaders: ListenerHeaders | undefined): void {
    this.listenerHeaders = listenerHeaders;
    this.status = 0;
    this.writtenBefore = writtenBytes;
    this.hasStarted = false;
    this.isHttp10 = isHttp10;
    this.edit = undefined;
    this.recodes = false;
    this.compressed = undefined;
    this.#dechunker = undefined;
  }

  /** Whether the response to the client ends with the connection. */
  endsWithClose(head: ParsedResponse): boolean {
    if (this.recodes) return false;
    return head.framing === framing.untilClose || (this.isHttp10 && head.framing === framing.chunked);
  }

  /** Called before the head is sent. */
  compress(body: CompressedBody): void {
    this.compressed = body;
    this.recodes = true;
  }

  /** Sends a 1xx head. @returns as `Connection.write` */
  sendInterim(client: Connection, head: ParsedResponse): boolean {
    if (head.parser.status === 101) this.status = 101;
    const isUpgrade = head.parser.status === 101;
    const length = writeResponseHead(this.#scratch, head, isUpgrade ? upgradeRewrite : interimRewrite);
    if (!isUpgrade || !this.edit) return client.write(this.#scratch, 0, length);
    const edited = this.#editHead(this.edit, { bytes: this.#scratch, from: 0, to: length });
    return client.write(edited.bytes, 0, edited.length);
  }

  /** Sends the final head and the body up to the offset `stop`, in one write if possible. @returns as `Connection.write` */
  sendHead(client: Connection, head: ParsedResponse, stop: number): boolean {
    this.hasStarted = true;
    this.status = head.parser.status;
    const scratch = this.#scratch;
    const { bytes } = head;
    const inPlace = trimResponseInPlace(head, this);
    if (inPlace >= 0 && !this.edit) return this.#send(client, bytes, inPlace, stop);
    let length = inPlace < 0 ? writeResponseHead(scratch, head, this) : 0;
    const from = head.parser.end;
    if (this.isHttp10 && head.framing === framing.chunked && !this.recodes) {
      this.#dechunker = new ChunkedDecoder();
      this.#dechunker.begin();
    }
    const fits = !this.#dechunker && !this.recodes && stop - from <= smallPieceBytes;
    if (this.edit) {
      const written =
        inPlace < 0 ? { bytes: scratch, from: 0, to: length } : { bytes, from: inPlace, to: from };
      const edited = this.#editHead(this.edit, written);
      if (fits) edited.append(bytes, from, stop);
      const isFlushed = this.#send(client, edited.bytes, 0, edited.length);
      return fits ? isFlushed : this.sendBody(client, bytes.subarray(from, stop)) && isFlushed;
    }
    if (fits && stop > from) length += bytes.copy(scratch, length, from, stop);
    const isFlushed = this.#send(client, scratch, 0, length);
    return fits ? isFlushed : this.sendBody(client, bytes.subarray(from, stop)) && isFlushed;
  }

  #send(client: Connection, bytes: Uint8Array, from: number, to: number): boolean {
    return this.isLast ? client.writeLast(bytes, from, to) : client.write(bytes, from, to);
  }

  #editHead(edit: HeadEdit, written: WrittenResponse): ByteWriter {
    this.#edited.begin();
    editResponseHead(this.#edited, written, edit, this.listenerHeaders);
    return this.#edited;
  }

  /** Sends the next part of the body. @returns false if the upstream should pause */
  sendBody(client: Connection, piece: Buffer): boolean {
    if (this.compressed) return this.compressed.write(piece);
    if (!this.#dechunker) return client.write(piece, 0, piece.length);
    // Moves the data together in place, so that many small chunks leave in one write.
    let length = 0;
    this.#dechunker.decode(piece, 0, piece.length, (bytes, from, to) => {
      bytes.copyWithin(length, from, to);
      length += to - from;
    });
    return client.write(piece, 0, length);
  }
}

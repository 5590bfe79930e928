/** The answer side of a relay: puts the client's head together and passes the body on, framed as it came. */

import { ParsedResponse, type ResponseExpectation } from "./http1/response-reader.ts";
import { ChunkedDecoder, framing } from "./http1/body.ts";
import type { Connection } from "./connection.ts";
import { smallPieceBytes } from "./context.ts";
import { type ResponseRewrite, trimResponseInPlace, writeResponseHead } from "./http1/response-writer.ts";

const interimRewrite: ResponseRewrite = { closes: false, isHttp10: false, upgrades: false };
const upgradeRewrite: ResponseRewrite = { ...interimRewrite, upgrades: true };

export class ForwardedResponse implements ResponseRewrite {
  readonly #scratch: Buffer;
  /** Takes chunks apart for a client that does not know them. */
  #dechunker: ChunkedDecoder | undefined;
  /** An answer that was tried elsewhere, whole. */
  #held: Buffer | undefined;
  /** Status that the client was sent; 0 before. */
  status = 0;
  /** What its connection had been given before. */
  writtenBefore = 0;
  /** Whether the client has got the final head. */
  hasStarted = false;
  closes = false;
  isHttp10 = false;
  readonly upgrades = false;

  constructor(scratch: Buffer) {
    this.#scratch = scratch;
  }

  /** @param isHttp10 the client speaks HTTP/1.0 */
  begin(isHttp10: boolean, writtenBytes: number): void {
    this.status = 0;
    this.writtenBefore = writtenBytes;
    this.#held = undefined;
    this.hasStarted = false;
    this.isHttp10 = isHttp10;
    this.#dechunker = undefined;
  }

  /** Puts a whole answer away: it may still be the best one. False if it is too large for that. */
  hold(head: ParsedResponse, stop: number): boolean {
    const start = head.parser.statusStart - "HTTP/1.1 ".length;
    if (stop - start > smallPieceBytes) return false;
    this.#held = Buffer.from(head.bytes.subarray(start, stop));
    return true;
  }

  /** The head of what was put away last, and there is no other; read again, since only its bytes were kept. */
  releaseHeld(expectation: ResponseExpectation): ParsedResponse | undefined {
    const bytes = this.#held;
    if (!bytes) return undefined;
    const head = new ParsedResponse();
    head.parser.beginResponse(0);
    head.parser.parse(bytes, bytes.length);
    head.validate(bytes, expectation);
    return head;
  }

  /** Whether only the end of the connection will tell the client where this answer ends. */
  endsWithClose(head: ParsedResponse): boolean {
    return head.framing === framing.untilClose || (this.isHttp10 && head.framing === framing.chunked);
  }

  /** A head alone, 1xx. @returns false if the client takes no more for now, as below */
  sendInterim(client: Connection, head: ParsedResponse): boolean {
    if (head.parser.status === 101) this.status = 101;
    const rewrite = head.parser.status === 101 ? upgradeRewrite : interimRewrite;
    return client.write(this.#scratch, 0, writeResponseHead(this.#scratch, head, rewrite));
  }

  /** The final head and the body up to the offset `stop`, in one write if that is small. */
  sendHead(client: Connection, head: ParsedResponse, stop: number): boolean {
    this.hasStarted = true;
    this.status = head.parser.status;
    this.#held = undefined;
    const scratch = this.#scratch;
    const { bytes } = head;
    const inPlace = trimResponseInPlace(head, this);
    if (inPlace >= 0) return client.write(bytes, inPlace, stop);
    let length = writeResponseHead(scratch, head, this);
    const from = head.parser.end;
    if (this.isHttp10 && head.framing === framing.chunked) {
      this.#dechunker = new ChunkedDecoder();
      this.#dechunker.begin();
    } else if (stop - from <= smallPieceBytes) {
      if (stop > from) length += bytes.copy(scratch, length, from, stop);
      return client.write(scratch, 0, length);
    }
    const isFlushed = client.write(scratch, 0, length);
    return this.sendBody(client, bytes.subarray(from, stop)) && isFlushed;
  }

  /** More of the body. */
  sendBody(client: Connection, piece: Buffer): boolean {
    if (!this.#dechunker) return client.write(piece, 0, piece.length);
    // Closed up where they are, so that many small chunks leave in one write.
    let length = 0;
    this.#dechunker.decode(piece, 0, piece.length, (bytes, from, to) => {
      bytes.copyWithin(length, from, to);
      length += to - from;
    });
    return client.write(piece, 0, length);
  }
}

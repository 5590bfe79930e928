/** Reads the engine's HTTP/1.1 response to one request and passes it on as the parts of an HTTP/2 response. */

import { equals, latin1 } from "../http1/bytes.ts";
import { headerStride, isWhole } from "../http1/head-parser.ts";
import { knownHeaders } from "../http1/header-names.ts";
import { contentLength } from "../http1/message.ts";
import { at, MessageTranslator, type HeadTools, endsAtHop, type MessageParts } from "./message-translator.ts";

const acceptName = latin1("sec-websocket-accept");

/** What a server that does not know the protocol of a tunnel responds (RFC 9220 section 3). */
const notImplemented = 501;

/** Where the parts of a response go: a stream. */
export interface ResponseParts extends MessageParts {
  /** Whether a head is taken now. */
  readonly mayPassHead: boolean;
  /** The tunnel is open. */
  switched(): void;
}

/** Interim heads precede the final one. */
export class ResponseTranslator extends MessageTranslator {
  readonly #parts: ResponseParts;
  #isHead = false;
  #isTunnel = false;
  #isChunked = false;

  constructor(parts: ResponseParts, tools: HeadTools) {
    super(parts, tools);
    this.#parts = parts;
  }

  begin(isHead: boolean, isTunnel: boolean): void {
    this.beginHead();
    this.#isHead = isHead;
    this.#isTunnel = isTunnel;
  }

  protected override readHead(bytes: Buffer, from: number, to: number): number {
    if (!this.#parts.mayPassHead) return from;
    const { parser } = this;
    parser.beginResponse(from);
    if (parser.parse(bytes, to) !== isWhole)
      throw new Error("Cannot send a response: the engine wrote an invalid head");
    const { end, status } = parser;
    const isSwitch = status === 101 && this.#isTunnel;
    const length = this.#writeFields(bytes, isSwitch);
    if (status < 200 && !isSwitch) {
      this.parts.passHeaders(this.blockBytes, false);
      return end;
    }
    const phase = isSwitch ? at.untilClose : this.#bodyPhase(status, length);
    this.beginBody(phase, length);
    this.parts.passHeaders(this.blockBytes, phase === at.done);
    if (isSwitch) this.#parts.switched();
    return end;
  }

  /**
   * In HTTP/1.1 a server may ignore an upgrade and respond to the request (RFC 9110 section 7.8). To a CONNECT such a status
   * of success would open the tunnel, and the client would read the body as the first bytes in it.
   */
  #statusFor(status: number): number {
    return this.#isTunnel && status >= 200 && status < 300 ? notImplemented : status;
  }

  #bodyPhase(status: number, length: number): number {
    if (this.#isHead || status === 204 || status === 304 || length === 0) return at.done;
    if (this.#isChunked) return at.chunkSize;
    return length > 0 ? at.length : at.untilClose;
  }

  /** @returns the Content-Length, -1 without one */
  #writeFields(bytes: Buffer, isSwitch: boolean): number {
    const { headers, count, status } = this.parser;
    const { block } = this;
    let length = -1;
    this.#isChunked = false;
    block.begin();
    block.addStatus(isSwitch ? 200 : this.#statusFor(status));
    for (let position = 0; position < count * headerStride; position += headerStride) {
      const from = headers[position] as number;
      const to = headers[position + 1] as number;
      const valueFrom = headers[position + 2] as number;
      const valueTo = headers[position + 3] as number;
      const number = headers[position + 4] as number;
      if (number === knownHeaders.contentLength) {
        if (isSwitch) continue;
        length = contentLength(bytes, valueFrom, valueTo);
      } else if (number === knownHeaders.transferEncoding) this.#isChunked = true;
      if (!endsAtHop(number) && !(isSwitch && isAccept(bytes, from, to)))
        block.add(bytes, { from, to }, valueFrom, valueTo);
    }
    return length;
  }
}

function isAccept(bytes: Buffer, from: number, to: number): boolean {
  return (
    equals(bytes, from, to, acceptName) ||
    bytes.toString("latin1", from, to).toLowerCase() === "sec-websocket-accept"
  );
}

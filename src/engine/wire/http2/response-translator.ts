/** Reads the engine's HTTP/1.1 response to one request and passes it on as the parts of an HTTP/2 response. */

import { equals, latin1 } from "../http1/bytes.ts";
import { headerStride, isWhole } from "../http1/head-parser.ts";
import { knownHeaders } from "../http1/header-names.ts";
import { at, BodyTranslator, isConnectionSpecific } from "./body-translator.ts";
import { decimal } from "./request-writer.ts";

const acceptName = latin1("sec-websocket-accept");

/** Interim heads precede the final one. */
export class ResponseTranslator extends BodyTranslator {
  #isHead = false;
  #isTunnel = false;

  begin(isHead: boolean, isTunnel: boolean): void {
    this.beginHead();
    this.#isHead = isHead;
    this.#isTunnel = isTunnel;
  }

  protected override readHead(bytes: Buffer, from: number, to: number): number {
    const { parser } = this;
    parser.beginResponse(from);
    if (parser.parse(bytes, to) !== isWhole)
      throw new Error("Cannot send a response: the engine wrote an invalid head");
    const { status } = parser;
    const isSwitch = status === 101;
    const isInterim = status < 200 && !isSwitch;
    const [length, isChunked] = this.#writeFields(bytes, isSwitch && this.#isTunnel ? 200 : status);
    if (isInterim) this.parts.passHeaders(this.blockBytes, false);
    else {
      const hasBody = !this.#isHead && status !== 204 && status !== 304;
      const phase =
        !hasBody || length === 0
          ? at.done
          : isChunked
            ? at.chunkSize
            : length > 0
              ? at.length
              : at.untilClose;
      this.beginBody(phase, length);
      this.parts.passHeaders(this.blockBytes, phase === at.done);
    }
    return parser.end;
  }

  /** @returns the Content-Length, -1 without one, and whether the body is chunked */
  #writeFields(bytes: Buffer, status: number): readonly [length: number, isChunked: boolean] {
    const { headers, count } = this.parser;
    let length = -1;
    let isChunked = false;
    this.block.begin();
    this.block.addStatus(status);
    for (let position = 0; position < count * headerStride; position += headerStride) {
      const [from, to] = [headers[position] as number, headers[position + 1] as number];
      const [valueFrom, valueTo] = [headers[position + 2] as number, headers[position + 3] as number];
      const number = headers[position + 4] as number;
      if (number === knownHeaders.contentLength) length = decimal(bytes, valueFrom, valueTo);
      if (number === knownHeaders.transferEncoding) isChunked = true;
      const isDropped =
        isConnectionSpecific(number) || (this.#isTunnel && status === 200 && isAccept(bytes, from, to));
      if (!isDropped) this.block.add(bytes, { from, to }, valueFrom, valueTo);
    }
    return [length, isChunked];
  }
}

function isAccept(bytes: Buffer, from: number, to: number): boolean {
  return (
    equals(bytes, from, to, acceptName) ||
    bytes.toString("latin1", from, to).toLowerCase() === "sec-websocket-accept"
  );
}

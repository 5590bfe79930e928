/** Writes the fields of an HTTP/2 response as an HTTP/1.1 head, which the engine parses and checks like any other. */

import { colon, copyBytes, cr, equals, isResponseValue, latin1, lf, space } from "../http1/bytes.ts";
import { knownHeaders, lookUpHeader } from "../http1/header-names.ts";
import { contentLength } from "../http1/message.ts";
import { reasonPhrases } from "../http1/reason-phrases.ts";
import { violations } from "../http1/violations.ts";
import { type FieldList, spanStride } from "./field-list.ts";
import { isConnectionSpecific, isFieldValue, isLowerName } from "./field-rules.ts";

const statusName = latin1(":status");
const chunked = latin1("transfer-encoding: chunked\r\n");
const empty = latin1("content-length: 0\r\n");
const lengthName = latin1("content-length: ");

/** Status lines by status, made when they are first needed. */
const statusLines: Array<Buffer | undefined> = [];

function statusLine(status: number): Buffer {
  return (statusLines[status] ??= latin1(`HTTP/1.1 ${status} ${reasonPhrases[status] ?? ""}\r\n`));
}

/** The request that the response is for. */
export interface SentRequest {
  readonly isHead: boolean;
  /** The value of Sec-WebSocket-Accept for a WebSocket; else empty. */
  readonly accept: string;
}

/**
 * What HTTP/1.1 cannot express, or would read differently, is malformed (RFC 9113 sections 8.2 and 8.3). Reused for every
 * response: valid until the next one is written.
 */
export class ResponseHeadWriter {
  readonly bytes: Buffer;
  length = 0;
  status = 0;
  /** How many bytes of body must follow; -1 if that is not known. */
  bodyLength = -1;
  isChunked = false;
  /** A WebSocket was opened: raw bytes follow. */
  isTunnel = false;
  /** The rule that the list breaks; empty if it was written. */
  violation = "";

  /** @param maxBytes of the list */
  constructor(maxBytes: number) {
    // Each field, which counts as at least 32 bytes, becomes a line with four bytes more.
    this.bytes = Buffer.allocUnsafeSlow(maxBytes + 512);
  }

  /** Whether it is a 1xx, which another head follows. */
  get isInterim(): boolean {
    return this.status < 200;
  }

  /** @returns whether the list is valid */
  write(list: FieldList, endsStream: boolean, request: SentRequest): boolean {
    this.violation = "";
    this.length = 0;
    this.status = statusOf(list);
    if (this.status === 0) return this.#reject(violations.status.text);
    if (this.status === 101) return this.#reject("unexpected 101 response");
    if (this.isInterim && endsStream) return this.#reject("an interim response that ends the stream");
    this.isTunnel = request.accept !== "" && this.status >= 200 && this.status < 300;
    this.#append(statusLine(this.isTunnel ? 101 : this.status), 0);
    let length = -1;
    for (let at = spanStride; at < list.count * spanStride; at += spanStride) {
      const number = this.#field(list, at);
      if (number < 0) return false;
      if (number !== knownHeaders.contentLength) continue;
      const given = contentLength(list.bytes, list.spans[at + 2] as number, list.spans[at + 3] as number);
      if (given < 0) return this.#reject(violations.contentLength.text);
      if (length >= 0 && given !== length) return this.#reject(violations.contentLengths.text);
      length = given;
    }
    return this.#framing(length, endsStream, request);
  }

  #reject(violation: string): false {
    this.violation = violation;
    return false;
  }

  /** Writes one field, unless it frames the message. @returns its number in `knownHeaders`; -1 if it is invalid */
  #field({ bytes, spans }: FieldList, at: number): number {
    const [from, to] = [spans[at] as number, spans[at + 1] as number];
    const [valueFrom, valueTo] = [spans[at + 2] as number, spans[at + 3] as number];
    if (!isLowerName(bytes, from, to)) return this.#invalid(violations.headerName.text);
    // As in HTTP/1.1, values in responses may have control characters.
    if (!isFieldValue(bytes, valueFrom, valueTo, isResponseValue))
      return this.#invalid(violations.headerValue.text);
    const number = lookUpHeader(bytes, from, to);
    if (isConnectionSpecific(number)) return this.#invalid("a field that HTTP/2 does not have");
    if (number === knownHeaders.contentLength) return number;
    this.#append(bytes, from, to);
    this.bytes[this.length++] = colon;
    this.bytes[this.length++] = space;
    this.#append(bytes, valueFrom, valueTo);
    this.#endLine();
    return number;
  }

  #invalid(violation: string): -1 {
    this.violation = violation;
    return -1;
  }

  #framing(length: number, endsStream: boolean, { isHead, accept }: SentRequest): boolean {
    const { status } = this;
    this.isChunked = false;
    this.bodyLength = -1;
    if (this.isTunnel)
      this.#text(`connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: ${accept}\r\n`);
    else if (!this.isInterim && status !== 204) {
      const hasBody = !isHead && status !== 304;
      if (hasBody && endsStream && length > 0) return this.#reject("Content-Length without a body");
      if (hasBody) this.bodyLength = endsStream ? 0 : length;
      else this.bodyLength = 0;
      this.isChunked = hasBody && this.bodyLength < 0;
      if (this.isChunked) this.#append(chunked, 0);
      else if (length >= 0) {
        this.#append(lengthName, 0);
        this.#text(`${length}\r\n`);
      } else if (hasBody) this.#append(empty, 0);
    } else if (status === 204) this.bodyLength = 0;
    this.#endLine();
    return true;
  }

  #endLine(): void {
    this.bytes[this.length++] = cr;
    this.bytes[this.length++] = lf;
  }

  #text(text: string): void {
    this.length += this.bytes.write(text, this.length, "latin1");
  }

  #append(bytes: Buffer, from: number, to = bytes.length): void {
    copyBytes(bytes, from, to, this.bytes, this.length);
    this.length += to - from;
  }
}

/** The status of a response, whose only pseudo-field comes first; 0 if it is missing or malformed. */
function statusOf({ bytes, spans, count }: FieldList): number {
  if (count === 0 || !equals(bytes, spans[0] as number, spans[1] as number, statusName)) return 0;
  const [from, to] = [spans[2] as number, spans[3] as number];
  const status = to - from === 3 ? contentLength(bytes, from, to) : 0;
  return status >= 100 ? status : 0;
}

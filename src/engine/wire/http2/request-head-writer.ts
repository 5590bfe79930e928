/** Writes the fields of an HTTP/2 request as an HTTP/1.1 head, which the engine parses and checks like any other. */

import {
  copyBytes,
  equals,
  equalsAnyCase,
  HeadViews,
  isTarget,
  isToken,
  latin1,
  slash,
  space,
} from "../http1/bytes.ts";
import { knownHeaders, lookUpHeader } from "../http1/header-names.ts";
import { contentLength } from "../http1/message.ts";
import { type FieldList, spanStride } from "./field-list.ts";
import { isAll, isConnectionSpecific, isValidField } from "./field-rules.ts";

const pseudo = {
  method: latin1(":method"),
  scheme: latin1(":scheme"),
  authority: latin1(":authority"),
  path: latin1(":path"),
  protocol: latin1(":protocol"),
} as const;

const connectMethod = latin1("CONNECT");
const headMethod = latin1("HEAD");
const websocket = latin1("websocket");
const trailersOnly = latin1("trailers");
const cookieName = latin1("cookie");
const webSocketKeyName = latin1("sec-websocket-key");
const getStart = latin1("GET ");
const version = latin1(" HTTP/1.1\r\n");
const hostStart = latin1("host: ");
const chunked = latin1("transfer-encoding: chunked\r\n");
const lengthName = latin1("content-length: ");
const lineEnd = latin1("\r\n");
const cookieStart = latin1("cookie: ");
const cookieSeparator = latin1("; ");

/** Bytes of a scheme (RFC 3986 section 3.1). */
const isScheme = isToken.map((value, byte) =>
  value === 1 && /[a-z0-9+.-]/i.test(String.fromCharCode(byte)) ? 1 : 0,
);

/** What this writes beside the fields: the version, line ends, framing, and the fields of an upgrade. */
const maxAddedBytes = 512;

/**
 * What HTTP/1.1 cannot express, or would read differently, is malformed (RFC 9113 sections 8.2 and 8.3). Reused for every
 * request: valid until the next one is written.
 */
export class RequestHeadWriter {
  readonly bytes: Buffer;
  readonly #views: HeadViews;
  length = 0;
  isHead = false;
  /** The value of Content-Length; -1 if there is none. */
  contentLength = -1;
  /** An extended CONNECT for a WebSocket (RFC 8441), written as an upgrade. */
  isTunnel = false;
  /** The rule that the list breaks; empty if it was written. */
  violation = "";
  // Start and end of the values of pseudo-fields. The start is -1 without the field.
  #methodFrom = -1;
  #methodTo = -1;
  #schemeFrom = -1;
  #schemeTo = -1;
  #authorityFrom = -1;
  #authorityTo = -1;
  #pathFrom = -1;
  #pathTo = -1;
  #protocolFrom = -1;
  #protocolTo = -1;
  #cookies = 0;

  /** @param maxBytes of the list, whose overhead is more than what a field needs in HTTP/1.1 */
  constructor(maxBytes: number) {
    this.bytes = Buffer.allocUnsafeSlow(maxBytes + maxAddedBytes);
    this.#views = new HeadViews(this.bytes);
  }

  /** What was written. */
  get view(): Buffer {
    return this.#views.of(this.bytes, this.length);
  }

  /** @param webSocketKey the value of Sec-WebSocket-Key, for a tunnel  @returns whether the list is valid */
  write(list: FieldList, endsStream: boolean, webSocketKey: () => string): boolean {
    this.forget();
    const first = this.#readPseudoFields(list);
    if (first < 0 || !this.#checkTarget(list)) return false;
    this.#startLine(list);
    for (let field = first; field < list.count; field++) if (!this.#field(list, field)) return false;
    if (this.#cookies > 0) this.#writeCookies(list, first);
    if (endsStream && this.contentLength > 0) return this.#reject("Content-Length without a body");
    if (this.isTunnel && this.contentLength >= 0) return this.#reject("Content-Length of a tunnel");
    this.#framing(endsStream, webSocketKey);
    return true;
  }

  /** Forgets the last request: nothing is known of the next one. */
  forget(): void {
    this.length = 0;
    this.isHead = this.isTunnel = false;
    this.contentLength = -1;
    this.violation = "";
    this.#methodFrom = this.#schemeFrom = this.#authorityFrom = this.#pathFrom = this.#protocolFrom = -1;
    this.#cookies = 0;
  }

  #reject(violation: string): false {
    this.violation = violation;
    return false;
  }

  /** @returns the number of the first regular field; -1 if a pseudo-field is unknown, repeated or misplaced */
  #readPseudoFields(list: FieldList): number {
    const { bytes, spans, count } = list;
    let first = 0;
    for (; first < count && bytes[spans[first * spanStride] as number] === 0x3a; first++) {
      const at = first * spanStride;
      const valueFrom = spans[at + 2] as number;
      const valueTo = spans[at + 3] as number;
      if (!this.#pseudoField(bytes, spans[at] as number, spans[at + 1] as number, valueFrom, valueTo)) {
        this.#reject("unknown or repeated pseudo-field");
        return -1;
      }
    }
    return first;
  }

  #pseudoField(bytes: Buffer, from: number, to: number, valueFrom: number, valueTo: number): boolean {
    if (this.#methodFrom < 0 && equals(bytes, from, to, pseudo.method)) {
      this.#methodFrom = valueFrom;
      this.#methodTo = valueTo;
    } else if (this.#pathFrom < 0 && equals(bytes, from, to, pseudo.path)) {
      this.#pathFrom = valueFrom;
      this.#pathTo = valueTo;
    } else if (this.#authorityFrom < 0 && equals(bytes, from, to, pseudo.authority)) {
      this.#authorityFrom = valueFrom;
      this.#authorityTo = valueTo;
    } else if (this.#schemeFrom < 0 && equals(bytes, from, to, pseudo.scheme)) {
      this.#schemeFrom = valueFrom;
      this.#schemeTo = valueTo;
    } else if (this.#protocolFrom < 0 && equals(bytes, from, to, pseudo.protocol)) {
      this.#protocolFrom = valueFrom;
      this.#protocolTo = valueTo;
    } else return false;
    return true;
  }

  #checkTarget({ bytes }: FieldList): boolean {
    if (this.#methodFrom < 0 || !isAll(isToken, bytes, this.#methodFrom, this.#methodTo))
      return this.#reject("missing or malformed :method");
    const isConnect = equals(bytes, this.#methodFrom, this.#methodTo, connectMethod);
    this.isHead = equals(bytes, this.#methodFrom, this.#methodTo, headMethod);
    const hasProtocol = this.#protocolFrom >= 0;
    this.isTunnel = isConnect && hasProtocol;
    if (hasProtocol && !isConnect) return this.#reject(":protocol without CONNECT");
    if (isConnect && !this.isTunnel) {
      if (this.#pathFrom >= 0 || this.#schemeFrom >= 0 || this.#authorityFrom < 0)
        return this.#reject("CONNECT takes only :authority");
      this.#pathFrom = this.#authorityFrom;
      this.#pathTo = this.#authorityTo;
    } else if (this.#pathFrom < 0 || this.#schemeFrom < 0) return this.#reject("missing :path or :scheme");
    else if (!isAll(isScheme, bytes, this.#schemeFrom, this.#schemeTo))
      return this.#reject("empty or malformed :scheme");
    if (!isAll(isTarget, bytes, this.#pathFrom, this.#pathTo))
      return this.#reject("empty or malformed :path");
    const first = bytes[this.#pathFrom];
    const isAsterisk = first === 0x2a && this.#pathTo - this.#pathFrom === 1;
    if (!isConnect || this.isTunnel) {
      if (first !== slash && !isAsterisk) return this.#reject(":path does not begin with a slash");
    }
    if (hasProtocol && !equalsAnyCase(bytes, this.#protocolFrom, this.#protocolTo, websocket))
      return this.#reject("unknown :protocol");
    if (this.#authorityFrom >= 0 && !isAll(isTarget, bytes, this.#authorityFrom, this.#authorityTo))
      return this.#reject("empty or malformed :authority");
    return true;
  }

  #startLine({ bytes }: FieldList): void {
    if (this.isTunnel) this.#appendAll(getStart);
    else {
      this.#append(bytes, this.#methodFrom, this.#methodTo);
      this.bytes[this.length++] = space;
    }
    this.#append(bytes, this.#pathFrom, this.#pathTo);
    this.#appendAll(version);
    if (this.#authorityFrom >= 0) {
      this.#appendAll(hostStart);
      this.#append(bytes, this.#authorityFrom, this.#authorityTo);
      this.#appendAll(lineEnd);
    }
  }

  #field({ bytes, spans }: FieldList, field: number): boolean {
    const at = field * spanStride;
    const from = spans[at] as number;
    const to = spans[at + 1] as number;
    const valueFrom = spans[at + 2] as number;
    const valueTo = spans[at + 3] as number;
    if (!isValidField(bytes, from, to, valueFrom, valueTo))
      return this.#reject("malformed or misplaced field");
    const number = lookUpHeader(bytes, from, to);
    if (isConnectionSpecific(number)) return this.#reject("connection-specific field");
    switch (number) {
      case knownHeaders.te:
        if (!equals(bytes, valueFrom, valueTo, trailersOnly)) return this.#reject("TE other than trailers");
        break;
      case knownHeaders.host:
        if (this.#authorityFrom >= 0)
          return this.#isAuthority(bytes, valueFrom, valueTo) || this.#reject("host differs from :authority");
        break;
      case knownHeaders.contentLength: {
        const length = contentLength(bytes, valueFrom, valueTo);
        if (length < 0 || (this.contentLength >= 0 && this.contentLength !== length))
          return this.#reject("invalid Content-Length");
        this.contentLength = length;
        return true;
      }
      case knownHeaders.other:
        if (equals(bytes, from, to, cookieName)) {
          this.#cookies += 1;
          return true;
        }
        // RFC 8441 section 5: not used. We write our own.
        if (this.isTunnel && equals(bytes, from, to, webSocketKeyName)) return true;
    }
    this.#append(bytes, from, to);
    this.bytes[this.length++] = 0x3a;
    this.bytes[this.length++] = space;
    this.#append(bytes, valueFrom, valueTo);
    this.#appendAll(lineEnd);
    return true;
  }

  #isAuthority(bytes: Buffer, from: number, to: number): boolean {
    const authority = bytes.toString("latin1", this.#authorityFrom, this.#authorityTo);
    return bytes.toString("latin1", from, to).toLowerCase() === authority.toLowerCase();
  }

  /** One field of all cookies (RFC 9113 section 8.2.3). */
  #writeCookies({ bytes, spans, count }: FieldList, first: number): void {
    let isFirst = true;
    for (let at = first * spanStride; at < count * spanStride; at += spanStride) {
      if (!equals(bytes, spans[at] as number, spans[at + 1] as number, cookieName)) continue;
      this.#appendAll(isFirst ? cookieStart : cookieSeparator);
      this.#append(bytes, spans[at + 2] as number, spans[at + 3] as number);
      isFirst = false;
    }
    this.#appendAll(lineEnd);
  }

  #framing(endsStream: boolean, webSocketKey: () => string): void {
    if (this.isTunnel) {
      const lines = ["connection: upgrade", "upgrade: websocket", `sec-websocket-key: ${webSocketKey()}`];
      this.length += this.bytes.write(`${lines.join("\r\n")}\r\n`, this.length, "latin1");
    } else if (this.contentLength >= 0) {
      this.#appendAll(lengthName);
      this.length += this.bytes.write(String(this.contentLength), this.length, "latin1");
      this.#appendAll(lineEnd);
    } else if (!endsStream) this.#appendAll(chunked);
    this.#appendAll(lineEnd);
  }

  #append(bytes: Buffer, from: number, to: number): void {
    this.length = copyBytes(bytes, from, to, this.bytes, this.length);
  }

  #appendAll(bytes: Buffer): void {
    this.#append(bytes, 0, bytes.length);
  }
}

/** Writes the fields of an HTTP/2 request as an HTTP/1.1 head, which the engine parses and checks like any other. */

import {
  equals,
  equalsAnyCase,
  isTarget,
  isToken,
  isValue,
  latin1,
  slash,
  space,
  tab,
} from "../http1/bytes.ts";
import { knownHeaders, lookUpHeader } from "../http1/header-names.ts";
import { type FieldList, spanStride } from "./field-list.ts";

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
const getStart = latin1("GET ");
const versionAndHost = latin1(" HTTP/1.1\r\nhost: ");
const chunked = latin1("transfer-encoding: chunked\r\n");
const lengthName = latin1("content-length: ");
const lineEnd = latin1("\r\n");
const cookieStart = latin1("cookie: ");
const cookieSeparator = latin1("; ");

/** Whether bytes may stand in a field name: a token without upper case. */
const isLowerToken = isToken.map((value, byte) => (byte >= 0x41 && byte <= 0x5a ? 0 : value));

/** Start and end of a value; an empty one of a mandatory field is invalid anyway. */
interface Span {
  from: number;
  to: number;
}

/**
 * What HTTP/1.1 cannot express, or would read differently, is malformed (RFC 9113 sections 8.2 and 8.3). Reused for every
 * request: valid until the next one is written.
 */
export class RequestWriter {
  readonly bytes: Buffer;
  length = 0;
  isHead = false;
  /** The value of Content-Length; -1 if there is none. */
  contentLength = -1;
  /** An extended CONNECT for a WebSocket (RFC 8441), written as an upgrade. */
  isTunnel = false;
  /** The rule that the list breaks; empty if it was written. */
  violation = "";
  readonly #method: Span = { from: 0, to: 0 };
  readonly #authority: Span = { from: 0, to: 0 };
  readonly #path: Span = { from: 0, to: 0 };
  #hasMethod = false;
  #hasScheme = false;
  #hasAuthority = false;
  #hasPath = false;
  #protocol: Span | undefined;
  #cookies = 0;

  /** @param maxBytes of the list */
  constructor(maxBytes: number, maxFields: number) {
    this.bytes = Buffer.allocUnsafeSlow(maxBytes + maxFields * 4 + 512);
  }

  /** @param webSocketKey the value of Sec-WebSocket-Key, for a tunnel  @returns whether the list is valid */
  write(list: FieldList, endsStream: boolean, webSocketKey: () => string): boolean {
    this.length = 0;
    this.contentLength = -1;
    this.violation = "";
    this.#hasMethod = this.#hasScheme = this.#hasAuthority = this.#hasPath = false;
    this.#protocol = undefined;
    this.#cookies = 0;
    const first = this.#readPseudoFields(list);
    if (first < 0 || !this.#checkTarget(list)) return false;
    this.#startLine(list);
    for (let field = first; field < list.count; field++) if (!this.#field(list, field)) return false;
    if (this.#cookies > 0) this.#writeCookies(list, first);
    if (endsStream && this.contentLength > 0) return this.#reject("Content-Length without a body");
    this.#framing(endsStream, webSocketKey);
    return true;
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
      if (
        !this.#pseudoField(bytes, spans[at] as number, spans[at + 1] as number, {
          from: spans[at + 2] as number,
          to: spans[at + 3] as number,
        })
      )
        return this.#reject("unknown or repeated pseudo-field") ? 0 : -1;
    }
    return first;
  }

  #pseudoField(bytes: Buffer, from: number, to: number, value: Span): boolean {
    if (equals(bytes, from, to, pseudo.method)) {
      if (this.#hasMethod) return false;
      Object.assign(this.#method, value);
      return (this.#hasMethod = true);
    }
    if (equals(bytes, from, to, pseudo.path)) {
      if (this.#hasPath) return false;
      Object.assign(this.#path, value);
      return (this.#hasPath = true);
    }
    if (equals(bytes, from, to, pseudo.authority)) {
      if (this.#hasAuthority) return false;
      Object.assign(this.#authority, value);
      return (this.#hasAuthority = true);
    }
    if (equals(bytes, from, to, pseudo.scheme)) {
      if (this.#hasScheme) return false;
      return (this.#hasScheme = true);
    }
    if (equals(bytes, from, to, pseudo.protocol) && !this.#protocol) {
      this.#protocol = value;
      return true;
    }
    return false;
  }

  #checkTarget({ bytes }: FieldList): boolean {
    const { from, to } = this.#method;
    if (!this.#hasMethod || !isAll(isToken, bytes, from, to))
      return this.#reject("missing or malformed :method");
    const isConnect = equals(bytes, from, to, connectMethod);
    this.isHead = equals(bytes, from, to, headMethod);
    this.isTunnel = isConnect && this.#protocol !== undefined;
    if (this.#protocol && !isConnect) return this.#reject(":protocol without CONNECT");
    if (isConnect && !this.isTunnel) {
      if (this.#hasPath || this.#hasScheme || !this.#hasAuthority)
        return this.#reject("CONNECT takes only :authority");
      Object.assign(this.#path, this.#authority);
    } else if (!this.#hasPath || !this.#hasScheme) return this.#reject("missing :path or :scheme");
    if (!isAll(isTarget, bytes, this.#path.from, this.#path.to))
      return this.#reject("empty or malformed :path");
    const first = bytes[this.#path.from];
    if (!isConnect && first !== slash && !(first === 0x2a && this.#path.to - this.#path.from === 1))
      return this.#reject(":path does not begin with a slash");
    if (this.#protocol && !equalsAnyCase(bytes, this.#protocol.from, this.#protocol.to, websocket))
      return this.#reject("unknown :protocol");
    if (this.#hasAuthority && !isAll(isTarget, bytes, this.#authority.from, this.#authority.to))
      return this.#reject("empty or malformed :authority");
    return true;
  }

  #startLine(list: FieldList): void {
    if (this.isTunnel) this.#append(getStart, 0, getStart.length);
    else {
      this.#append(list.bytes, this.#method.from, this.#method.to);
      this.bytes[this.length++] = space;
    }
    this.#append(list.bytes, this.#path.from, this.#path.to);
    if (this.#hasAuthority) {
      this.#append(versionAndHost, 0, versionAndHost.length);
      this.#append(list.bytes, this.#authority.from, this.#authority.to);
    } else this.#append(versionAndHost, 0, versionAndHost.length - "\r\nhost: ".length);
    this.#append(lineEnd, 0, lineEnd.length);
  }

  #field({ bytes, spans }: FieldList, field: number): boolean {
    const at = field * spanStride;
    const [from, to] = [spans[at] as number, spans[at + 1] as number];
    const [valueFrom, valueTo] = [spans[at + 2] as number, spans[at + 3] as number];
    if (!isValidField(bytes, { from, to }, valueFrom, valueTo))
      return this.#reject("malformed or misplaced field");
    switch (lookUpHeader(bytes, from, to)) {
      case knownHeaders.connection:
      case knownHeaders.keepAlive:
      case knownHeaders.proxyConnection:
      case knownHeaders.transferEncoding:
      case knownHeaders.upgrade:
        return this.#reject("connection-specific field");
      case knownHeaders.te:
        if (!equals(bytes, valueFrom, valueTo, trailersOnly)) return this.#reject("TE other than trailers");
        break;
      case knownHeaders.host:
        if (this.#hasAuthority)
          return this.#isAuthority(bytes, valueFrom, valueTo) || this.#reject("host differs from :authority");
        break;
      case knownHeaders.contentLength: {
        const length = decimal(bytes, valueFrom, valueTo);
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
    }
    this.#append(bytes, from, to);
    this.bytes[this.length++] = 0x3a;
    this.bytes[this.length++] = space;
    this.#append(bytes, valueFrom, valueTo);
    this.#append(lineEnd, 0, lineEnd.length);
    return true;
  }

  #isAuthority(bytes: Buffer, from: number, to: number): boolean {
    const { from: start, to: end } = this.#authority;
    return (
      bytes.toString("latin1", from, to).toLowerCase() === bytes.toString("latin1", start, end).toLowerCase()
    );
  }

  /** One field of all cookies (RFC 9113 section 8.2.3). */
  #writeCookies({ bytes, spans, count }: FieldList, first: number): void {
    let isFirst = true;
    for (let at = first * spanStride; at < count * spanStride; at += spanStride) {
      if (!equals(bytes, spans[at] as number, spans[at + 1] as number, cookieName)) continue;
      const separator = isFirst ? cookieStart : cookieSeparator;
      this.#append(separator, 0, separator.length);
      this.#append(bytes, spans[at + 2] as number, spans[at + 3] as number);
      isFirst = false;
    }
    this.#append(lineEnd, 0, lineEnd.length);
  }

  #framing(endsStream: boolean, webSocketKey: () => string): void {
    if (this.isTunnel) {
      const lines = ["connection: upgrade", "upgrade: websocket", `sec-websocket-key: ${webSocketKey()}`];
      this.length += this.bytes.write(`${lines.join("\r\n")}\r\n`, this.length, "latin1");
    } else if (this.contentLength >= 0) {
      this.#append(lengthName, 0, lengthName.length);
      this.length += this.bytes.write(String(this.contentLength), this.length, "latin1");
      this.#append(lineEnd, 0, lineEnd.length);
    } else if (!endsStream) this.#append(chunked, 0, chunked.length);
    this.#append(lineEnd, 0, lineEnd.length);
  }

  #append(bytes: Uint8Array, from: number, to: number): void {
    this.bytes.set(bytes.subarray(from, to), this.length);
    this.length += to - from;
  }
}

/**
 * Writes trailers as those of a chunked body, with the last chunk before them.
 * @returns undefined if the list is malformed
 */
export function writeTrailers({ bytes, spans, count }: FieldList): Buffer | undefined {
  const lines = [latin1("0\r\n")];
  for (let at = 0; at < count * spanStride; at += spanStride) {
    const name = { from: spans[at] as number, to: spans[at + 1] as number };
    const [valueFrom, valueTo] = [spans[at + 2] as number, spans[at + 3] as number];
    if (!isValidField(bytes, name, valueFrom, valueTo)) return undefined;
    lines.push(bytes.subarray(name.from, name.to), latin1(": "), bytes.subarray(valueFrom, valueTo), lineEnd);
  }
  return Buffer.concat([...lines, lineEnd]);
}

/** RFC 9113 section 8.2.1. Pseudo-fields are invalid here: a colon is no token. */
export function isValidField(
  bytes: Uint8Array,
  { from, to }: Span,
  valueFrom: number,
  valueTo: number,
): boolean {
  if (!isAll(isLowerToken, bytes, from, to)) return false;
  if (valueFrom === valueTo) return true;
  if (isBlank(bytes[valueFrom] as number) || isBlank(bytes[valueTo - 1] as number)) return false;
  return isAll(isValue, bytes, valueFrom, valueTo);
}

function isBlank(byte: number): boolean {
  return byte === space || byte === tab;
}

/** Whether there is at least one byte, and each is in the class. */
function isAll(table: Uint8Array, bytes: Uint8Array, from: number, to: number): boolean {
  for (let i = from; i < to; i++) if (table[bytes[i] as number] !== 1) return false;
  return to > from;
}

/** The number in bytes[from..to); -1 if it is none or too large. */
export function decimal(bytes: Uint8Array, from: number, to: number): number {
  if (from === to || to - from > 15) return -1;
  let value = 0;
  for (let i = from; i < to; i++) {
    const digit = (bytes[i] as number) - 0x30;
    if (digit < 0 || digit > 9) return -1;
    value = value * 10 + digit;
  }
  return value;
}

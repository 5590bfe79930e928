/** A parsed request head: validates it by strict rules and extracts what the engine needs. */

import type { ProtocolViolation } from "../../../proxy/refusal.ts";
import { isAuthority, isSameAuthority } from "./authority.ts";
import { framing } from "./body.ts";
import { equals, equalsAnyCase, latin1, slash } from "./bytes.ts";
import type { HeadLimits } from "./head-limits.ts";
import { headerStride, HeadParser } from "./head-parser.ts";
import { knownHeaders } from "./header-names.ts";
import {
  connectionOption,
  connectionOptions,
  contentLength,
  hasPlainWhitespace,
  namesConnectionAuthentication,
  takesTrailers,
  transferCoding,
} from "./message.ts";
import { violations } from "./violations.ts";

/** Methods by number; 0 is any other method. */
export const methods = [
  "", "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT",
] as const; // prettier-ignore
export const methodNumber = { other: 0, head: 2, options: 6, trace: 8, connect: 9 } as const;

const exactMethods = methods.map(latin1);
const lowerMethods = methods.map((name) => latin1(name.toLowerCase()));
const schemes: ReadonlyArray<readonly [prefix: Buffer, defaultPort: number]> = [
  [latin1("http://"), 80],
  [latin1("https://"), 443],
];
const h2c = latin1("h2c");

const empty = Buffer.alloc(0);
const question = 0x3f;
const zero = 0x30;

/** Reused for every request: valid until the parser begins the next one. */
export class ParsedRequest {
  readonly parser: HeadParser;
  /** The bytes that contain the head; valid during the event in which it was validated. */
  bytes: Buffer = empty;
  method = 0;
  /** Start of the target in origin-form, which is empty if an absolute target has no path. */
  targetStart = 0;
  /** The authority: of Host, or of an absolute target that names another one. Empty where an HTTP/1.0 client names none. */
  hostStart = 0;
  hostEnd = 0;
  /** Whether the Host header does not pass as it is: it is missing, overruled by the target, or has unusual whitespace. */
  rewritesHost = false;
  /** Whether the header that frames the body does not pass as it is: another parser could read it differently. */
  rewritesFraming = false;
  /** A value of `framing`. */
  framing: number = framing.none;
  contentLength = 0;
  /** Whether the client keeps the connection after the response. */
  keepsAlive = true;
  /** Whether it contains an upgrade that may be forwarded. */
  upgrades = false;
  /** Whether the client accepts trailers. */
  takesTrailers = false;
  /** Whether it has a Via header, which ours must be appended to. */
  hasVia = false;

  hasTraceparent = false;
  /** Whether its credentials authenticate the connection that they are sent on: NTLM or Negotiate. */
  authenticatesConnection = false;
  #idStart = 0;
  #idEnd = 0;

  constructor(limits: HeadLimits) {
    this.parser = new HeadParser(limits);
  }

  /** The client's own X-Request-Id. */
  get requestId(): string | undefined {
    return this.#idEnd > this.#idStart
      ? this.bytes.toString("latin1", this.#idStart, this.#idEnd)
      : undefined;
  }

  /**
   * Validates a head that was parsed whole.
   * @returns the rule that it breaks; undefined if it is valid
   */
  validate(bytes: Buffer): ProtocolViolation | undefined {
    const { parser } = this;
    this.bytes = bytes;
    this.#clear();
    const violation = this.#validateMethod(bytes) ?? this.#validateHeaders(bytes);
    if (violation) return violation;
    if (this.hostEnd > this.hostStart && !isAuthority(bytes, this.hostStart, this.hostEnd))
      return violations.host;
    if (parser.version === 10 && this.framing === framing.chunked) return violations.http10Chunked;
    if (parser.version === 10) this.upgrades = false;
    return this.#validateTarget(bytes) ?? this.#validateHost();
  }

  /** A request without an authority: only HTTP/1.0 does not ask for one (RFC 9112 section 3.2). */
  #validateHost(): ProtocolViolation | undefined {
    if (this.hostEnd > this.hostStart) return undefined;
    this.rewritesHost = true;
    return this.parser.version === 10 ? undefined : violations.host;
  }

  #clear(): void {
    this.hostStart = 0;
    this.hostEnd = 0;
    this.rewritesHost = false;
    this.rewritesFraming = false;
    this.framing = framing.none;
    this.contentLength = 0;
    this.upgrades = false;
    this.takesTrailers = false;
    this.hasVia = false;
    this.hasTraceparent = false;
    this.authenticatesConnection = false;
    this.#idStart = 0;
    this.#idEnd = 0;
  }

  #validateMethod(bytes: Uint8Array): ProtocolViolation | undefined {
    const { methodStart, methodEnd } = this.parser;
    this.method = 0;
    for (let i = 1; i < methods.length; i++) {
      if (equals(bytes, methodStart, methodEnd, exactMethods[i] as Buffer)) {
        this.method = i;
        return i >= methodNumber.trace ? violations.methodNotServed : undefined;
      }
    }
    const isWrongCase = lowerMethods.some((name) => equalsAnyCase(bytes, methodStart, methodEnd, name));
    return isWrongCase ? violations.methodCase : undefined;
  }

  /** One pass over the known headers. */
  #validateHeaders(bytes: Uint8Array): ProtocolViolation | undefined {
    const { parser } = this;
    const { headers } = parser;
    let options = 0;
    let upgrade = 0;
    let lengths = 0;
    let codings = 0;
    let hosts = 0;
    for (let position = 0; position < parser.count * headerStride; position += headerStride) {
      const number = headers[position + 4] as number;
      if (number === knownHeaders.other) continue;
      const from = headers[position + 2] as number;
      const to = headers[position + 3] as number;
      switch (number) {
        case knownHeaders.host:
          hosts += 1;
          this.hostStart = from;
          this.hostEnd = to;
          this.rewritesHost = !hasPlainWhitespace(bytes, from, to);
          break;
        case knownHeaders.contentLength:
          lengths += 1;
          this.contentLength = contentLength(bytes, from, to);
          if (this.contentLength < 0) return violations.contentLength;
          this.rewritesFraming =
            (bytes[from] === zero && to > from + 1) || !hasPlainWhitespace(bytes, from, to);
          break;
        case knownHeaders.transferEncoding: {
          codings += 1;
          const result = transferCoding(bytes, from, to);
          if (result === 501 && parser.version === 11) return violations.transferCodingUnsupported;
          if (result !== 0) return violations.transferEncoding;
          this.rewritesFraming = !hasPlainWhitespace(bytes, from, to);
          break;
        }
        case knownHeaders.connection:
          options |= connectionOptions(parser, bytes, from, to);
          break;
        case knownHeaders.upgrade:
          upgrade = containsH2c(bytes, from, to) ? -1 : upgrade | 1;
          break;
        case knownHeaders.te:
          this.takesTrailers ||= parser.version === 11 && takesTrailers(bytes, from, to);
          break;
        case knownHeaders.via:
          this.hasVia = true;
          break;
        case knownHeaders.traceparent:
          this.hasTraceparent = true;
          break;
        case knownHeaders.authorization:
        case knownHeaders.proxyAuthorization:
          this.authenticatesConnection ||= namesConnectionAuthentication(bytes, from, to);
          break;
        case knownHeaders.requestId:
          this.#idStart = from;
          this.#idEnd = to;
          break;
      }
    }
    if (hosts > 1) return violations.multipleHosts;
    if (hosts === 0 && parser.version === 11) return violations.noHost;
    if (lengths + codings > 1) return violations.multipleFramings;
    if (codings > 0) this.framing = framing.chunked;
    else if (lengths > 0) this.framing = framing.length;
    const allowsReuse = parser.version === 11 || (options & connectionOption.keepAlive) !== 0;
    this.keepsAlive = allowsReuse && (options & connectionOption.close) === 0;
    this.upgrades = upgrade === 1 && (options & connectionOption.upgrade) !== 0;
    return undefined;
  }

  /**
   * Accepts origin-form, "*" for OPTIONS, and absolute-form, whose authority counts where Host names another one. RFC 9112
   * section 3.2.
   */
  #validateTarget(bytes: Uint8Array): ProtocolViolation | undefined {
    const { targetStart, targetEnd } = this.parser;
    this.targetStart = targetStart;
    const first = bytes[targetStart];
    if (first === slash) return undefined;
    if (first === 0x2a && targetEnd - targetStart === 1)
      return this.method === methodNumber.options ? undefined : violations.targetForm;
    for (const [scheme, defaultPort] of schemes) {
      const from = targetStart + scheme.length;
      if (from > targetEnd || !equalsAnyCase(bytes, targetStart, from, scheme)) continue;
      let to = from;
      while (to < targetEnd && bytes[to] !== slash && bytes[to] !== question) to += 1;
      this.targetStart = to;
      if (!isAuthority(bytes, from, to)) return violations.targetAuthority;
      if (!isSameAuthority(bytes, [from, to], [this.hostStart, this.hostEnd], defaultPort)) {
        this.hostStart = from;
        this.hostEnd = to;
        this.rewritesHost = true;
      }
      return undefined;
    }
    return violations.targetForm;
  }
}

/** Whether an Upgrade header contains h2c: HTTP/2 inside our connection would hide its requests from every rule here. */
function containsH2c(bytes: Uint8Array, from: number, to: number): boolean {
  for (let i = from; i + h2c.length <= to; i++) if (equalsAnyCase(bytes, i, i + h2c.length, h2c)) return true;
  return false;
}

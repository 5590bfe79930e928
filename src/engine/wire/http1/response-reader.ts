/** Parses responses from an upstream's bytes and passes them to a `ResponseSink`. */

import type { CompressibleResponse } from "../../../proxy/compression.ts";
import { BodyFraming, framing } from "./body.ts";
import { ByteAccumulator, equalsAnyCase, isNamed, latin1 } from "./bytes.ts";
import type { HeadLimits } from "./head-limits.ts";
import { headerStride, HeadParser, isWhole, needsMore } from "./head-parser.ts";
import { knownHeaders } from "./header-names.ts";
import {
  connectionOption,
  connectionOptions,
  contentLength,
  firstValueEnd,
  hasPlainWhitespace,
  namesConnectionAuthentication,
  onlyCoding,
  repeatedLength,
  transferCoding,
} from "./message.ts";
import { violations } from "./violations.ts";

/** Receives a response. Bytes are only valid during the call. */
export interface ResponseSink {
  readonly request: ResponseExpectation;
  /** A 1xx head, which another head follows. */
  interim(head: ParsedResponse): void;
  /** The final head, and the body up to the offset `stop`. @param isWhole whether that is the whole body */
  responseHead(head: ParsedResponse, stop: number, isWhole: boolean): void;
  responseBody(piece: Buffer): void;
  /** A 101. Bytes after the head, up to the offset `to`, belong to the new protocol. */
  switchProtocols(head: ParsedResponse, to: number): void;
}

/**
 * Result of `read`. `notHttp`: the bytes are no response at all. `refused`: a response breaks a rule, which `violation` names;
 * if `inBody`, a part of it has reached the sink.
 */
export type Progress = "more" | "complete" | "switched" | "notHttp" | "refused";

/**
 * ```
 *          ┌─1xx─┐
 *          ▼     │
 *  begin ─▶ head ┴──▶ body ──▶ complete ──▶ begin
 *            └──101──▶ switched
 * ```
 */
export class ResponseReader {
  readonly #shared: ParsedResponse;
  readonly #body = new BodyFraming();
  #partialHead: ByteAccumulator<ParsedResponse> | undefined;
  /** Whether a byte of the current response has arrived. */
  hasStarted = false;
  /** Whether its final head has arrived. */
  inBody = false;
  /** Whether the connection may serve another request after this response. */
  keepsAlive = false;
  /** From `Keep-Alive: timeout`; -1 if there is none. */
  keepAliveSeconds = -1;
  /** The rule that a refused response breaks: a fixed text. */
  violation = "";
  /** Bytes of the 1xx heads of the current response: endless ones would keep a core busy. */
  #interimBytes = 0;

  /** @param shared parses heads that arrive in one piece; valid during one event */
  constructor(shared: ParsedResponse) {
    this.#shared = shared;
  }

  begin(): void {
    this.hasStarted = false;
    this.inBody = false;
    this.#interimBytes = 0;
    this.#partialHead = undefined;
  }

  read(sink: ResponseSink, chunk: Buffer): Progress {
    this.hasStarted = true;
    return this.inBody ? this.#readBody(sink, chunk) : this.#readHeads(sink, chunk);
  }

  /** The connection ended with FIN. @returns whether the current response is complete */
  ended(): boolean {
    return this.inBody && this.#body.ended();
  }

  #readHeads(sink: ResponseSink, chunk: Buffer): Progress {
    const partial = this.#partialHead?.append(chunk, 0, chunk.length);
    const head = partial?.head ?? this.#shared;
    const bytes = partial?.bytes ?? chunk;
    const to = partial?.length ?? chunk.length;
    let from = 0;
    let isPartial = partial !== undefined;
    while (from < to) {
      if (!isPartial) head.parser.beginResponse(from);
      const result = head.parser.parse(bytes, to);
      if (result === needsMore) {
        if (!isPartial) this.#startPartialHead(bytes, from, to, head.parser.isIrregular);
        return "more";
      }
      isPartial = false;
      const violation = result === isWhole ? head.validate(bytes, sink.request) : head.parser.violation.text;
      if (violation !== "") return this.#reject(violation);
      if (!head.isInterim) return this.#begin(sink, head, to);
      const { end, limits } = head.parser;
      this.#interimBytes += end - from;
      if (this.#interimBytes > limits.headBytes)
        return this.#reject(`interim responses of more than ${limits.headBytes} bytes`);
      from = end;
      sink.interim(head);
    }
    this.#partialHead = undefined;
    return "more";
  }

  /** Copies a partial head and gives it its own parser, which finds folds replaced already. */
  #startPartialHead(bytes: Buffer, from: number, to: number, isIrregular: boolean): void {
    const head = new ParsedResponse(this.#shared.parser.limits);
    head.parser.beginResponse(0);
    this.#partialHead = new ByteAccumulator(head, bytes, from, to);
    head.parser.parse(this.#partialHead.bytes, this.#partialHead.length);
    head.parser.isIrregular ||= isIrregular;
  }

  #begin(sink: ResponseSink, head: ParsedResponse, to: number): Progress {
    this.#partialHead = undefined;
    if (head.parser.status === 101) {
      sink.switchProtocols(head, to);
      return "switched";
    }
    this.#body.begin(head.framing, head.contentLength);
    const stop = this.#body.decode(head.bytes, head.parser.end, to);
    if (stop < 0) return this.#reject(this.#body.violation.text);
    this.inBody = true;
    // Unrequested bytes after a response must never become part of the next one.
    this.keepsAlive = head.keepsAlive && stop === to;
    this.keepAliveSeconds = head.keepAliveSeconds;
    sink.responseHead(head, this.#passedEnd(head, stop), this.#body.isComplete);
    return this.#body.isComplete ? "complete" : "more";
  }

  /** The end of what passes of the body behind the head, up to `stop`. It is never longer than what arrived. */
  #passedEnd(head: ParsedResponse, stop: number): number {
    const { rewritten } = this.#body;
    return rewritten ? head.parser.end + rewritten.copy(head.bytes, head.parser.end) : stop;
  }

  #reject(violation: string): Progress {
    this.violation = violation;
    return violation === violations.notHttp.text ? "notHttp" : "refused";
  }

  #readBody(sink: ResponseSink, bytes: Buffer): Progress {
    const stop = this.#body.decode(bytes, 0, bytes.length);
    if (stop < 0) return this.#reject(this.#body.violation.text);
    if (stop < bytes.length) this.keepsAlive = false;
    const { rewritten } = this.#body;
    if (rewritten) sink.responseBody(rewritten);
    else sink.responseBody(stop === bytes.length ? bytes : bytes.subarray(0, stop));
    return this.#body.isComplete ? "complete" : "more";
  }
}

const empty = Buffer.alloc(0);
const zero = 0x30;
const timeoutToken = latin1("timeout=");

/** What the request implies for its response. */
export interface ResponseExpectation {
  /** The response to a HEAD has no body. */
  readonly isHead: boolean;
  /** Whether a 101 is allowed. */
  readonly upgrades: boolean;
}

/** A parsed response head. Reused for every response: valid until the parser begins the next one. */
export class ParsedResponse implements CompressibleResponse {
  readonly parser: HeadParser;
  /** The bytes that contain the head; valid during the event in which it was validated. */
  bytes: Buffer = empty;
  /** A value of `framing`. */
  framing: number = framing.none;
  contentLength = 0;
  /** Whether the upstream keeps the connection. */
  keepsAlive = true;
  /** From `Keep-Alive: timeout`, in seconds; -1 if there is none. */
  keepAliveSeconds = -1;
  /** Whether Content-Length and Transfer-Encoding must not pass, because the status has no body. */
  dropsFraming = false;
  hasDate = false;
  /** Whether it is a 426 that names the protocols to upgrade to (RFC 9110 section 15.5.22). */
  offersUpgrade = false;
  /** Whether it must be written in another form than the upstream's. */
  needsRewrite = false;
  #lengthViolation = "";
  /** Whether it is a 401 or 407 that asks for NTLM or Negotiate, which authenticate the connection. */
  offersConnectionAuthentication = false;

  constructor(limits: HeadLimits) {
    this.parser = new HeadParser(limits);
  }

  get status(): number {
    return this.parser.status;
  }

  get bodyBytes(): number | undefined {
    if (this.framing === framing.none) return 0;
    return this.framing === framing.length ? this.contentLength : undefined;
  }

  /** Read only where a route asks for it. */
  header(name: string): string | undefined {
    const { bytes } = this;
    const { headers, count } = this.parser;
    let joined: string | undefined;
    for (let position = 0; position < count * headerStride; position += headerStride) {
      if (!isNamed(bytes, headers[position] as number, headers[position + 1] as number, name)) continue;
      const value = bytes.toString("latin1", headers[position + 2], headers[position + 3]).trim();
      joined = joined === undefined ? value : `${joined}, ${value}`;
    }
    return joined;
  }

  /** Whether it is a 1xx other than 101, which another head follows. */
  get isInterim(): boolean {
    return this.parser.status < 200 && this.parser.status !== 101;
  }

  /**
   * Validates a head that was parsed whole, and determines its framing. RFC 9112 section 6.3.
   * @returns the rule that it breaks; empty if it is valid
   */
  validate(bytes: Buffer, expectation: ResponseExpectation): string {
    const { parser } = this;
    this.bytes = bytes;
    const { headers, status } = parser;
    this.keepAliveSeconds = -1;
    this.offersConnectionAuthentication = false;
    this.hasDate = false;
    this.offersUpgrade = false;
    this.needsRewrite = parser.isIrregular;
    let options = 0;
    let lengths = 0;
    let codingFields = 0;
    let codings = 0;
    for (let position = 0; position < parser.count * headerStride; position += headerStride) {
      const number = headers[position + 4] as number;
      if (number === knownHeaders.other) continue;
      const from = headers[position + 2] as number;
      const to = headers[position + 3] as number;
      switch (number) {
        case knownHeaders.contentLength:
          if (!this.#readLength(bytes, position, lengths)) return this.#lengthViolation;
          lengths += 1;
          break;
        case knownHeaders.transferEncoding:
          codingFields += 1;
          if (!this.#readCoding(bytes, position)) return violations.transferEncoding.text;
          if (headers[position + 4] === knownHeaders.transferEncoding) codings += 1;
          break;
        case knownHeaders.connection:
          options |= connectionOptions(parser, bytes, from, to);
          break;
        case knownHeaders.date:
          this.hasDate = true;
          break;
        case knownHeaders.upgrade:
          this.offersUpgrade = status === 426;
          break;
        case knownHeaders.keepAlive:
          this.keepAliveSeconds = timeoutIn(bytes, from, to);
          break;
        case knownHeaders.wwwAuthenticate:
        case knownHeaders.proxyAuthenticate:
          if (status === 401 || status === 407)
            this.offersConnectionAuthentication ||= namesConnectionAuthentication(bytes, from, to);
          break;
      }
    }
    if (codings > 1) return violations.transferEncoding.text;
    if (codings > 0 && lengths > 0) dropLengths(parser);
    if (status === 101 && !(expectation.upgrades && (options & connectionOption.upgrade) !== 0))
      return "unexpected 101 response";
    const allowsReuse = parser.version === 11 || (options & connectionOption.keepAlive) !== 0;
    // RFC 9112 section 6.1: after faulty framing the connection closes. HTTP/1.0 does not have Transfer-Encoding.
    const isDoubtful =
      parser.isIrregular || codingFields > codings || (codings > 0 && (lengths > 0 || parser.version === 10));
    this.keepsAlive = allowsReuse && !isDoubtful && (options & connectionOption.close) === 0;
    this.dropsFraming = status < 200 || status === 204;
    if (this.dropsFraming || status === 304 || expectation.isHead) this.framing = framing.none;
    else if (codings > 0) this.framing = framing.chunked;
    else if (lengths > 0) this.framing = framing.length;
    else this.framing = framing.untilClose;
    if (this.framing === framing.untilClose) this.keepsAlive = false;
    return "";
  }

  /** Reads a Transfer-Encoding, and drops one without a coding. @returns false if it breaks a rule */
  #readCoding(bytes: Buffer, position: number): boolean {
    const { headers } = this.parser;
    const from = headers[position + 2] as number;
    const to = headers[position + 3] as number;
    const start = onlyCoding(bytes, from, to);
    if (start === to) {
      headers[position + 4] = knownHeaders.named;
      return true;
    }
    const end = firstValueEnd(bytes, start, to);
    if (start < 0 || transferCoding(bytes, start, end) !== 0) return false;
    this.needsRewrite ||= end !== to || start !== from || !hasPlainWhitespace(bytes, from, to);
    headers[position + 2] = start;
    headers[position + 3] = end;
    return true;
  }

  /**
   * Reads a Content-Length. An equal one before it stands for both (RFC 9110 section 8.6).
   * @param earlier how many came before  @returns false if it breaks a rule
   */
  #readLength(bytes: Buffer, position: number, earlier: number): boolean {
    const { headers } = this.parser;
    const from = headers[position + 2] as number;
    const to = headers[position + 3] as number;
    const length = repeatedLength(bytes, from, to);
    const differs = length === -2 || (length >= 0 && earlier > 0 && length !== this.contentLength);
    this.#lengthViolation = (differs ? violations.contentLengths : violations.contentLength).text;
    if (length < 0 || differs) return false;
    this.contentLength = length;
    if (earlier > 0) headers[position + 4] = knownHeaders.named;
    const end = firstValueEnd(bytes, from, to);
    let start = from;
    while (start < end - 1 && bytes[start] === zero) start += 1;
    this.needsRewrite ||= end !== to || start !== from || !hasPlainWhitespace(bytes, from, to);
    headers[position + 2] = start;
    headers[position + 3] = end;
    return true;
  }
}

/** Where a response has both framings, the chunks count. RFC 9112 section 6.3. */
function dropLengths({ headers, count }: HeadParser): void {
  for (let position = 4; position < count * headerStride; position += headerStride) {
    if (headers[position] === knownHeaders.contentLength) headers[position] = knownHeaders.named;
  }
}

/** The seconds of "timeout=5, max=100"; -1 if there is no such parameter. */
function timeoutIn(bytes: Uint8Array, from: number, to: number): number {
  for (let i = from; i + timeoutToken.length < to; i++) {
    if (!equalsAnyCase(bytes, i, i + timeoutToken.length, timeoutToken)) continue;
    let stop = i + timeoutToken.length;
    while (stop < to && (bytes[stop] as number) >= 0x30 && (bytes[stop] as number) <= 0x39) stop += 1;
    return contentLength(bytes, i + timeoutToken.length, stop);
  }
  return -1;
}

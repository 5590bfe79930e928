/** What an upstream's answer head means, and whether it can be believed. */

import { framing } from "./http1/body.ts";
import { equalsAnyCase, latin1 } from "./http1/bytes.ts";
import { knownHeaders } from "./http1/header-names.ts";
import { headerStride, HeadParser } from "./http1/head-parser.ts";
import { connectionOptions, contentLength, option, transferCoding } from "./http1/message.ts";

const empty = Buffer.alloc(0);
const timeoutToken = latin1("timeout=");

/** What was asked decides how an answer is framed. */
export interface ResponseExpectation {
  readonly isHead: boolean;
  readonly upgrades: boolean;
}

/** Reused for every answer; what it says holds until the next `begin`. */
export class ParsedResponse {
  readonly reader = new HeadParser();
  /** Where the head stands: only valid during the event in which it was judged. */
  bytes: Buffer = empty;
  /** A number of `framing`. */
  framing: number = framing.none;
  contentLength = 0;
  /** Whether the upstream keeps the connection. */
  keepsAlive = true;
  /** From `Keep-Alive: timeout`, in seconds; -1 if it says nothing. */
  keepAliveSeconds = -1;
  /** Whether it has Content-Length or Transfer-Encoding although its status has no body: they must not pass. */
  dropsFraming = false;
  hasRequestId = false;

  /** 1xx other than 101: another head follows. */
  get isInterim(): boolean {
    return this.reader.status < 200 && this.reader.status !== 101;
  }

  /**
   * Judges a head that was read whole. RFC 9112 section 6.3.
   * @returns why what follows it cannot be told for certain; empty if it can
   */
  validate(bytes: Buffer, expectation: ResponseExpectation): string {
    const { reader } = this;
    this.bytes = bytes;
    const { headers, status } = reader;
    this.keepAliveSeconds = -1;
    this.hasRequestId = false;
    let options = 0;
    let lengths = 0;
    let codings = 0;
    for (let position = 0; position < reader.count * headerStride; position += headerStride) {
      const number = headers[position + 4] as number;
      if (number === knownHeaders.other) continue;
      const from = headers[position + 2] as number;
      const to = headers[position + 3] as number;
      switch (number) {
        case knownHeaders.contentLength:
          lengths += 1;
          this.contentLength = contentLength(bytes, from, to);
          if (this.contentLength < 0) return "Content-Length is no number";
          break;
        case knownHeaders.transferEncoding:
          codings += 1;
          if (transferCoding(bytes, from, to) !== 0) return "Transfer-Encoding is not chunked";
          break;
        case knownHeaders.connection:
          options |= connectionOptions(reader, bytes, from, to);
          break;
        case knownHeaders.keepAlive:
          this.keepAliveSeconds = timeoutIn(bytes, from, to);
          break;
        case knownHeaders.requestId:
          this.hasRequestId = true;
          break;
      }
    }
    if (lengths + codings > 1) return "more than one Content-Length or Transfer-Encoding";
    if (codings > 0 && reader.version === 10) return "chunks on HTTP/1.0";
    if ((options & option.malformed) !== 0) return "Connection names too many fields";
    if (status === 101 && !(expectation.upgrades && (options & option.upgrade) !== 0))
      return "101 that nobody asked for";
    const wantsKept = reader.version === 11 || (options & option.keepAlive) !== 0;
    this.keepsAlive = wantsKept && (options & option.close) === 0;
    this.dropsFraming = status < 200 || status === 204;
    if (this.dropsFraming || status === 304 || expectation.isHead) this.framing = framing.none;
    else if (codings > 0) this.framing = framing.chunked;
    else if (lengths > 0) this.framing = framing.length;
    else this.framing = framing.untilClose;
    if (this.framing === framing.untilClose) this.keepsAlive = false;
    return "";
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

/** Reads the engine's HTTP/1.1 response to one request and passes it on as the parts of an HTTP/2 response. */

import { equals, hexValue, latin1, lf } from "../http1/bytes.ts";
import type { HeadLimits } from "../http1/head-limits.ts";
import { headerStride, HeadParser, isWhole } from "../http1/head-parser.ts";
import { isHopByHop, knownHeaders, lookUpHeader } from "../http1/header-names.ts";
import { HeaderBlock } from "./hpack-encoder.ts";
import { decimal } from "./request-writer.ts";

/** Where the parts go: a stream. */
export interface ResponseParts {
  /** A header block: an interim or final head, or trailers. Always taken. */
  passHeaders(block: Buffer, endsStream: boolean): void;
  /** @returns how many bytes were taken; the end of the stream counts only if all were */
  passData(bytes: Uint8Array, from: number, to: number, endsStream: boolean): number;
}

const at = {
  head: 0,
  length: 1,
  untilClose: 2,
  chunkSize: 3,
  chunkData: 4,
  chunkEnd: 5,
  trailers: 6,
  done: 7,
} as const;

const acceptName = latin1("sec-websocket-accept");

/**
 * ```
 *  head ─┬─▶ length ──────────────────────────────────────────▶ done
 *   ▲ 1xx├─▶ chunkSize ─▶ chunkData ─▶ chunkEnd ─▶ chunkSize … ─▶ trailers ─▶ done
 *   └────┼─▶ untilClose, and a tunnel ──finish──▶ done
 *        └─▶ done
 * ```
 * The bytes are the engine's own, which it has checked. Heads arrive whole in one call, bodies in any pieces.
 */
export class ResponseTranslator {
  readonly #parser: HeadParser;
  readonly #block: HeaderBlock;
  readonly #parts: ResponseParts;
  #phase: number = at.head;
  #remaining = 0;
  #isHead = false;
  #isTunnel = false;
  /** A line of the chunk framing or the trailers that has arrived in part. */
  #line = "";

  /** @param shared parser and block for heads, which are only used within a call */
  constructor(parts: ResponseParts, shared: { readonly parser: HeadParser; readonly block: HeaderBlock }) {
    this.#parts = parts;
    this.#parser = shared.parser;
    this.#block = shared.block;
  }

  static sharedParts(limits: HeadLimits): { readonly parser: HeadParser; readonly block: HeaderBlock } {
    return { parser: new HeadParser(limits), block: new HeaderBlock() };
  }

  begin(isHead: boolean, isTunnel: boolean): void {
    this.#phase = at.head;
    this.#isHead = isHead;
    this.#isTunnel = isTunnel;
    this.#line = "";
  }

  /** Whether the whole response was passed on. */
  get isDone(): boolean {
    return this.#phase === at.done;
  }

  /** Whether no final head was passed on yet. */
  get isBeforeHead(): boolean {
    return this.#phase === at.head;
  }

  /** @returns the number of bytes that were taken */
  write(bytes: Buffer, from: number, to: number): number {
    let next = from;
    while (next < to && this.#phase !== at.done) {
      const before = next;
      next = this.#step(bytes, next, to);
      if (next === before) break;
    }
    return next - from;
  }

  #step(bytes: Buffer, from: number, to: number): number {
    switch (this.#phase) {
      case at.head:
        return this.#head(bytes, from, to);
      case at.length:
      case at.chunkData:
        return this.#data(bytes, from, Math.min(to, from + this.#remaining));
      case at.untilClose:
        return from + this.#parts.passData(bytes, from, to, false);
      default:
        return this.#framingLine(bytes, from, to);
    }
  }

  #head(bytes: Buffer, from: number, to: number): number {
    const parser = this.#parser;
    parser.beginResponse(from);
    if (parser.parse(bytes, to) !== isWhole)
      throw new Error("Cannot send a response: the engine wrote an invalid head");
    const { status } = parser;
    const isSwitch = status === 101;
    const isInterim = status < 200 && !isSwitch;
    const [length, isChunked] = this.#writeFields(bytes, isSwitch && this.#isTunnel ? 200 : status);
    if (isInterim) this.#parts.passHeaders(this.#blockBytes, false);
    else {
      const hasBody = !this.#isHead && status !== 204 && status !== 304;
      this.#phase =
        !hasBody || length === 0
          ? at.done
          : isChunked
            ? at.chunkSize
            : length > 0
              ? at.length
              : at.untilClose;
      this.#remaining = length;
      this.#parts.passHeaders(this.#blockBytes, this.#phase === at.done);
    }
    return parser.end;
  }

  get #blockBytes(): Buffer {
    return this.#block.bytes.subarray(0, this.#block.length);
  }

  /** @returns the Content-Length, -1 without one, and whether the body is chunked */
  #writeFields(bytes: Buffer, status: number): readonly [length: number, isChunked: boolean] {
    const { headers, count } = this.#parser;
    let length = -1;
    let isChunked = false;
    this.#block.begin();
    this.#block.addStatus(status);
    for (let position = 0; position < count * headerStride; position += headerStride) {
      const [from, to] = [headers[position] as number, headers[position + 1] as number];
      const [valueFrom, valueTo] = [headers[position + 2] as number, headers[position + 3] as number];
      const number = headers[position + 4] as number;
      if (number === knownHeaders.contentLength) length = decimal(bytes, valueFrom, valueTo);
      if (number === knownHeaders.transferEncoding) isChunked = true;
      const isDropped =
        isConnectionSpecific(number) || (this.#isTunnel && status === 200 && isAccept(bytes, from, to));
      if (!isDropped) this.#block.add(bytes, { from, to }, valueFrom, valueTo);
    }
    return [length, isChunked];
  }

  #data(bytes: Buffer, from: number, to: number): number {
    const isLast = this.#phase === at.length && to - from === this.#remaining;
    const taken = this.#parts.passData(bytes, from, to, isLast);
    this.#remaining -= taken;
    if (this.#remaining === 0) this.#phase = this.#phase === at.length ? at.done : at.chunkEnd;
    return from + taken;
  }

  /** Reads one line of the chunk framing or of the trailers. */
  #framingLine(bytes: Buffer, from: number, to: number): number {
    const end = bytes.indexOf(lf, from);
    const isComplete = end >= 0 && end < to;
    this.#line += bytes.toString("latin1", from, isComplete ? end - 1 : to);
    if (!isComplete) return to;
    const line = this.#line.replace(/\r$/, "");
    this.#line = "";
    this.#framingLineEnded(line);
    return end + 1;
  }

  #framingLineEnded(line: string): void {
    if (this.#phase === at.chunkEnd) this.#phase = at.chunkSize;
    else if (this.#phase === at.chunkSize) {
      this.#remaining = chunkSize(line);
      this.#phase = this.#remaining > 0 ? at.chunkData : at.trailers;
      this.#block.begin();
    } else if (line !== "") {
      const text = latin1(line);
      const nameEnd = line.indexOf(":");
      const value = line.slice(nameEnd + 1);
      const valueFrom = nameEnd + 1 + (value.length - value.trimStart().length);
      this.#trailers.push({ text, nameEnd, valueFrom, valueTo: line.trimEnd().length });
    } else this.#endWithTrailers();
  }

  #trailers: {
    readonly text: Buffer;
    readonly nameEnd: number;
    readonly valueFrom: number;
    readonly valueTo: number;
  }[] = [];

  #endWithTrailers(): void {
    this.#phase = at.done;
    if (this.#trailers.length === 0) return void this.#parts.passData(noBytes, 0, 0, true);
    this.#block.begin();
    for (const { text, nameEnd, valueFrom, valueTo } of this.#trailers) {
      if (!isConnectionSpecific(lookUpHeader(text, 0, nameEnd)))
        this.#block.add(text, { from: 0, to: nameEnd }, valueFrom, Math.max(valueFrom, valueTo));
    }
    this.#trailers = [];
    this.#parts.passHeaders(this.#blockBytes, true);
  }

  /** The engine closes after the response. @returns whether the response was complete */
  finish(): boolean {
    if (this.#phase === at.untilClose) {
      this.#phase = at.done;
      this.#parts.passData(noBytes, 0, 0, true);
    }
    return this.#phase === at.done;
  }
}

const noBytes = Buffer.alloc(0);

/** RFC 9113 section 8.2.2. */
function isConnectionSpecific(number: number): boolean {
  return (
    number === knownHeaders.connection ||
    number === knownHeaders.transferEncoding ||
    number === knownHeaders.upgrade ||
    (isHopByHop(number) && number !== knownHeaders.proxyAuthenticate)
  );
}

function isAccept(bytes: Buffer, from: number, to: number): boolean {
  return (
    equals(bytes, from, to, acceptName) ||
    bytes.toString("latin1", from, to).toLowerCase() === "sec-websocket-accept"
  );
}

/** The size in a chunk line, in front of its extensions. */
function chunkSize(line: string): number {
  let size = 0;
  for (let i = 0; i < line.length; i++) {
    const digit = hexValue[line.charCodeAt(i)] as number;
    if (digit > 15) break;
    size = size * 16 + digit;
  }
  return size;
}

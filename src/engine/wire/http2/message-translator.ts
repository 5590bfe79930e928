/** Reads a message that the engine writes in HTTP/1.1 and passes it on as the parts of an HTTP/2 message. */

import { hexValue, latin1, lf } from "../http1/bytes.ts";
import type { HeadLimits } from "../http1/head-limits.ts";
import { HeadParser } from "../http1/head-parser.ts";
import { isHopByHop, knownHeaders, lookUpHeader } from "../http1/header-names.ts";
import { isConnectionSpecific } from "./field-rules.ts";
import { HeaderBlock } from "./hpack-encoder.ts";

/** Where the parts go: a stream. */
export interface MessageParts {
  /** A header block: an interim or final head, or trailers. Always taken. */
  passHeaders(block: Buffer, endsStream: boolean): void;
  /** @returns how many bytes were taken; the end of the stream counts only if all were */
  passData(bytes: Buffer, from: number, to: number, endsStream: boolean): number;
}

/** Parser and block for heads, which are only used within a call and shared by all streams. */
export interface HeadTools {
  readonly parser: HeadParser;
  readonly block: HeaderBlock;
}

export function headTools(limits: HeadLimits): HeadTools {
  return { parser: new HeadParser(limits), block: new HeaderBlock() };
}

export const at = {
  head: 0,
  length: 1,
  untilClose: 2,
  chunkSize: 3,
  chunkData: 4,
  chunkEnd: 5,
  trailers: 6,
  done: 7,
} as const;

/** A line of the trailers. */
interface TrailerLine {
  readonly text: Buffer;
  readonly nameEnd: number;
  readonly valueFrom: number;
  readonly valueTo: number;
}

/**
 * ```
 *  head ─┬─▶ length ──────────────────────────────────────────▶ done
 *        ├─▶ chunkSize ─▶ chunkData ─▶ chunkEnd ─▶ chunkSize … ─▶ trailers ─▶ done
 *        ├─▶ untilClose, and a tunnel ──finish──▶ done
 *        └─▶ done
 * ```
 * The bytes are the engine's own, which it has checked. Heads arrive whole in one call, bodies in any pieces.
 */
export abstract class MessageTranslator {
  protected readonly parts: MessageParts;
  protected readonly parser: HeadParser;
  protected readonly block: HeaderBlock;
  #phase: number = at.head;
  #remaining = 0;
  /** A line of the chunk framing or the trailers that has arrived in part. */
  #line = "";
  #trailers: TrailerLine[] = [];

  constructor(parts: MessageParts, { parser, block }: HeadTools) {
    this.parts = parts;
    this.parser = parser;
    this.block = block;
  }

  /** Reads the head that begins at `from`, and passes it on. @returns the offset after it */
  protected abstract readHead(bytes: Buffer, from: number, to: number): number;

  protected beginHead(): void {
    this.#phase = at.head;
    this.#line = "";
  }

  /** The body begins. @param phase a value of `at`  @param length of the body, if it is known */
  protected beginBody(phase: number, length: number): void {
    this.#phase = phase;
    this.#remaining = length;
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
        return this.readHead(bytes, from, to);
      case at.length:
      case at.chunkData:
        return this.#data(bytes, from, Math.min(to, from + this.#remaining));
      case at.untilClose:
        return from + this.parts.passData(bytes, from, to, false);
      default:
        return this.#framingLine(bytes, from, to);
    }
  }

  protected get blockBytes(): Buffer {
    return this.block.view;
  }

  #data(bytes: Buffer, from: number, to: number): number {
    const isLast = this.#phase === at.length && to - from === this.#remaining;
    const taken = this.parts.passData(bytes, from, to, isLast);
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
    } else if (line !== "") {
      const text = latin1(line);
      const nameEnd = line.indexOf(":");
      const value = line.slice(nameEnd + 1);
      const valueFrom = nameEnd + 1 + (value.length - value.trimStart().length);
      this.#trailers.push({ text, nameEnd, valueFrom, valueTo: line.trimEnd().length });
    } else this.#endWithTrailers();
  }

  #endWithTrailers(): void {
    this.#phase = at.done;
    if (this.#trailers.length === 0) return void this.parts.passData(noBytes, 0, 0, true);
    this.block.begin();
    for (const { text, nameEnd, valueFrom, valueTo } of this.#trailers) {
      if (!endsAtHop(lookUpHeader(text, 0, nameEnd)))
        this.block.add(text, { from: 0, to: nameEnd }, valueFrom, Math.max(valueFrom, valueTo));
    }
    this.#trailers = [];
    this.parts.passHeaders(this.blockBytes, true);
  }

  /** The engine closes after the message. @returns whether the message was complete */
  finish(): boolean {
    if (this.#phase === at.untilClose) {
      this.#phase = at.done;
      this.parts.passData(noBytes, 0, 0, true);
    }
    return this.#phase === at.done;
  }
}

const noBytes = Buffer.alloc(0);

/** Whether a header of the engine's message has no place in HTTP/2: it is for one connection, or frames a body of HTTP/1.1. */
export function endsAtHop(number: number): boolean {
  return isConnectionSpecific(number) || (isHopByHop(number) && number !== knownHeaders.proxyAuthenticate);
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

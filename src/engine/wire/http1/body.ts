/** Where a message's body ends: by length, by chunks, or with the connection. Passes bytes as they are. */

import { colon, cr, hexValue, isToken, isValue, lf, semicolon } from "./bytes.ts";
import { isForbiddenInTrailers, lookUpHeader } from "./header-names.ts";
import { violations } from "./violations.ts";
import type { ProtocolViolation } from "../../../proxy/refusal.ts";

/** How a body is framed. */
export const framing = { none: 0, length: 1, chunked: 2, untilClose: 3 } as const;

/**
 * ```
 *  none ───────────────────────────────────────────────▶ complete
 *  length(n) ──────take: n bytes───────────────────────▶ complete
 *  chunked ────────take: last chunk and trailers───────▶ complete
 *                     └──────malformed──────▶ take answers -1
 *  untilClose ─────ended()─────────────────────────────▶ complete
 * ```
 */
export class BodyFraming {
  #kind: number = framing.none;
  #remaining = 0;
  #decoder: ChunkedDecoder | undefined;
  isComplete = true;

  /** @param length in bytes, where `kind` is by length */
  begin(kind: number, length: number): void {
    this.#kind = kind;
    this.#remaining = length;
    this.isComplete = kind === framing.none || (kind === framing.length && length === 0);
    if (kind !== framing.chunked) return;
    this.#decoder ??= new ChunkedDecoder();
    this.#decoder.begin();
  }

  /** Bytes of data so far, where nobody announced how many will come; else 0. */
  get unannouncedBytes(): number {
    return this.#kind === framing.chunked ? (this.#decoder?.dataBytes ?? 0) : 0;
  }

  /** What is wrong, once `take` has answered -1. */
  get violation(): ProtocolViolation {
    return this.#decoder?.violation ?? violations.chunkSize;
  }

  /**
   * Takes what belongs to this body out of bytes[from..to).
   * @returns the offset behind it, at most `to`; -1 if the framing is malformed
   */
  decode(bytes: Uint8Array, from: number, to: number): number {
    if (this.isComplete) return from;
    if (this.#kind === framing.untilClose) return to;
    if (this.#kind === framing.length) {
      const stop = Math.min(to, from + this.#remaining);
      this.#remaining -= stop - from;
      this.isComplete = this.#remaining === 0;
      return stop;
    }
    const decoder = this.#decoder as ChunkedDecoder;
    const stop = decoder.decode(bytes, from, to);
    this.isComplete = decoder.isDone;
    return stop;
  }

  /** The connection ended cleanly; true if that is the body's proper end. */
  ended(): boolean {
    if (this.#kind === framing.untilClose) this.isComplete = true;
    return this.isComplete;
  }
}

// The chunked transfer coding: finds where a message ends, and refuses whatever two parsers could read differently.

/** Sizes of up to 2⁴⁸ − 1 bytes, which a JavaScript number holds exactly. */
const maxSizeDigits = 12;

/** Of all chunk extensions of one message: nobody uses them but to waste a parser's time. */
const maxExtensionBytes = 4_096;

/** As long as heads may be, and as many fields as they may have. */
const maxTrailerBytes = 16_384;
const maxTrailers = 100;

const at = {
  firstDigit: 0, size: 1, extensionStart: 2, extension: 3, sizeLf: 4, data: 5, dataCr: 6, dataLf: 7,
  lineStart: 8, name: 9, value: 10, valueLf: 11, endLf: 12, done: 13,
} as const; // prettier-ignore

/** Takes the data of a body without its framing. */
export type DataSink = (bytes: Uint8Array, from: number, to: number) => void;

/**
 * ```
 *           ┌───────────────── dataLf ◀── dataCr ◀── data
 *           ▼                                          ▲ size > 0
 *      firstDigit ─▶ size ─────────────────────────▶ sizeLf
 *                     └─";"─▶ extension(Start) ────────┘ │ size = 0
 *                                                        ▼
 *            done ◀── endLf ◀────CR──────────────── lineStart ◀── valueLf
 *                                                        └─▶ name ─▶ value ┘
 * ```
 */
export class ChunkedDecoder {
  #phase: number = at.firstDigit;
  #digits = 0;
  /** While reading the size: its value; while reading data: what is left of it. */
  #remaining = 0;
  #extensionBytes = 0;
  /** Bytes of data so far, without the framing. */
  dataBytes = 0;
  #trailerBytes = 0;
  #trailers = 0;
  /** The first bytes of a trailer's name: enough to tell the forbidden ones. */
  readonly #name = new Uint8Array(32);
  #nameLength = 0;

  begin(): void {
    this.#phase = at.firstDigit;
    this.#digits = 0;
    this.#remaining = 0;
    this.dataBytes = 0;
    this.#extensionBytes = 0;
    this.#trailerBytes = 0;
    this.#trailers = 0;
  }

  get isDone(): boolean {
    return this.#phase === at.done;
  }

  /** What is wrong, once `take` has answered -1: it stands where it met that. */
  get violation(): ProtocolViolation {
    switch (this.#phase) {
      case at.firstDigit:
      case at.size:
      case at.sizeLf:
        return violations.chunkSize;
      case at.extensionStart:
      case at.extension:
        return violations.chunkExtension;
      case at.dataCr:
      case at.dataLf:
        return violations.chunkData;
      default:
        return violations.trailer;
    }
  }

  /**
   * Reads bytes[from..to) and stops behind the message.
   * @returns the offset behind the last byte that belongs to the message; -1 if the framing is malformed.
   *   RFC 9112 section 7.1, without its leniencies.
   */
  decode(bytes: Uint8Array, from: number, to: number, sink?: DataSink): number {
    let index = from;
    while (index < to) {
      if (this.#phase === at.data) {
        const stop = Math.min(to, index + this.#remaining);
        sink?.(bytes, index, stop);
        this.#remaining -= stop - index;
        this.dataBytes += stop - index;
        index = stop;
        if (this.#remaining === 0) this.#phase = at.dataCr;
        continue;
      }
      if (this.#phase === at.done) return index;
      const next = this.#next(bytes[index] as number);
      if (next < 0) return -1;
      this.#phase = next;
      index += 1;
    }
    return index;
  }

  /** The phase after one byte of framing; -1 if it may not stand here. */
  #next(byte: number): number {
    switch (this.#phase) {
      case at.firstDigit:
      case at.size:
        return this.#sizeByte(byte);
      case at.extensionStart:
        return isToken[byte] === 1 ? this.#extensionByte() : -1;
      case at.extension:
        if (byte === cr) return at.sizeLf;
        return isValue[byte] === 1 ? this.#extensionByte() : -1;
      case at.sizeLf:
        if (byte !== lf) return -1;
        return this.#remaining > 0 ? at.data : at.lineStart;
      case at.dataCr:
        return byte === cr ? at.dataLf : -1;
      case at.dataLf:
        this.#digits = 0;
        return byte === lf ? at.firstDigit : -1;
      case at.endLf:
        return byte === lf ? at.done : -1;
      default:
        return this.#trailerByte(byte);
    }
  }

  #sizeByte(byte: number): number {
    const digit = hexValue[byte] as number;
    if (digit < 16) {
      this.#digits += 1;
      this.#remaining = this.#remaining * 16 + digit;
      return this.#digits > maxSizeDigits ? -1 : at.size;
    }
    if (this.#digits === 0) return -1;
    if (byte === cr) return at.sizeLf;
    return byte === semicolon ? at.extensionStart : -1;
  }

  #extensionByte(): number {
    this.#extensionBytes += 1;
    return this.#extensionBytes > maxExtensionBytes ? -1 : at.extension;
  }

  #trailerByte(byte: number): number {
    this.#trailerBytes += 1;
    if (this.#trailerBytes > maxTrailerBytes) return -1;
    switch (this.#phase) {
      case at.lineStart:
        if (byte === cr) return at.endLf;
        this.#nameLength = 0;
        this.#trailers += 1;
        if (this.#trailers > maxTrailers) return -1;
        return this.#nameByte(byte);
      case at.name: {
        if (byte !== colon) return this.#nameByte(byte);
        const length = this.#nameLength;
        const isShort = length <= this.#name.length;
        return isShort && isForbiddenInTrailers(lookUpHeader(this.#name, 0, length)) ? -1 : at.value;
      }
      case at.value:
        if (byte === cr) return at.valueLf;
        return isValue[byte] === 1 ? at.value : -1;
      default:
        return byte === lf ? at.lineStart : -1;
    }
  }

  #nameByte(byte: number): number {
    if (isToken[byte] !== 1) return -1;
    if (this.#nameLength < this.#name.length) this.#name[this.#nameLength] = byte;
    this.#nameLength += 1;
    return at.name;
  }
}

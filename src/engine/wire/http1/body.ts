/** Finds the end of a message body: by length, by chunks, or with the connection. The bytes are not changed. */

import type { ProtocolViolation } from "../../../proxy/refusal.ts";
import { colon, cr, hexValue, isToken, isValue, lf, semicolon } from "./bytes.ts";
import { isForbiddenInTrailers, lookUpHeader } from "./header-names.ts";
import { violations } from "./violations.ts";

/** How a body is framed. */
export const framing = { none: 0, length: 1, chunked: 2, untilClose: 3 } as const;

/**
 * ```
 *  none ─────────────────────────────────────────────────▶ complete
 *  length(n) ──────decode: n bytes───────────────────────▶ complete
 *  chunked ────────decode: last chunk and trailers───────▶ complete
 *                     └──────malformed──────▶ decode returns -1
 *  untilClose ─────ended()───────────────────────────────▶ complete
 * ```
 */
export class BodyFraming {
  #kind: number = framing.none;
  #remaining = 0;
  #decoder: ChunkedDecoder | undefined;
  isComplete = true;

  /** @param kind a value of `framing`  @param length in bytes, if `kind` is `length` */
  begin(kind: number, length: number): void {
    this.#kind = kind;
    this.#remaining = length;
    this.isComplete = kind === framing.none || (kind === framing.length && length === 0);
    if (kind !== framing.chunked) return;
    this.#decoder ??= new ChunkedDecoder();
    this.#decoder.begin();
  }

  /** Bytes of data decoded so far, if the body has no length; else 0. */
  get chunkedBytes(): number {
    return this.#kind === framing.chunked ? (this.#decoder?.dataBytes ?? 0) : 0;
  }

  /** The rule that the body breaks. Valid after `decode` returned -1. */
  get violation(): ProtocolViolation {
    return this.#decoder?.violation ?? violations.chunkSize;
  }

  /**
   * Decodes the part of bytes[from..to) that belongs to this body.
   * @returns the offset after it, at most `to`; -1 if the framing is malformed
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

  /** The connection ended with FIN. @returns whether the body is complete */
  ended(): boolean {
    if (this.#kind === framing.untilClose) this.isComplete = true;
    return this.isComplete;
  }
}

/** Sizes of up to 2⁴⁸ − 1 bytes, which a JavaScript number holds exactly. */
const maxSizeDigits = 12;

/** All chunk extensions of one message together: their only known use is to waste a parser's time. */
const maxExtensionBytes = 4_096;

/** The limits of a head. */
const maxTrailerBytes = 16_384;
const maxTrailers = 100;

const at = {
  firstDigit: 0, size: 1, extensionStart: 2, extension: 3, sizeLf: 4, data: 5, dataCr: 6, dataLf: 7,
  lineStart: 8, name: 9, value: 10, valueLf: 11, endLf: 12, done: 13,
} as const; // prettier-ignore

/** Receives a body's data without its framing: bytes[from..to). */
export type DataSink = (bytes: Uint8Array, from: number, to: number) => void;

/**
 * Decodes the chunked transfer coding. Rejects what two parsers could read differently.
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
  /** While the size is read, its value; while data is read, the number of bytes left. */
  #remaining = 0;
  #extensionBytes = 0;
  /** Bytes of data decoded so far, without the framing. */
  dataBytes = 0;
  #trailerBytes = 0;
  #trailers = 0;
  /** The first bytes of a trailer's name, enough to recognize the forbidden ones. */
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

  /** The rule that the body breaks. Valid after `decode` returned -1, which leaves the phase unchanged. */
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
   * Decodes bytes[from..to) up to the end of the message: RFC 9112 section 7.1, without its leniencies.
   * @returns the offset after the last byte that belongs to the message; -1 if the framing is malformed
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

  /** The phase after one byte of framing; -1 if the byte is not allowed here. */
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

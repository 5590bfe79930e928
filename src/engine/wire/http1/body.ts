/** Finds the end of a message body: by length, by chunks, or with the connection; and what of its framing passes. */

import type { ProtocolViolation } from "../../../proxy/refusal.ts";
import {
  colon,
  cr,
  hexValue,
  isAlphanumeric,
  isBlank,
  isToken,
  isValue,
  lf,
  lower,
  semicolon,
} from "./bytes.ts";
import { FramingEdit } from "./framing-edit.ts";
import { isForbiddenInTrailers, maxForbiddenLength } from "./header-names.ts";
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
  /** What passes of the bytes that were decoded last; undefined if they pass as they are. Valid until the next `decode`. */
  rewritten: Buffer | undefined;

  /** @param kind a value of `framing`  @param length in bytes, if `kind` is `length` */
  begin(kind: number, length: number): void {
    this.#kind = kind;
    this.#remaining = length;
    this.rewritten = undefined;
    this.isComplete = kind === framing.none || (kind === framing.length && length === 0);
    if (kind !== framing.chunked) return;
    this.#decoder ??= new ChunkedDecoder();
    this.#decoder.begin();
  }

  /** Bytes of data that have arrived, with the rest of the current chunk, if the body has no length; else 0. */
  get chunkedBytes(): number {
    return this.#kind === framing.chunked ? (this.#decoder?.announcedBytes ?? 0) : 0;
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
    this.rewritten = undefined;
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
    this.rewritten = decoder.rewritten;
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

/** More zeros in front of a size do not pass: many parsers read at most 16 digits. */
const maxLeadingZeros = 4;

/** One line with a chunk's size and extensions. */
const maxSizeLineBytes = 4_096;

/** The limits of a head. Trailers behind them are dropped. */
const maxTrailerBytes = 16_384;
const maxTrailers = 100;

/** All trailers, the dropped ones too. */
const maxTrailerSectionBytes = 65_536;

const at = {
  firstDigit: 0, size: 1, sizeBlank: 2, sizeLf: 3,
  extensionStart: 4, extensionName: 5, valueStart: 6, extensionValue: 7, quoted: 8, quotedPair: 9, quoteEnd: 10, odd: 11,
  data: 12, dataCr: 13, dataLf: 14,
  lineStart: 15, name: 16, value: 17, valueLf: 18, endLf: 19, done: 20,
} as const; // prettier-ignore

const equalsSign = 0x3d;
const quote = 0x22;
const backslash = 0x5c;
const hyphen = 0x2d;

/** Receives a body's data without its framing: bytes[from..to). */
export type DataSink = (bytes: Uint8Array, from: number, to: number) => void;

/**
 * Decodes the chunked transfer coding. Rejects what two parsers could read differently.
 * ```
 *           ┌───────────────── dataLf ◀── dataCr ◀── data
 *           ▼                                          ▲ size > 0
 *      firstDigit ─▶ size ─────────────────────────▶ sizeLf
 *                     └─";"─▶ extensionStart … ────────┘ │ size = 0
 *                                                        ▼
 *            done ◀── endLf ◀────CR──────────────── lineStart ◀── valueLf
 *                                                        └─▶ name ─▶ value ┘
 * ```
 * The extensions of a chunk pass if they follow the grammar without whitespace, which some parsers take and no sender may
 * generate (RFC 9112 section 7.1.1); all others are dropped. So are trailers that may not stand there.
 */
export class ChunkedDecoder {
  #phase: number = at.firstDigit;
  /** Significant digits of the size. */
  #digits = 0;
  /** While the size is read, its value; while data is read, the number of bytes left. */
  #remaining = 0;
  #lineBytes = 0;
  /** Bytes of data decoded so far, without the framing. */
  #dataBytes = 0;
  #trailerBytes = 0;
  #trailers = 0;
  /** A trailer's name as far as it decides whether the trailer passes: in lower case, with hyphens for all but letters and digits. */
  readonly #name = Buffer.alloc(maxForbiddenLength);
  #nameLength = 0;
  /** Created for the first bytes that may have to be dropped. */
  #edit: FramingEdit | undefined;
  /** Whether the undecided bytes will be dropped. */
  #drops = false;
  /** The bytes of the current event. */
  #from = 0;
  #to = 0;
  /** What passes of the bytes that were decoded last; undefined if they pass as they are. Valid until the next `decode`. */
  rewritten: Buffer | undefined;

  begin(): void {
    this.#phase = at.firstDigit;
    this.#digits = 0;
    this.#remaining = 0;
    this.#lineBytes = 0;
    this.#dataBytes = 0;
    this.#trailerBytes = 0;
    this.#trailers = 0;
    this.#drops = false;
    this.#edit?.begin();
    this.rewritten = undefined;
  }

  get isDone(): boolean {
    return this.#phase === at.done;
  }

  /** Bytes of data so far, with the rest of the current chunk. */
  get announcedBytes(): number {
    return this.#phase === at.data ? this.#dataBytes + this.#remaining : this.#dataBytes;
  }

  /** The rule that the body breaks. Valid after `decode` returned -1, which leaves the phase unchanged. */
  get violation(): ProtocolViolation {
    if (this.#phase <= at.sizeLf) return violations.chunkSize;
    if (this.#phase <= at.odd) return violations.chunkExtension;
    return this.#phase <= at.dataLf ? violations.chunkData : violations.trailer;
  }

  /**
   * Decodes bytes[from..to) up to the end of the message: RFC 9112 section 7.1.
   * @returns the offset after the last byte that belongs to the message; -1 if the framing is malformed
   */
  decode(bytes: Uint8Array, from: number, to: number, sink?: DataSink): number {
    this.#from = from;
    this.#to = to;
    this.#edit?.continueAt(from, to);
    const stop = this.#decode(bytes, from, to, sink);
    this.rewritten = this.#edit && stop >= 0 ? this.#edit.end(bytes, stop, this.#drops) : undefined;
    return stop;
  }

  #decode(bytes: Uint8Array, from: number, to: number, sink: DataSink | undefined): number {
    let index = from;
    while (index < to) {
      if (this.#phase === at.data) {
        const stop = Math.min(to, index + this.#remaining);
        sink?.(bytes, index, stop);
        this.#remaining -= stop - index;
        this.#dataBytes += stop - index;
        index = stop;
        if (this.#remaining === 0) this.#phase = at.dataCr;
        continue;
      }
      if (this.#phase === at.done) return index;
      const next = this.#next(bytes, index);
      if (next < 0) return -1;
      this.#phase = next;
      index += 1;
    }
    return index;
  }

  /** The phase after one byte of framing; -1 if the byte is not allowed here. */
  #next(bytes: Uint8Array, index: number): number {
    const byte = bytes[index] as number;
    switch (this.#phase) {
      case at.firstDigit:
      case at.size:
        return this.#sizeByte(bytes, index);
      case at.sizeLf:
        if (byte !== lf) return -1;
        return this.#remaining > 0 ? at.data : at.lineStart;
      case at.dataCr:
        return byte === cr ? at.dataLf : -1;
      case at.dataLf:
        this.#digits = 0;
        this.#lineBytes = 0;
        return byte === lf ? at.firstDigit : -1;
      case at.endLf:
        return byte === lf ? at.done : -1;
      default:
        return this.#phase < at.data ? this.#extensionByte(bytes, index) : this.#trailerByte(bytes, index);
    }
  }

  #sizeByte(bytes: Uint8Array, index: number): number {
    const byte = bytes[index] as number;
    const digit = hexValue[byte] as number;
    if (digit < 16) {
      this.#lineBytes += 1;
      if (digit > 0 || this.#digits > 0) this.#digits += 1;
      else if (this.#lineBytes > maxLeadingZeros) this.#hold(index).drop(bytes, index + 1);
      this.#remaining = this.#remaining * 16 + digit;
      return this.#digits > maxSizeDigits || this.#lineBytes > maxSizeLineBytes ? -1 : at.size;
    }
    if (this.#phase === at.firstDigit) return -1;
    if (byte === cr) return at.sizeLf;
    if (byte !== semicolon && !isBlank(byte)) return -1;
    this.#hold(index);
    this.#drops = byte !== semicolon;
    return byte === semicolon ? at.extensionStart : at.sizeBlank;
  }

  /** A byte between the size and the end of its line. */
  #extensionByte(bytes: Uint8Array, index: number): number {
    const byte = bytes[index] as number;
    const phase = this.#phase;
    this.#lineBytes += 1;
    if (this.#lineBytes > maxSizeLineBytes) return -1;
    if (phase === at.quotedPair) return isValue[byte] === 1 ? at.quoted : -1;
    if (phase === at.quoted) return this.#quotedByte(byte);
    if (byte === cr) {
      // An extension without name or value ends here.
      this.#drops ||= phase === at.extensionStart || phase === at.valueStart;
      this.#decide(bytes, index);
      return at.sizeLf;
    }
    if (isValue[byte] !== 1) return -1;
    if (phase === at.sizeBlank) {
      if (isBlank(byte)) return phase;
      return byte === semicolon ? at.extensionStart : -1;
    }
    const next = this.#drops ? at.odd : grammarPhase(phase, byte);
    if (next === at.odd) this.#drops = true;
    // A quote that opens nowhere else may still hide a line's end from some parser.
    return byte === quote ? at.quoted : next;
  }

  #quotedByte(byte: number): number {
    if (byte === quote) return this.#drops ? at.odd : at.quoteEnd;
    if (byte === backslash) return at.quotedPair;
    return isValue[byte] === 1 ? at.quoted : -1;
  }

  #trailerByte(bytes: Uint8Array, index: number): number {
    const byte = bytes[index] as number;
    this.#trailerBytes += 1;
    if (this.#trailerBytes > maxTrailerSectionBytes) return -1;
    switch (this.#phase) {
      case at.lineStart:
        if (byte === cr) return at.endLf;
        this.#nameLength = 0;
        this.#trailers += 1;
        this.#hold(index);
        this.#drops = this.#trailers > maxTrailers || this.#trailerBytes > maxTrailerBytes;
        return this.#nameByte(byte);
      case at.name:
        if (byte !== colon) return this.#nameByte(byte);
        if (this.#nameLength <= this.#name.length) this.#judgeTrailer();
        return at.value;
      case at.value:
        if (byte === cr) return at.valueLf;
        return isValue[byte] === 1 ? at.value : -1;
      default:
        if (byte !== lf) return -1;
        if (this.#drops) this.#decide(bytes, index + 1);
        return at.lineStart;
    }
  }

  #nameByte(byte: number): number {
    if (isToken[byte] !== 1) return -1;
    if (this.#nameLength < this.#name.length)
      this.#name[this.#nameLength] = isAlphanumeric[byte] === 1 ? (lower[byte] as number) : hyphen;
    this.#nameLength += 1;
    if (this.#nameLength === this.#name.length + 1) this.#judgeTrailer();
    return at.name;
  }

  /** As soon as the name, or enough of it, is known: whether the trailer passes. */
  #judgeTrailer(): void {
    this.#drops ||= isForbiddenInTrailers(this.#name, this.#nameLength);
    if (!this.#drops) this.#edit?.keep();
  }

  /** From `index` on, bytes may have to be dropped. */
  #hold(index: number): FramingEdit {
    if (!this.#edit) {
      this.#edit = new FramingEdit();
      this.#edit.continueAt(this.#from, this.#to);
    }
    this.#edit.hold(index);
    return this.#edit;
  }

  /** The held bytes end before `index`. */
  #decide(bytes: Uint8Array, index: number): void {
    if (this.#drops) this.#edit?.drop(bytes, index);
    else this.#edit?.keep();
    this.#drops = false;
  }
}

/** The phase that follows by the grammar of RFC 9112 section 7.1.1 without whitespace; `odd` if the byte does not. */
function grammarPhase(phase: number, byte: number): number {
  switch (phase) {
    case at.extensionStart:
      return isToken[byte] === 1 ? at.extensionName : at.odd;
    case at.extensionName:
      if (byte === equalsSign) return at.valueStart;
      if (byte === semicolon) return at.extensionStart;
      return isToken[byte] === 1 ? at.extensionName : at.odd;
    case at.valueStart:
      if (byte === quote) return at.quoted;
      return isToken[byte] === 1 ? at.extensionValue : at.odd;
    case at.extensionValue:
      if (byte === semicolon) return at.extensionStart;
      return isToken[byte] === 1 ? at.extensionValue : at.odd;
    case at.quoteEnd:
      return byte === semicolon ? at.extensionStart : at.odd;
    default:
      return at.odd;
  }
}

/** Parses a message's start line and headers in one pass that can pause at any byte. Creates no strings. */

import type { ProtocolViolation } from "../../../proxy/refusal.ts";
import { colon, cr, isResponseValue, isTarget, isToken, isValue, latin1, lf, space, tab } from "./bytes.ts";
import type { HeadLimits } from "./head-limits.ts";
import { lookUpHeader } from "./header-names.ts";
import {
  nameStartViolation,
  nameViolation,
  targetViolation,
  valueViolation,
  violations,
} from "./violations.ts";

/** Results of {@link HeadParser.parse}. */
export const needsMore = 0;
export const isWhole = 1;
export const isMalformed = -1;

/** Numbers per header in {@link HeadParser.headers}. */
export const headerStride = 5;

/** Room for this many headers is enough for nearly every head; a larger head makes more. */
const usualFields = 64;

const at = {
  start: 0, startLf: 1, method: 2, target: 3, version: 4,
  responseVersion: 5, status: 6, reason: 7,
  lineLf: 8, nameStart: 9, name: 10, blank: 11, value: 12, valueLf: 13, endLf: 14, nameBlank: 15,
} as const; // prettier-ignore

const versionName = latin1("HTTP/1.1");

/** Bytes of empty lines that may precede a response: some servers send one behind a body. */
const maxStrayBytes = 16;

/**
 * ```
 *  request:  start ─▶ method ─▶ target ─▶ version ─┐
 *  response: responseVersion ─▶ status ─▶ reason ──┤
 *                                                  ▼
 *           ┌──────────── valueLf ◀── value ◀── lineLf
 *           ▼                           ▲
 *       nameStart ─▶ name ─▶ blank ─────┘
 *           └──CR──▶ endLf ─▶ whole
 * ```
 * Offsets count from the start of the bytes passed to `parse`. A later call gets the same bytes with more behind them.
 *
 * Requests are read strictly, since servers may read them differently. Responses are read as HAProxy and NGINX do where
 * only one reading exists: lines may end with LF or be folded, and empty lines and spaces stand where none should. Such a
 * head is `isIrregular`: it must be written in its usual form. Folds are replaced by spaces in the bytes (RFC 9112 section 5.2).
 */
export class HeadParser {
  /** Per header: start and end of the name, start and end of the trimmed value, and its number in `knownHeaders`. */
  headers: Int32Array;
  count = 0;
  readonly limits: HeadLimits;
  /** Of a request, as all offsets up to `targetEnd`. */
  methodStart = 0;
  methodEnd = 0;
  targetStart = 0;
  targetEnd = 0;
  /** 10, or 11 also for a higher minor version. */
  version = 0;
  /** Of a response: 100–999. */
  status = 0;
  /** Of a response: start of the status code. */
  statusStart = 0;
  /** Of a response: whether it breaks a rule and yet has one reading. */
  isIrregular = false;
  /** Of a response: start of its first line. */
  get responseStart(): number {
    return this.#partStart;
  }

  /** Start of the first header. */
  headersStart = 0;
  /** Start of the empty line. */
  headersEnd = 0;
  /** After the empty line; valid when the head is whole. */
  end = 0;
  /** The rule that a malformed head breaks. */
  violation: ProtocolViolation = violations.method;
  #begin = 0;
  #at = 0;
  #partStart = 0;
  #phase: number = at.start;
  #isLenient = false;

  constructor(limits: HeadLimits) {
    this.limits = limits;
    this.headers = new Int32Array(Math.min(limits.fields, usualFields) * headerStride);
  }

  /** Whether a byte of a request was read that belongs to no empty line before it. */
  get hasBegun(): boolean {
    return this.#phase !== at.start && this.#phase !== at.startLf;
  }

  /** Whether nothing was read but whole empty lines before a request. */
  get isBlank(): boolean {
    return this.#phase === at.start;
  }

  beginRequest(offset: number): void {
    this.#reset(offset, at.start);
    this.#isLenient = false;
  }

  beginResponse(offset: number): void {
    this.#reset(offset, at.responseVersion);
    this.#isLenient = true;
    this.isIrregular = false;
  }

  #reset(offset: number, phase: number): void {
    this.#begin = offset;
    this.#at = offset;
    this.#partStart = offset;
    this.#phase = phase;
    this.count = 0;
  }

  /**
   * Continues where it paused, up to `end`. RFC 9112 sections 2.2, 3 and 5.
   * @returns {@link needsMore}, {@link isWhole}, or {@link isMalformed}: then `violation` is set
   */
  parse(bytes: Uint8Array, end: number): number {
    const stop = Math.min(end, this.#begin + this.limits.headBytes);
    const result = this.#scan(bytes, stop);
    if (result !== needsMore) return result;
    if (this.#phase === at.target && this.#at - this.targetStart > this.limits.targetBytes)
      return this.#reject(this.limits.targetTooLong);
    if (stop === end && stop < this.#begin + this.limits.headBytes) return needsMore;
    return this.#reject(this.limits.headTooLarge);
  }

  #reject(violation: ProtocolViolation): typeof isMalformed {
    this.violation = violation;
    return isMalformed;
  }

  #scan(bytes: Uint8Array, end: number): number {
    let index = this.#at;
    let phase = this.#phase;
    const isLenient = this.#isLenient;
    const allowed = isLenient ? isResponseValue : isValue;
    while (index < end) {
      const byte = bytes[index] as number;
      switch (phase) {
        case at.name: {
          let current = byte;
          while (isToken[current] === 1 && ++index < end) current = bytes[index] as number;
          if (index === end) break;
          this.headers[this.count * headerStride + 1] = index++;
          phase = at.blank;
          if (current === colon) break;
          if (!isLenient || (current !== space && current !== tab))
            return this.#reject(nameViolation(current));
          phase = at.nameBlank;
          break;
        }
        case at.nameBlank:
          // RFC 9112 section 5.1: a proxy removes it from a response.
          this.isIrregular = true;
          if (byte === colon) phase = at.blank;
          else if (byte !== space && byte !== tab) return this.#reject(violations.headerColon);
          index += 1;
          break;
        case at.blank:
          if (byte === space || byte === tab) index += 1;
          else {
            this.headers[this.count * headerStride + 2] = index;
            phase = at.value;
          }
          break;
        case at.value: {
          let current = byte;
          while (allowed[current] === 1 && ++index < end) current = bytes[index] as number;
          if (index === end) break;
          if (current !== cr && !(isLenient && current === lf)) return this.#reject(valueViolation(current));
          this.#endHeader(bytes, index++);
          phase = current === cr ? at.valueLf : this.#lineEndedWithLf();
          break;
        }
        case at.valueLf:
        case at.lineLf:
          if (byte !== lf) return this.#reject(violations.lineEnd);
          if (phase === at.lineLf) this.headersStart = index + 1;
          index += 1;
          phase = at.nameStart;
          break;
        case at.nameStart:
          if (byte === cr) {
            this.headersEnd = index++;
            phase = at.endLf;
            break;
          }
          if (isToken[byte] !== 1) {
            if (isLenient && byte === lf) {
              this.headersEnd = index;
              this.isIrregular = true;
              this.end = index + 1;
              return isWhole;
            }
            if (!isLenient || this.count === 0 || (byte !== space && byte !== tab))
              return this.#reject(nameStartViolation(byte));
            phase = this.#unfold(bytes, index);
            break;
          }
          if (this.count * headerStride === this.headers.length && !this.#makeRoom())
            return this.#reject(this.limits.tooManyFields);
          this.headers[this.count * headerStride] = index;
          phase = at.name;
          break;
        case at.endLf:
          if (byte !== lf) return this.#reject(violations.lineEnd);
          this.end = index + 1;
          return isWhole;
        default: {
          const next = this.#startLine(bytes, index, end, phase);
          if (next === isMalformed) return isMalformed;
          phase = next;
          index = this.#at;
        }
      }
    }
    this.#at = index;
    this.#phase = phase;
    return needsMore;
  }

  /** Continues in the start line and advances `#at`. @returns the next phase, or {@link isMalformed} */
  #startLine(bytes: Uint8Array, from: number, end: number, phase: number): number {
    let index = from;
    let current = bytes[index] as number;
    switch (phase) {
      case at.start:
        // Old clients send empty lines before a request (RFC 9112 section 2.2).
        if (current === cr) return this.#advance(index + 1, at.startLf);
        if (isToken[current] !== 1) return this.#reject(violations.method);
        this.methodStart = index;
        return this.#advance(index, at.method);
      case at.startLf:
        return current === lf ? this.#advance(index + 1, at.start) : this.#reject(violations.lineEnd);
      case at.method:
        while (isToken[current] === 1 && ++index < end) current = bytes[index] as number;
        if (index === end) return this.#advance(index, phase);
        if (current !== space) return this.#reject(violations.method);
        this.methodEnd = index;
        this.targetStart = index + 1;
        return this.#advance(index + 1, at.target);
      case at.target:
        while (isTarget[current] === 1 && ++index < end) current = bytes[index] as number;
        if (index - this.targetStart > this.limits.targetBytes)
          return this.#reject(this.limits.targetTooLong);
        if (index === end) return this.#advance(index, phase);
        if (current !== space || index === this.targetStart) return this.#reject(targetViolation(current));
        this.targetEnd = index;
        this.#partStart = index + 1;
        return this.#advance(index + 1, at.version);
      case at.version:
        if (this.#isUsualVersion(bytes, index, end)) return this.#advance(index + 8, phase);
        if (index - this.#partStart < 8) return this.#versionByte(current, index, phase);
        if (current !== cr) return this.#reject(current === lf ? violations.lineEnd : violations.version);
        return this.#checkVersion(index + 1, at.lineLf);
      case at.responseVersion:
        if (index === this.#partStart && (current === cr || current === lf)) return this.#skipStray(index);
        if (this.#isUsualVersion(bytes, index, end)) return this.#advance(index + 8, phase);
        if (index - this.#partStart < 8) return this.#versionByte(current, index, phase);
        this.statusStart = index + 1;
        this.status = 0;
        if (current !== space) return this.#reject(violations.version);
        return this.#checkVersion(index + 1, at.status);
      case at.status:
        if (index === this.statusStart && current === space) {
          this.isIrregular = true;
          this.statusStart = index + 1;
          return this.#advance(index + 1, phase);
        }
        while (index - this.statusStart < 3) {
          if (current < 0x30 || current > 0x39) return this.#reject(violations.status);
          this.status = this.status * 10 + current - 0x30;
          if (++index === end) return this.#advance(index, phase);
          current = bytes[index] as number;
        }
        // Servers often omit the space before an empty reason phrase, which is unambiguous.
        if (this.status < 100 || (current !== space && current !== cr && current !== lf))
          return this.#reject(violations.status);
        return this.#advance(index, at.reason);
      default:
        while (isResponseValue[current] === 1 && ++index < end) current = bytes[index] as number;
        if (index === end) return this.#advance(index, phase);
        if (current === cr) return this.#advance(index + 1, at.lineLf);
        if (current !== lf) return this.#reject(violations.headerValue);
        this.headersStart = index + 1;
        return this.#advance(index + 1, this.#lineEndedWithLf());
    }
  }

  #advance(index: number, phase: number): number {
    this.#at = index;
    return phase;
  }

  #lineEndedWithLf(): number {
    this.isIrregular = true;
    return at.nameStart;
  }

  /** The line at `index` continues the last header: replaces what is between them by spaces. @returns the next phase */
  #unfold(bytes: Uint8Array, index: number): number {
    this.isIrregular = true;
    bytes[index - 1] = space;
    if (bytes[index - 2] === cr) bytes[index - 2] = space;
    this.count -= 1;
    const position = this.count * headerStride;
    return this.headers[position + 2] === this.headers[position + 3] ? at.blank : at.value;
  }

  /** An empty line before the response (RFC 9112 section 2.2). */
  #skipStray(index: number): number {
    if (index - this.#begin === maxStrayBytes) return this.#reject(violations.notHttp);
    this.isIrregular = true;
    this.#partStart = index + 1;
    return this.#advance(index + 1, at.responseVersion);
  }

  /** Whether a version begins at `index`, is there whole, and is "HTTP/1.1", as nearly always. Byte by byte costs ten times as much. */
  #isUsualVersion(bytes: Uint8Array, index: number, end: number): boolean {
    if (index !== this.#partStart || end - index < versionName.length) return false;
    for (let i = 0; i < versionName.length; i++) if (bytes[index + i] !== versionName[i]) return false;
    this.version = 11;
    return true;
  }

  /** Parses one byte of "HTTP/1.1". */
  #versionByte(byte: number, index: number, phase: number): number {
    const position = index - this.#partStart;
    const isDigit = position === 5 || position === 7;
    if (isDigit ? byte < 0x30 || byte > 0x39 : byte !== versionName[position]) {
      const isResponse = phase === at.responseVersion;
      return this.#reject(isResponse && position < 5 ? violations.notHttp : violations.version);
    }
    if (isDigit) this.version = position === 5 ? (byte - 0x30) * 10 : this.version + byte - 0x30;
    return this.#advance(index + 1, phase);
  }

  #checkVersion(index: number, phase: number): number {
    // A higher minor version is read as the highest one that we know (RFC 9110 section 2.5).
    if (this.version > 11 && this.version < 20) this.version = 11;
    const isKnown = this.version === 11 || this.version === 10;
    return isKnown ? this.#advance(index, phase) : this.#reject(violations.versionUnsupported);
  }

  /** Doubles the room for headers, up to the limit. @returns false at the limit */
  #makeRoom(): boolean {
    if (this.count === this.limits.fields) return false;
    const larger = new Int32Array(Math.min(this.limits.fields, this.count * 2) * headerStride);
    larger.set(this.headers);
    this.headers = larger;
    return true;
  }

  #endHeader(bytes: Uint8Array, lineEnd: number): void {
    const position = this.count * headerStride;
    const start = this.headers[position + 2] as number;
    let valueEnd = lineEnd;
    while (valueEnd > start && (bytes[valueEnd - 1] === space || bytes[valueEnd - 1] === tab)) valueEnd -= 1;
    this.headers[position + 3] = valueEnd;
    this.headers[position + 4] = lookUpHeader(
      bytes,
      this.headers[position] as number,
      this.headers[position + 1] as number,
    );
    this.count += 1;
  }
}

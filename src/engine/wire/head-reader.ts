/** Reads one message's start line and fields in a single pass that can stop and go on at any byte; makes no strings. */

import { cr, isTarget, isToken, isValue, latin1, lf, space, tab, colon } from "./bytes.ts";
import { recognise } from "./field-names.ts";

/** HAProxy and NGINX allow heads of about this size. */
export const maxHeadBytes = 16_384;
const maxTargetBytes = 8_192;
export const maxFields = 100;

/** What {@link HeadReader.read} answers besides a status to refuse with. */
export const needsMore = 0;
export const isWhole = 1;

/** Numbers per field in {@link HeadReader.fields}. */
export const fieldStride = 5;

const at = {
  start: 0, startLf: 1, method: 2, target: 3, version: 4,
  answerVersion: 5, status: 6, reason: 7,
  lineLf: 8, nameStart: 9, name: 10, blank: 11, value: 12, valueLf: 13, endLf: 14,
} as const; // prettier-ignore

const versionName = latin1("HTTP/");

/**
 * ```
 *  request:  start ─▶ method ─▶ target ─▶ version ─┐
 *  answer:   answerVersion ─▶ status ─▶ reason ────┤
 *                                                  ▼
 *           ┌──────────── valueLf ◀── value ◀── lineLf
 *           ▼                           ▲
 *       nameStart ─▶ name ─▶ blank ─────┘
 *           └──CR──▶ endLf ─▶ whole
 * ```
 * Offsets count from the beginning of the bytes given to `read`: give the same bytes again, with more behind them.
 */
export class HeadReader {
  /** Per field: start and end of name, start and end of value without white space, number in `known`. */
  readonly fields = new Int32Array(maxFields * fieldStride);
  count = 0;
  /** Of a request. */
  methodStart = 0;
  methodEnd = 0;
  targetStart = 0;
  targetEnd = 0;
  /** 10 or 11. */
  version = 0;
  /** Of an answer: 100–599. */
  status = 0;
  /** Where the status begins, in an answer. */
  statusStart = 0;
  /** Where the first field begins. */
  fieldsStart = 0;
  /** Where the empty line begins. */
  fieldsEnd = 0;
  /** Behind the empty line, once whole. */
  end = 0;
  #begin = 0;
  #at = 0;
  #mark = 0;
  #phase: number = at.start;

  beginRequest(offset: number): void {
    this.#reset(offset, at.start);
  }

  beginAnswer(offset: number): void {
    this.#reset(offset, at.answerVersion);
  }

  #reset(offset: number, phase: number): void {
    this.#begin = offset;
    this.#at = offset;
    this.#mark = offset;
    this.#phase = phase;
    this.count = 0;
  }

  /**
   * Goes on where it stopped, up to `end`.
   * @returns {@link needsMore}, {@link isWhole}, or the status that a request like this is refused with: 400 malformed,
   *   414 target too long, 431 head too large, 505 unknown version. RFC 9112 sections 2.2, 3 and 5.
   */
  read(bytes: Uint8Array, end: number): number {
    const stop = Math.min(end, this.#begin + maxHeadBytes);
    const verdict = this.#scan(bytes, stop);
    if (verdict !== needsMore) return verdict;
    if (this.#phase === at.target && this.#at - this.targetStart > maxTargetBytes) return 414;
    return stop < end || stop === this.#begin + maxHeadBytes ? 431 : needsMore;
  }

  #scan(bytes: Uint8Array, end: number): number {
    let index = this.#at;
    let phase = this.#phase;
    while (index < end) {
      const byte = bytes[index] as number;
      switch (phase) {
        case at.name: {
          let current = byte;
          while (isToken[current] === 1 && ++index < end) current = bytes[index] as number;
          if (index === end) break;
          if (current !== colon) return 400;
          this.fields[this.count * fieldStride + 1] = index++;
          phase = at.blank;
          break;
        }
        case at.blank:
          if (byte === space || byte === tab) {
            index += 1;
            break;
          }
          this.fields[this.count * fieldStride + 2] = index;
          phase = at.value;
          break;
        case at.value: {
          let current = byte;
          while (isValue[current] === 1 && ++index < end) current = bytes[index] as number;
          if (index === end) break;
          if (current !== cr) return 400;
          this.#endField(bytes, index++);
          phase = at.valueLf;
          break;
        }
        case at.valueLf:
        case at.lineLf:
          if (byte !== lf) return 400;
          if (phase === at.lineLf) this.fieldsStart = index + 1;
          index += 1;
          phase = at.nameStart;
          break;
        case at.nameStart:
          if (byte === cr) {
            this.fieldsEnd = index++;
            phase = at.endLf;
            break;
          }
          if (isToken[byte] !== 1) return 400;
          if (this.count === maxFields) return 431;
          this.fields[this.count * fieldStride] = index;
          phase = at.name;
          break;
        case at.endLf:
          if (byte !== lf) return 400;
          this.end = index + 1;
          return isWhole;
        default: {
          const next = this.#startLine(bytes, index, end, phase);
          if (next >= 400) return next;
          phase = next;
          index = this.#at;
        }
      }
    }
    this.#at = index;
    this.#phase = phase;
    return needsMore;
  }

  /** Reads on in the start line and moves `#at`; returns the next phase or a status. */
  #startLine(bytes: Uint8Array, from: number, end: number, phase: number): number {
    let index = from;
    let current = bytes[index] as number;
    switch (phase) {
      case at.start:
        // One empty line before a request is an old habit of clients (RFC 9112 section 2.2).
        if (current === cr && index === this.#begin) return this.#go(index + 1, at.startLf);
        if (isToken[current] !== 1) return 400;
        this.methodStart = index;
        return this.#go(index, at.method);
      case at.startLf:
        return current === lf ? this.#go(index + 1, at.start) : 400;
      case at.method:
        while (isToken[current] === 1 && ++index < end) current = bytes[index] as number;
        if (index === end) return this.#go(index, phase);
        if (current !== space) return 400;
        this.methodEnd = index;
        this.targetStart = index + 1;
        return this.#go(index + 1, at.target);
      case at.target:
        while (isTarget[current] === 1 && ++index < end) current = bytes[index] as number;
        if (index - this.targetStart > maxTargetBytes) return 414;
        if (index === end) return this.#go(index, phase);
        if (current !== space || index === this.targetStart) return 400;
        this.targetEnd = index;
        this.#mark = index + 1;
        return this.#go(index + 1, at.version);
      case at.version:
        if (index - this.#mark < 8) return this.#versionByte(current, index, phase);
        return current === cr ? this.#checkVersion(index + 1, at.lineLf) : 400;
      case at.answerVersion:
        if (index - this.#mark < 8) return this.#versionByte(current, index, phase);
        this.statusStart = index + 1;
        this.status = 0;
        return current === space ? this.#checkVersion(index + 1, at.status) : 400;
      case at.status:
        if (index - this.statusStart < 3) {
          if (current < 0x30 || current > 0x39) return 400;
          this.status = this.status * 10 + current - 0x30;
          return this.#go(index + 1, phase);
        }
        if (this.status < 100 || this.status > 599) return 400;
        // Without a reason the space before it is often left out too; that is unambiguous.
        return current === space || current === cr ? this.#go(index, at.reason) : 400;
      default:
        while (isValue[current] === 1 && ++index < end) current = bytes[index] as number;
        if (index === end) return this.#go(index, phase);
        return current === cr ? this.#go(index + 1, at.lineLf) : 400;
    }
  }

  #go(index: number, phase: number): number {
    this.#at = index;
    return phase;
  }

  /** One byte of "HTTP/1.1". */
  #versionByte(byte: number, index: number, phase: number): number {
    const place = index - this.#mark;
    if (place < 5) return byte === versionName[place] ? this.#go(index + 1, phase) : 400;
    if (place === 6) return byte === 0x2e ? this.#go(index + 1, phase) : 400;
    if (byte < 0x30 || byte > 0x39) return 400;
    this.version = place === 5 ? (byte - 0x30) * 10 : this.version + byte - 0x30;
    return this.#go(index + 1, phase);
  }

  #checkVersion(index: number, phase: number): number {
    return this.version === 11 || this.version === 10 ? this.#go(index, phase) : 505;
  }

  #endField(bytes: Uint8Array, lineEnd: number): void {
    const place = this.count * fieldStride;
    const start = this.fields[place + 2] as number;
    let valueEnd = lineEnd;
    while (valueEnd > start && (bytes[valueEnd - 1] === space || bytes[valueEnd - 1] === tab)) valueEnd -= 1;
    this.fields[place + 3] = valueEnd;
    this.fields[place + 4] = recognise(bytes, this.fields[place] as number, this.fields[place + 1] as number);
    this.count += 1;
  }
}

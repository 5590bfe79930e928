/** Parses headers that requests and responses share: Content-Length, Transfer-Encoding, Connection and TE. */

import { colon, comma, cr, equalsAnyCase, isBlank, isToken, latin1, lower, space } from "./bytes.ts";
import { headerStride, type HeadParser } from "./head-parser.ts";
import { isHopByHop, knownHeaders } from "./header-names.ts";

/** Bits of the options in Connection headers. */
export const connectionOption = { close: 1, keepAlive: 2, upgrade: 4 } as const;

const optionNames: ReadonlyArray<readonly [literal: Buffer, bit: number]> = [
  [latin1("close"), connectionOption.close],
  [latin1("keep-alive"), connectionOption.keepAlive],
  [latin1("upgrade"), connectionOption.upgrade],
];

/** Each of the first names in one Connection header costs a search in all headers; more are looked up in a set. */
const maxSearches = 16;

/** A JavaScript number holds 15 digits exactly, which is a petabyte. */
const maxLengthDigits = 15;

/** The value of a Content-Length in bytes[from..to); -1 unless it consists of digits only. RFC 9110 section 8.6. */
export function contentLength(bytes: Uint8Array, from: number, to: number): number {
  let start = from;
  while (start < to - 1 && bytes[start] === zero) start += 1;
  if (start === to || to - start > maxLengthDigits) return -1;
  let length = 0;
  for (let i = start; i < to; i++) {
    const digit = (bytes[i] as number) - 0x30;
    if (digit < 0 || digit > 9) return -1;
    length = length * 10 + digit;
  }
  return length;
}

/**
 * The value of a response's Content-Length, which may be a list of equal ones (RFC 9110 section 8.6).
 * @returns -1 unless it consists of digits only, -2 for different lengths
 */
export function repeatedLength(bytes: Uint8Array, from: number, to: number): number {
  let length = -1;
  for (let start = from; start <= to;) {
    let next = start;
    while (next < to && bytes[next] !== comma) next += 1;
    let stop = next;
    while (start < stop && isBlank(bytes[start] as number)) start += 1;
    while (stop > start && isBlank(bytes[stop - 1] as number)) stop -= 1;
    const one = contentLength(bytes, start, stop);
    if (one < 0) return -1;
    if (length >= 0 && one !== length) return -2;
    length = one;
    start = next + 1;
  }
  return length;
}

/**
 * Whether a value has only spaces before it and no whitespace after it. Some recipients do not strip tabs or trailing
 * whitespace, and would miss the header that frames the message: "Transfer-Encoding:\tchunked" is an old trick.
 */
export function hasPlainWhitespace(bytes: Uint8Array, from: number, to: number): boolean {
  let before = from - 1;
  while (bytes[before] === space) before -= 1;
  return bytes[before] === colon && bytes[to] === cr;
}

/** Where the first value of a list in bytes[from..to) ends. */
export function firstValueEnd(bytes: Uint8Array, from: number, to: number): number {
  let end = from;
  while (end < to && bytes[end] !== comma && !isBlank(bytes[end] as number)) end += 1;
  return end;
}

const zero = 0x30;
const chunkedToken = latin1("chunked");

/**
 * Judges a Transfer-Encoding in bytes[from..to). RFC 9112 section 6.1.
 * @returns 0 for exactly "chunked", 501 for a valid list of other codings that ends with it, 400 for everything else
 */
export function transferCoding(bytes: Uint8Array, from: number, to: number): 0 | 400 | 501 {
  if (equalsAnyCase(bytes, from, to, chunkedToken)) return 0;
  let start = from;
  let others = 0;
  for (;;) {
    while (start < to && isBlank(bytes[start] as number)) start += 1;
    let stop = start;
    while (stop < to && isToken[bytes[stop] as number] === 1) stop += 1;
    const isChunked = equalsAnyCase(bytes, start, stop, chunkedToken);
    if (start === stop) return 400;
    let next = stop;
    while (next < to && isBlank(bytes[next] as number)) next += 1;
    if (next === to) return isChunked && others > 0 ? 501 : 400;
    if (isChunked || bytes[next] !== comma) return 400;
    others += 1;
    start = next + 1;
  }
}

/**
 * Finds the only coding in a response's Transfer-Encoding in bytes[from..to): elements of a list may be empty (RFC 9110 section
 * 5.6.1).
 * @returns its start, or `to` if all elements are empty; -1 if there are several
 */
export function onlyCoding(bytes: Uint8Array, from: number, to: number): number {
  let found = to;
  for (let start = from; start < to;) {
    const end = firstValueEnd(bytes, start, to);
    if (end > start && found < to) return -1;
    if (end > start) found = start;
    start = end + 1;
  }
  return found;
}

const trailersToken = latin1("trailers");

/** Whether the TE header in bytes[from..to) contains "trailers". RFC 9110 section 10.1.4. */
export function takesTrailers(bytes: Uint8Array, from: number, to: number): boolean {
  let start = from;
  while (start < to) {
    while (start < to && (isBlank(bytes[start] as number) || bytes[start] === comma)) start += 1;
    let stop = start;
    while (stop < to && bytes[stop] !== comma) stop += 1;
    let end = stop;
    while (end > start && isBlank(bytes[end - 1] as number)) end -= 1;
    if (equalsAnyCase(bytes, start, end, trailersToken)) return true;
    start = stop;
  }
  return false;
}

/** Authentication schemes that authenticate the connection, not the request (RFC 4559 section 6). */
const connectionSchemes: readonly Buffer[] = [latin1("ntlm"), latin1("negotiate")];

function startsWithConnectionScheme(bytes: Uint8Array, from: number, to: number): boolean {
  for (const scheme of connectionSchemes) {
    const end = from + scheme.length;
    if (end > to || !equalsAnyCase(bytes, from, end, scheme)) continue;
    if (end === to || bytes[end] === comma || isBlank(bytes[end] as number)) return true;
  }
  return false;
}

/**
 * Whether one of the challenges or credentials in bytes[from..to) is of a scheme that authenticates the connection. There may be
 * one of the latter only, but a server may read a list of them. A comma in a quoted string counts too: a connection that is kept
 * for one client without need does no harm.
 */
export function namesConnectionAuthentication(bytes: Uint8Array, from: number, to: number): boolean {
  let start = from;
  while (start < to) {
    while (start < to && (isBlank(bytes[start] as number) || bytes[start] === comma)) start += 1;
    if (startsWithConnectionScheme(bytes, start, to)) return true;
    while (start < to && bytes[start] !== comma) start += 1;
  }
  return false;
}

const contentTypeName = latin1("content-type");
const eventStreamToken = latin1("text/event-stream");

/** Whether Content-Type is `text/event-stream`, with or without parameters. Read before the head is trimmed in place. */
export function isEventStream({ headers, count }: HeadParser, bytes: Uint8Array): boolean {
  for (let position = 0; position < count * headerStride; position += headerStride) {
    const [from, to] = [headers[position] as number, headers[position + 1] as number];
    if (!equalsAnyCase(bytes, from, to, contentTypeName)) continue;
    const start = headers[position + 2] as number;
    const stop = start + eventStreamToken.length;
    if (stop > (headers[position + 3] as number)) return false;
    const isToEnd = stop === headers[position + 3] || isToken[bytes[stop] as number] !== 1;
    return isToEnd && equalsAnyCase(bytes, start, stop, eventStreamToken);
  }
  return false;
}

/**
 * Reads the Connection header in bytes[from..to) and marks the headers that it names as hop-by-hop. Headers that frame or
 * route the message stay, and Date: to name them is an old trick to make a proxy remove them.
 * @returns bits of `connectionOption`
 */
export function connectionOptions(parser: HeadParser, bytes: Uint8Array, from: number, to: number): number {
  let bits = 0;
  let named = 0;
  let start = from;
  while (start < to) {
    while (start < to && (isBlank(bytes[start] as number) || bytes[start] === comma)) start += 1;
    let stop = start;
    while (stop < to && bytes[stop] !== comma && !isBlank(bytes[stop] as number)) stop += 1;
    if (stop > start) {
      const bit = bitOf(bytes, start, stop);
      bits |= bit;
      if (bit === 0) {
        named += 1;
        if (named <= maxSearches) markNamed(parser, bytes, start, stop);
      }
    }
    start = stop;
  }
  if (named > maxSearches) markAllNamed(parser, bytes, from, to);
  return bits;
}

/** As `markNamed` for all names in the Connection header in bytes[from..to): its work grows with their number only. */
function markAllNamed(parser: HeadParser, bytes: Uint8Array, from: number, to: number): void {
  const text = (start: number, stop: number) =>
    Buffer.from(bytes.subarray(start, stop)).toString("latin1").toLowerCase();
  const names = new Set(text(from, to).split(/[\t ,]+/));
  const { headers } = parser;
  for (let position = 0; position < parser.count * headerStride; position += headerStride) {
    if (!mayBeNamed(headers[position + 4] as number)) continue;
    const name = text(headers[position] as number, headers[position + 1] as number);
    if (names.has(name)) headers[position + 4] = knownHeaders.named;
  }
}

function mayBeNamed(number: number): boolean {
  const frames = number >= knownHeaders.host && number <= knownHeaders.upgrade;
  return !frames && number !== knownHeaders.date && !isHopByHop(number);
}

function bitOf(bytes: Uint8Array, from: number, to: number): number {
  for (const [literal, bit] of optionNames) if (equalsAnyCase(bytes, from, to, literal)) return bit;
  return 0;
}

function markNamed(parser: HeadParser, bytes: Uint8Array, from: number, to: number): void {
  const { headers } = parser;
  for (let position = 0; position < parser.count * headerStride; position += headerStride) {
    if (!mayBeNamed(headers[position + 4] as number)) continue;
    const start = headers[position] as number;
    if (
      (headers[position + 1] as number) - start === to - from &&
      sameAnyCase(bytes, start, from, to - from)
    ) {
      headers[position + 4] = knownHeaders.named;
    }
  }
}

function sameAnyCase(bytes: Uint8Array, one: number, other: number, length: number): boolean {
  for (let i = 0; i < length; i++) {
    if (lower[bytes[one + i] as number] !== lower[bytes[other + i] as number]) return false;
  }
  return true;
}

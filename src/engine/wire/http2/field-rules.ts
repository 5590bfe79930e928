/** Rules for the fields of HTTP/2 messages that become HTTP/1.1 (RFC 9113 section 8.2), and the trailers that follow them. */

import { isBlank, isToken, isValue, latin1 } from "../http1/bytes.ts";
import { knownHeaders, lookUpHeader } from "../http1/header-names.ts";
import { type FieldList, spanStride } from "./field-list.ts";

/** Whether bytes may stand in a field name: a token without upper case. */
const isLowerToken = isToken.map((value, byte) => (byte >= 0x41 && byte <= 0x5a ? 0 : value));

/** Whether bytes[from..to) may be a field name: a token without upper case. A pseudo-field is none, because of its colon. */
export function isLowerName(bytes: Uint8Array, from: number, to: number): boolean {
  return isAll(isLowerToken, bytes, from, to);
}

/** Whether bytes[from..to) may be a field value. It may be empty. @param allowed the class of its bytes */
export function isFieldValue(bytes: Uint8Array, from: number, to: number, allowed = isValue): boolean {
  if (from === to) return true;
  if (isBlank(bytes[from] as number) || isBlank(bytes[to - 1] as number)) return false;
  return isAll(allowed, bytes, from, to);
}

export function isValidField(
  bytes: Uint8Array,
  from: number,
  to: number,
  valueFrom: number,
  valueTo: number,
): boolean {
  return isLowerName(bytes, from, to) && isFieldValue(bytes, valueFrom, valueTo);
}

/** Whether a field makes a message malformed (RFC 9113 section 8.2.2). TE has a rule of its own. @param number in `knownHeaders` */
export function isConnectionSpecific(number: number): boolean {
  return (
    number === knownHeaders.connection ||
    number === knownHeaders.keepAlive ||
    number === knownHeaders.proxyConnection ||
    number === knownHeaders.transferEncoding ||
    number === knownHeaders.upgrade
  );
}

/** Whether there is at least one byte, and each is in the class. */
export function isAll(table: Uint8Array, bytes: Uint8Array, from: number, to: number): boolean {
  for (let i = from; i < to; i++) if (table[bytes[i] as number] !== 1) return false;
  return to > from;
}

const lastChunk = latin1("0\r\n");
const separator = latin1(": ");
const lineEnd = latin1("\r\n");

/**
 * Writes trailers as those of a chunked body, with the last chunk before them.
 * @returns undefined if the list is malformed
 */
export function writeTrailers({ bytes, spans, count }: FieldList): Buffer | undefined {
  const lines = [lastChunk];
  for (let at = 0; at < count * spanStride; at += spanStride) {
    const from = spans[at] as number;
    const to = spans[at + 1] as number;
    const valueFrom = spans[at + 2] as number;
    const valueTo = spans[at + 3] as number;
    if (!isValidField(bytes, from, to, valueFrom, valueTo)) return undefined;
    if (isConnectionSpecific(lookUpHeader(bytes, from, to))) return undefined;
    lines.push(bytes.subarray(from, to), separator, bytes.subarray(valueFrom, valueTo), lineEnd);
  }
  return Buffer.concat([...lines, lineEnd]);
}

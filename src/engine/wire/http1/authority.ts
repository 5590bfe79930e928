/** Authorities of Host headers and absolute request targets: whether one is valid, and whether two name the same host. */

import { colon, hexValue, isHostName, isIpLiteral, lower } from "./bytes.ts";

const openBracket = 0x5b;
const closeBracket = 0x5d;
const percent = 0x25;
const dot = 0x2e;
const lowerV = 0x76;

const isDigit = (byte: number) => byte >= 0x30 && byte <= 0x39;

/** Whether bytes[from..to) is a host name or IP literal with an optional port of up to five digits (RFC 3986 section 3.2). */
export function isAuthority(bytes: Uint8Array, from: number, to: number): boolean {
  let index = from;
  if (bytes[index] === openBracket) {
    while (index < to && bytes[index] !== closeBracket) index += 1;
    if (index === to || !isLiteral(bytes, from + 1, index)) return false;
    index += 1;
  } else {
    while (index < to && isHostName[bytes[index] as number] === 1) index += 1;
    if (index === from) return false;
  }
  if (index === to) return true;
  if (bytes[index] !== colon || to - index > 6) return false;
  for (index += 1; index < to; index++) if (!isDigit(bytes[index] as number)) return false;
  return true;
}

/** An IPv6 address, also with a zone (RFC 6874; many clients do not encode its percent sign), or a literal of a later version. */
function isLiteral(bytes: Uint8Array, from: number, to: number): boolean {
  let index = from;
  if (lower[bytes[index] as number] === lowerV) {
    index += 1;
    while (index < to && (hexValue[bytes[index] as number] as number) < 16) index += 1;
    if (index === from + 1 || bytes[index] !== dot) return false;
    return isZone(bytes, index + 1, to);
  }
  while (index < to && isIpLiteral[bytes[index] as number] === 1) index += 1;
  if (index === from) return false;
  if (index === to) return true;
  return bytes[index] === percent && isZone(bytes, index + 1, to);
}

/** The characters of a name, and colons. */
function isZone(bytes: Uint8Array, from: number, to: number): boolean {
  for (let i = from; i < to; i++) {
    if (bytes[i] !== colon && isHostName[bytes[i] as number] !== 1) return false;
  }
  return to > from;
}

/**
 * Whether two valid authorities name the same host and port. Case does not matter, nor does a port that is empty or the
 * scheme's default (RFC 9110 section 4.2.3).
 */
export function isSameAuthority(
  bytes: Uint8Array,
  [from, to]: readonly [from: number, to: number],
  [otherFrom, otherTo]: readonly [from: number, to: number],
  defaultPort: number,
): boolean {
  const end = hostEnd(bytes, from, to);
  const length = end - from;
  const otherEnd = hostEnd(bytes, otherFrom, otherTo);
  if (length !== otherEnd - otherFrom) return false;
  for (let i = 0; i < length; i++) {
    if (lower[bytes[from + i] as number] !== lower[bytes[otherFrom + i] as number]) return false;
  }
  return portIn(bytes, end, to, defaultPort) === portIn(bytes, otherEnd, otherTo, defaultPort);
}

function hostEnd(bytes: Uint8Array, from: number, to: number): number {
  let index = to;
  while (index > from && isDigit(bytes[index - 1] as number)) index -= 1;
  return index > from && bytes[index - 1] === colon ? index - 1 : to;
}

/** The port in ":80"; the default one if there is none. */
function portIn(bytes: Uint8Array, from: number, to: number, defaultPort: number): number {
  let port = 0;
  for (let i = from + 1; i < to; i++) port = port * 10 + (bytes[i] as number) - 0x30;
  return to - from > 1 ? port : defaultPort;
}

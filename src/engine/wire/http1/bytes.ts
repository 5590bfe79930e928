/** Byte classes as lookup tables and comparison in place, so that heads are parsed without strings. */

export const tab = 0x09;
export const lf = 0x0a;
export const cr = 0x0d;
export const space = 0x20;
export const comma = 0x2c;
export const slash = 0x2f;
export const colon = 0x3a;
export const semicolon = 0x3b;

/** A table with 1 at the bytes of the given characters and ranges. Ranges are pairs: "az09". */
function tableOf(characters: string, ranges = "", above7f = false): Uint8Array {
  const table = new Uint8Array(256);
  for (const character of characters) table[character.charCodeAt(0)] = 1;
  for (let i = 0; i < ranges.length; i += 2) {
    table.fill(1, ranges.charCodeAt(i), ranges.charCodeAt(i + 1) + 1);
  }
  if (above7f) table.fill(1, 0x80);
  return table;
}

/** Bytes of methods and header names (RFC 9110 section 5.6.2). */
export const isToken = tableOf("!#$%&'*+-.^_`|~", "azAZ09");

/** Letters and digits: what all servers take for different characters in a header name. */
export const isAlphanumeric = tableOf("", "azAZ09");

/** Bytes of header values and reason phrases: all but control characters, tab excepted (RFC 9110 section 5.5). */
export const isValue = tableOf("\t", " ~", true);

/**
 * Bytes of header values and reason phrases in responses: all that a recipient may retain, which is all but NUL, CR and LF
 * (RFC 9110 section 5.5).
 */
export const isResponseValue = new Uint8Array(256).fill(1);
for (const byte of [0, cr, lf]) isResponseValue[byte] = 0;

/**
 * Bytes of a request target: no space, no control character, no "#", which ends a path only for some parsers.
 * Bytes above 0x7f violate RFC 3986, but are common and harmless: they pass unchanged.
 */
export const isTarget = tableOf("", '!"$~', true);

/** Bytes of a registered name in Host (RFC 3986 section 3.2.2) without the comma, which also joins repeated headers. */
export const isHostName = tableOf("-._~%!$&'()*+;=", "azAZ09");

/** Bytes of an IPv6 address in Host. */
export const isIpLiteral = tableOf(":.", "afAF09");

/** Whether a byte is the optional whitespace of RFC 9110 section 5.6.3. */
export function isBlank(byte: number): boolean {
  return byte === space || byte === tab;
}

/** Values of hexadecimal digits; 255 for other bytes. */
export const hexValue = new Uint8Array(256).fill(255);
for (let i = 0; i < 16; i++) {
  hexValue["0123456789abcdef".charCodeAt(i)] = i;
  hexValue["0123456789ABCDEF".charCodeAt(i)] = i;
}

/** Lower case of ASCII letters; other bytes map to themselves. */
export const lower = Uint8Array.from({ length: 256 }, (_, byte) =>
  byte >= 0x41 && byte <= 0x5a ? byte + 0x20 : byte,
);

/** The bytes of a string in latin1, where each character is the byte with the same number. */
export function latin1(text: string): Buffer {
  return Buffer.from(text, "latin1");
}

/** Whether bytes[from..to) equal `literal`. */
export function equals(bytes: Uint8Array, from: number, to: number, literal: Uint8Array): boolean {
  if (to - from !== literal.length) return false;
  for (let i = 0; i < literal.length; i++) if (bytes[from + i] !== literal[i]) return false;
  return true;
}

/** Whether bytes[from..to) equal `literal` if case is ignored. @param literal in lower case */
export function equalsAnyCase(bytes: Uint8Array, from: number, to: number, literal: Uint8Array): boolean {
  if (to - from !== literal.length) return false;
  for (let i = 0; i < literal.length; i++) {
    if (lower[bytes[from + i] as number] !== literal[i]) return false;
  }
  return true;
}

/** The same for a name as text: creates no string of the bytes. @param name in lower case */
export function isNamed(bytes: Uint8Array, from: number, to: number, name: string): boolean {
  if (to - from !== name.length) return false;
  for (let i = 0; i < name.length; i++) {
    if (lower[bytes[from + i] as number] !== name.charCodeAt(i)) return false;
  }
  return true;
}

/** Pieces below this size are copied byte by byte: that costs less than a call. */
const shortBytes = 32;

/** Copies bytes[from..to) to `target` at the offset `at`, where there must be room. @returns the offset after them */
export function copyBytes(bytes: Buffer, from: number, to: number, target: Buffer, at: number): number {
  if (to - from >= shortBytes) bytes.copy(target, at, from, to);
  else for (let i = from, next = at; i < to;) target[next++] = bytes[i++] as number;
  return at + to - from;
}

/** Views of the first bytes of one buffer, whose contents change. Most heads have one of a few lengths. */
export class HeadViews {
  #bytes: Buffer;
  #views: Buffer[] = [];

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  /** @param bytes the buffer, which may have been replaced */
  of(bytes: Buffer, length: number): Buffer {
    if (length >= maxViews) return bytes.subarray(0, length);
    if (bytes !== this.#bytes) {
      this.#bytes = bytes;
      this.#views = [];
    }
    return (this.#views[length] ??= bytes.subarray(0, length));
  }
}

/** Longer heads are rare. */
const maxViews = 1_024;

/** Collects bytes that arrive in pieces. `head` is the parser that continues with them, if they are a head. */
export class ByteAccumulator<Head> {
  readonly head: Head;
  bytes: Buffer;
  length: number;

  constructor(head: Head, source: Buffer, from: number, to: number) {
    this.head = head;
    this.length = to - from;
    this.bytes = Buffer.allocUnsafeSlow(Math.max(512, this.length * 2));
    source.copy(this.bytes, 0, from, to);
  }

  append(source: Buffer, from: number, to: number): this {
    const needed = this.length + to - from;
    if (needed > this.bytes.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(needed, this.bytes.length * 2));
      this.bytes.copy(larger, 0, 0, this.length);
      this.bytes = larger;
    }
    source.copy(this.bytes, this.length, from, to);
    this.length = needed;
    return this;
  }
}

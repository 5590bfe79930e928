/** IP addresses as text: strict parsing, one canonical spelling for each address, and addresses with a port. */

const ipv4Pattern = /^(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.(?!$)|$)){4}$/;

/**
 * The canonical text of an IP address: dotted decimals, or RFC 5952 for IPv6. An IPv4-mapped IPv6 address is IPv4 in another
 * spelling. Undefined for anything else, such as leading zeros, which some systems read as octal, and zones.
 */
export function canonicalIp(text: string): string | undefined {
  if (ipv4Pattern.test(text)) return text;
  const groups = ipv6Groups(text);
  if (!groups) return undefined;
  const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, high = 0, low = 0] = groups;
  const isMapped = (a | b | c | d | e) === 0 && f === 0xffff;
  return isMapped ? `${high >> 8}.${high & 0xff}.${low >> 8}.${low & 0xff}` : ipv6Text(groups);
}

/**
 * The address of "192.0.2.1", "192.0.2.1:80", "2001:db8::1", "[2001:db8::1]" or "[2001:db8::1]:80" in canonical text. The
 * port may be obfuscated, as "_x" (RFC 7239 section 6.2). Undefined for anything else.
 */
export function canonicalIpOfNode(node: string): string | undefined {
  const bracketed = /^\[([^\]]{2,45})\](?::(?:\d{1,5}|_[\w.-]+))?$/.exec(node);
  if (bracketed) return bracketed[1]?.includes(":") ? canonicalIp(bracketed[1]) : undefined;
  const withPort = /^([\d.]{7,15}):(?:\d{1,5}|_[\w.-]+)$/.exec(node);
  return canonicalIp(withPort?.[1] ?? node);
}

/** The number of an IPv4 address in dotted decimals, as 32 bits without a sign; -1 for anything else. */
export function ipv4Number(text: string): number {
  const { length } = text;
  if (length < 7 || length > 15) return -1;
  let [value, octet, digits, dots] = [0, 0, 0, 0];
  for (let at = 0; at < length; at++) {
    const code = text.charCodeAt(at);
    if (code === 46) {
      if (digits === 0 || dots === 3) return -1;
      value = value * 256 + octet;
      [octet, digits, dots] = [0, 0, dots + 1];
    } else {
      // A zero in front is octal for some systems.
      if (code < 48 || code > 57 || (digits > 0 && octet === 0)) return -1;
      octet = octet * 10 + (code - 48);
      digits += 1;
      if (octet > 255) return -1;
    }
  }
  return dots === 3 && digits > 0 ? value * 256 + octet : -1;
}

/** The IPv4 address that an IPv4-mapped IPv6 address stands for, as a number; -1 for any other (RFC 4291 section 2.5.5.2). */
export function mappedIpv4([a, b, c, d, e, f, high = 0, low = 0]: readonly number[]): number {
  const isMapped = ((a ?? 1) | (b ?? 1) | (c ?? 1) | (d ?? 1) | (e ?? 1)) === 0 && f === 0xffff;
  return isMapped ? high * 65_536 + low : -1;
}

/** The eight groups of an IPv6 address; undefined for anything else. In one pass: limits read an address for each request. */
export function ipv6Groups(text: string): readonly number[] | undefined {
  const { length } = text;
  if (length < 2 || length > 45) return undefined;
  const groups: number[] = [];
  /** How many groups stand before "::". */
  let before = -1;
  let at = 0;
  while (at < length) {
    if (text.charCodeAt(at) === colon) {
      // The second one of "::": the one behind a group is read with it.
      if (before >= 0 || (at === 0 && text.charCodeAt(++at) !== colon)) return undefined;
      before = groups.length;
      at += 1;
      continue;
    }
    const start = at;
    let group = 0;
    for (let digit = hexDigit(text.charCodeAt(at)); digit >= 0; digit = hexDigit(text.charCodeAt(++at)))
      group = group * 16 + digit;
    if (text.charCodeAt(at) === dot) return withGap(groups, before, ipv4Number(text.slice(start)));
    if (at === start || at - start > 4 || groups.push(group) > 8) return undefined;
    if (at < length && (text.charCodeAt(at++) !== colon || at === length)) return undefined;
  }
  return withGap(groups, before);
}

const colon = 0x3a;
const dot = 0x2e;

/** -1 for a character that is none. */
function hexDigit(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  const letter = code | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1;
}

/**
 * @param before how many groups stand before "::"; -1 without one
 * @param ipv4 the address at the end (RFC 4291 section 2.2); -1 for one that is not valid
 */
function withGap(groups: number[], before: number, ipv4?: number): readonly number[] | undefined {
  if (ipv4 === -1) return undefined;
  if (ipv4 !== undefined) groups.push(Math.floor(ipv4 / 65_536), ipv4 % 65_536);
  const missing = 8 - groups.length;
  if (before < 0) return missing === 0 ? groups : undefined;
  if (missing < 1) return undefined;
  const whole = groups.slice(0, before);
  for (let i = 0; i < missing; i++) whole.push(0);
  for (let i = before; i < groups.length; i++) whole.push(groups[i] as number);
  return whole;
}

/** RFC 5952: lower case, and the first longest run of two or more zero groups as "::". */
function ipv6Text(groups: readonly number[]): string {
  let [start, length] = [-1, 1];
  for (let from = 0; from < 8; from++) {
    let to = from;
    while (to < 8 && groups[to] === 0) to += 1;
    if (to - from > length) [start, length] = [from, to - from];
  }
  const hex = (from: number, to: number) => groups.slice(from, to).map((group) => group.toString(16));
  if (start < 0) return hex(0, 8).join(":");
  return `${hex(0, start).join(":")}::${hex(start + length, 8).join(":")}`;
}

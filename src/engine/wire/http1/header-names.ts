/** The header names that this engine acts on, recognized in place. All other headers pass unchanged. */

import { trustedOnlyFields } from "../../../proxy/forwarding.ts";
import { clientCertificateFields } from "../../../tls/client-certificate.ts";
import { equalsAnyCase, isAlphanumeric, latin1, lower } from "./bytes.ts";

/** Numbers of header names in {@link HeadParser.headers}. Their order matters: ranges of them are tested. */
export const knownHeaders = {
  other: 0,
  host: 1,
  contentLength: 2,
  transferEncoding: 3,
  connection: 4,
  upgrade: 5,
  /** This one and those up to `named` are hop-by-hop. */
  keepAlive: 6,
  proxyConnection: 7,
  proxyAuthenticate: 8,
  proxyAuthorization: 9,
  te: 10,
  /** Any other header that a Connection header names, which makes it hop-by-hop too. */
  named: 11,
  forwardedFor: 12,
  forwardedProto: 13,
  forwardedHost: 14,
  forwardedPort: 15,
  via: 16,
  requestId: 17,
  trailer: 18,
  traceparent: 19,
  /** Of requests: `Forwarded` (RFC 7239), `X-Real-IP` and the like, which pass only from a trusted peer; we write none. */
  forwarded: 20,
  /**
   * Of requests: about a certificate of the client, which only the balancer may set; or an unusual spelling of these names and
   * of the ones above, which no proxy writes.
   */
  forged: 21,
  /** This one and the following ones pass in requests. */
  date: 22,
  authorization: 23,
  wwwAuthenticate: 24,
  /** In responses it is replaced where the listener has its own (RFC 6797). */
  strictTransportSecurity: 25,
  /** RFC 7838, likewise. */
  altSvc: 26,
} as const;

const names: ReadonlyArray<readonly [name: string, number: number]> = [
  ["host", knownHeaders.host],
  ["content-length", knownHeaders.contentLength],
  ["transfer-encoding", knownHeaders.transferEncoding],
  ["connection", knownHeaders.connection],
  ["upgrade", knownHeaders.upgrade],
  ["keep-alive", knownHeaders.keepAlive],
  ["proxy-connection", knownHeaders.proxyConnection],
  ["proxy-authenticate", knownHeaders.proxyAuthenticate],
  ["proxy-authorization", knownHeaders.proxyAuthorization],
  ["te", knownHeaders.te],
  ["x-forwarded-for", knownHeaders.forwardedFor],
  ["x-forwarded-proto", knownHeaders.forwardedProto],
  ["x-forwarded-host", knownHeaders.forwardedHost],
  ["x-forwarded-port", knownHeaders.forwardedPort],
  ["via", knownHeaders.via],
  ["x-request-id", knownHeaders.requestId],
  ["trailer", knownHeaders.trailer],
  ["traceparent", knownHeaders.traceparent],
  ["date", knownHeaders.date],
  ["authorization", knownHeaders.authorization],
  ["www-authenticate", knownHeaders.wwwAuthenticate],
  ["strict-transport-security", knownHeaders.strictTransportSecurity],
  ["alt-svc", knownHeaders.altSvc],
  ...trustedOnlyFields.map((name) => [name, knownHeaders.forwarded] as const),
  ...clientCertificateFields.map((name) => [name, knownHeaders.forged] as const),
];

const hyphen = 0x2d;

const maxNameLength = Math.max(...names.map(([name]) => name.length));
const literals: readonly Buffer[] = names.map(([name]) => latin1(name));
const numbers = Uint8Array.from(names, ([, number]) => number);

/** By length × 32 + first letter: position of the first candidate in `names`, counted from 1; 0 if there is none. */
const firstOf = new Uint8Array((maxNameLength + 1) * 32);

/** Position of the next candidate with the same length and first letter; 0 if there is none. */
const nextOf = new Uint8Array(names.length + 1);

/** By the same key: 1 if a name that is none of the candidates may be another spelling of one, or begin with X-Forwarded. */
const mayBeForged = new Uint8Array(firstOf.length);

for (const [index, [name, number]] of names.entries()) {
  const key = keyOf(name.length, name.charCodeAt(0));
  nextOf[index + 1] = firstOf[key] as number;
  firstOf[key] = index + 1;
  if (isGuarded(number)) mayBeForged[key] = 1;
}

const forwardedPrefix = "x-forwarded-";
const forwardedStart = latin1(forwardedPrefix);
for (let length = forwardedStart.length; length <= maxNameLength + 1; length++)
  mayBeForged[keyOf(length, forwardedStart[0] as number)] = 1;

/** Whether a server would take the client's value for the balancer's or a trusted proxy's. */
function isGuarded(number: number): boolean {
  const isForwarding = number >= knownHeaders.forwardedFor && number <= knownHeaders.forwardedPort;
  return isForwarding || number === knownHeaders.forwarded || number === knownHeaders.forged;
}

/** Names that are too long for a candidate share the keys of length 0. */
function keyOf(length: number, letter: number): number {
  return (length > maxNameLength ? 0 : length * 32) + (letter & 31);
}

/** The number in {@link knownHeaders} of the header name bytes[from..to). */
export function lookUpHeader(bytes: Uint8Array, from: number, to: number): number {
  const key = keyOf(to - from, bytes[from] as number);
  for (let position = firstOf[key] as number; position !== 0; position = nextOf[position] as number) {
    if (equalsAnyCase(bytes, from, to, literals[position - 1] as Buffer))
      return numbers[position - 1] as number;
  }
  return mayBeForged[key] === 0 ? knownHeaders.other : lookUpGuarded(bytes, from, to);
}

function lookUpGuarded(bytes: Uint8Array, from: number, to: number): number {
  if (isUnusualSpelling(bytes, from, firstOf[keyOf(to - from, bytes[from] as number)] as number))
    return knownHeaders.forged;
  if (to - from < forwardedStart.length || !equalsFolded(bytes, from, forwardedStart))
    return knownHeaders.other;
  // Servers read many names that begin so, as X-Forwarded-Prefix.
  const isUsual = bytes[from + 1] === hyphen && bytes[from + forwardedStart.length - 1] === hyphen;
  return isUsual ? knownHeaders.forwarded : knownHeaders.forged;
}

/**
 * Whether a name is another spelling of one that clients must not set. CGI servers (RFC 3875 section 4.1.18) and PHP read
 * every character but letters and digits as the same one, and would take the client's value for the balancer's.
 */
function isUnusualSpelling(bytes: Uint8Array, from: number, first: number): boolean {
  for (let position = first; position !== 0; position = nextOf[position] as number) {
    const literal = literals[position - 1] as Buffer;
    if (isGuarded(numbers[position - 1] as number) && equalsFolded(bytes, from, literal)) return true;
  }
  return false;
}

/** Like `equalsAnyCase`, where every character but letters and digits equals a hyphen. */
function equalsFolded(bytes: Uint8Array, from: number, literal: Uint8Array): boolean {
  for (let i = 0; i < literal.length; i++) {
    const byte = bytes[from + i] as number;
    if (lower[byte] !== literal[i] && !(literal[i] === hyphen && isAlphanumeric[byte] !== 1)) return false;
  }
  return true;
}

/** Whether a header is hop-by-hop. Connection, Upgrade and the framing headers have rules of their own. */
export function isHopByHop(number: number): boolean {
  return number >= knownHeaders.keepAlive && number <= knownHeaders.named;
}

/**
 * Trailers that could change how a message was framed, routed, authenticated or processed after its body was read (RFC 9110
 * section 6.5.1, RFC 7230 section 4.1.2), in lower case.
 */
const forbiddenInTrailers: ReadonlySet<string> = new Set([
  ...names.map(([name]) => name).filter((name) => name !== "via" && name !== "traceparent"),
  "authorization", "www-authenticate", "cookie", "set-cookie", "age", "cache-control", "content-encoding",
  "content-range", "content-type", "date", "expect", "expires", "http2-settings", "if-match", "if-modified-since",
  "if-none-match", "if-range", "if-unmodified-since", "location", "max-forwards", "pragma", "range", "retry-after",
  "vary", "warning",
]); // prettier-ignore

/** No longer name is forbidden, except where it begins with X-Forwarded. */
export const maxForbiddenLength = Math.max(...Array.from(forbiddenInTrailers, ({ length }) => length));

/** @param name in lower case, with hyphens for all but letters and digits, up to {@link maxForbiddenLength} bytes of it  @param length of the whole name */
export function isForbiddenInTrailers(name: Buffer, length: number): boolean {
  const text = name.toString("latin1", 0, Math.min(length, name.length));
  return text.startsWith(forwardedPrefix) || (length <= name.length && forbiddenInTrailers.has(text));
}

/** The client's address behind trusted proxies: read from X-Forwarded-For or Forwarded, from the right, no further than needed. */

import { canonicalIpOfNode } from "../net/ip-address.ts";

/** Hops that are followed at most; a chain of more than that is a loop or an attack. */
const maxHops = 32;

/** Characters of a field that are read at most, counted from its end: proxies append there. */
const maxFieldChars = 8_192;

interface ForwardedRequestHead {
  /** The peer's address. */
  readonly peerAddress: string;
  header(name: string): string | undefined;
}

/**
 * The first address that is not trusted, from the right; the last good one if all of them are trusted, or if an entry is not
 * an address. `Forwarded` (RFC 7239) is read only where there is no X-Forwarded-For: most proxies append to that one and let
 * the other pass, so that a client could write it. Called only where the peer is trusted.
 */
export function clientAddressBehind(
  head: ForwardedRequestHead,
  isTrustedProxy: (address: string) => boolean,
): string {
  const chain = head.header("x-forwarded-for")?.trim();
  const entries = chain ? lastEntries(chain) : forwardedNodes(head.header("forwarded") ?? "");
  let last = head.peerAddress;
  for (const entry of entries) {
    const address = canonicalIpOfNode(entry);
    if (address === undefined) return last;
    last = address;
    if (!isTrustedProxy(address)) return last;
  }
  return last;
}

/** The entries of a list from its last one on. Empty ones are no entries (RFC 9110 section 5.6.1.2). */
function* lastEntries(list: string): Generator<string> {
  const start = Math.max(0, list.length - maxFieldChars);
  let end = list.length;
  for (let hops = 0; hops < maxHops && end > start; hops++) {
    const comma = list.lastIndexOf(",", end - 1);
    // An entry that begins before the limit is cut, and is no address any more.
    if (comma < start && start > 0) return;
    const entry = list.slice(comma + 1, end).trim();
    if (entry !== "") yield entry;
    end = comma;
  }
}

/**
 * The `for` parameters of a Forwarded field from its last element on; "" for an element without one. The field is read from
 * the right: an unbalanced quote of a client must not swallow what proxies have appended.
 */
function* forwardedNodes(field: string): Generator<string> {
  const start = Math.max(0, field.length - maxFieldChars);
  let end = field.length;
  let node = "";
  let pairs = 0;
  for (let hops = 0; hops < maxHops;) {
    const from = startOfPair(field, end, start);
    if (from === undefined) return yield "";
    const pair = field.slice(from, end).trim();
    if (pair !== "") {
      pairs += 1;
      const value = forValue(pair);
      // Two `for` parameters in one element contradict each other (RFC 7239 section 4).
      if (value !== undefined) node = node === "" ? value : "unknown";
    }
    const isElement = from === 0 || field[from - 1] === ",";
    if (isElement) {
      if (pairs > 0) yield node;
      node = "";
      pairs = 0;
      hops += 1;
    }
    if (from === 0) return;
    end = from - 1;
  }
}

/** Where the pair before `end` begins; undefined if a quoted string does not begin, or begins before `start`. */
function startOfPair(field: string, end: number, start: number): number | undefined {
  let index = end - 1;
  for (; index >= start; index--) {
    const char = field[index];
    if (char === "," || char === ";") return index + 1;
    if (char !== '"') continue;
    do index = field.lastIndexOf('"', index - 1);
    while (index > 0 && isEscaped(field, index));
    if (index < start) return undefined;
  }
  return start === 0 ? 0 : undefined;
}

/** Whether an odd number of backslashes stands before a quote. */
function isEscaped(field: string, quote: number): boolean {
  let first = quote;
  while (first > 0 && field[first - 1] === "\\") first -= 1;
  return (quote - first) % 2 === 1;
}

/** The value of a `for` pair, without quotes; undefined for another parameter, "unknown" for a malformed value. */
function forValue(pair: string): string | undefined {
  const equals = pair.indexOf("=");
  if (pair.slice(0, Math.max(0, equals)).trim().toLowerCase() !== "for") return undefined;
  const value = pair.slice(equals + 1).trim();
  if (!value.includes('"')) return value || "unknown";
  const quoted = /^"((?:[^"\\]|\\.)*)"$/.exec(value);
  return quoted?.[1]?.replace(/\\(.)/g, "$1") || "unknown";
}

/** Hash keys: the part of a request by which a keyed policy chooses an upstream. */

import type { RequestHead } from "./request-head.ts";

/** Where the key comes from: `client-address`, `uri`, `header:Name` or `cookie:name`. */
export type HashBy = "client-address" | "uri" | `header:${string}` | `cookie:${string}`;

export const hashByPattern = "^(client-address|uri|(header|cookie):[!#$%&'*+.^_`|~0-9A-Za-z-]+)$";

/** Computes the hash key of a request. */
export type HashKeyFn = (head: RequestHead) => string;

/**
 * Where a request lacks the header or cookie, or it is empty, the client's address is used: such clients must not all have
 * one key.
 */
export function hashKeyFor(by: HashBy): HashKeyFn {
  if (by === "uri") return (head) => head.target;
  if (by === "client-address") return (head) => head.clientAddress;
  const name = by.slice(by.indexOf(":") + 1);
  if (by.startsWith("cookie:")) {
    return (head) => cookieOf(head.header("cookie") ?? "", name) ?? head.clientAddress;
  }
  const header = name.toLowerCase();
  return (head) => {
    const value = head.header(header);
    return value === undefined || emptyValue.test(value) ? head.clientAddress : value;
  };
}

/** A header without a value, also if it is repeated: then commas join its values (RFC 9110 section 5.3). */
const emptyValue = /^[\t ,]*$/;

/** One cookie's value from a Cookie header (RFC 6265 section 4.2.1): the first that is not empty. */
export function cookieOf(header: string, name: string): string | undefined {
  for (const pair of header.split(";")) {
    const equals = pair.indexOf("=");
    if (equals < 0 || pair.slice(0, equals).trim() !== name) continue;
    const value = pair.slice(equals + 1).trim();
    if (value !== "" && value !== '""') return value;
  }
  return undefined;
}

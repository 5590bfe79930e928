/** What pins a request to an upstream: turns a head into the key that a keyed policy hashes. */

import type { RequestHead } from "./request-head.ts";

/** Where the key comes from: `client-address`, `uri`, `header:Name` or `cookie:name`. */
export type HashBy = "client-address" | "uri" | `header:${string}` | `cookie:${string}`;

export const hashByPattern = "^(client-address|uri|(header|cookie):[!#$%&'*+.^_`|~0-9A-Za-z-]+)$";

export type HashKeyFn = (head: RequestHead) => string;

/** A header or cookie that a request lacks falls back to the client's address, so that such clients spread too. */
export function hashKeyFor(by: HashBy): HashKeyFn {
  if (by === "uri") return (head) => head.target;
  if (by === "client-address") return (head) => head.clientAddress;
  const name = by.slice(by.indexOf(":") + 1);
  if (by.startsWith("cookie:")) {
    return (head) => cookieOf(head.header("cookie") ?? "", name) ?? head.clientAddress;
  }
  const field = name.toLowerCase();
  return (head) => head.header(field) ?? head.clientAddress;
}

/** One cookie's value from a Cookie field (RFC 6265 section 4.2.1); the first if it is repeated. */
function cookieOf(field: string, name: string): string | undefined {
  for (const pair of field.split(";")) {
    const equals = pair.indexOf("=");
    if (equals >= 0 && pair.slice(0, equals).trim() === name) return pair.slice(equals + 1).trim();
  }
  return undefined;
}

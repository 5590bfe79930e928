/** Which fields end at this hop and which ones we add: the rules, for every engine alike. */

import type { RequestHead } from "./request-head.ts";

/** Fields that speak of one connection only (RFC 9110 section 7.6.1), with the two old ones for proxies' own logins. */
export const hopByHop: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "proxy-authenticate",
  "proxy-authorization",
  "te",
  "transfer-encoding",
  "upgrade",
]);

/** Lower-case names of the fields below that say where a request comes from. */
const forwardedNames: readonly string[] = ["for", "proto", "host", "port"].map(
  (part) => `x-forwarded-${part}`,
);

/**
 * Whether a lower-case name is one of those with underscores. Servers of the CGI family (RFC 3875 section 4.1.18) take both
 * spellings for one field, and a client's word for ours.
 */
export function isUnderscoreForwarded(name: string): boolean {
  return name.includes("_") && forwardedNames.includes(name.replaceAll("_", "-"));
}

/** Lower-case names that a Connection field lists; they end at this hop too. */
export function connectionTokens(connection: string | undefined): readonly string[] {
  if (connection === undefined) return [];
  return connection
    .toLowerCase()
    .split(",")
    .map((name) => name.trim())
    .filter((name) => name !== "");
}

/** How the balancer names itself in Via (RFC 9110 section 7.6.3) and Proxy-Status. */
export const viaName = "1.1 evenkeel";

/** Fields that an upstream gets from us; what a client sent under these names is replaced, or kept if it is trusted. */
export interface ForwardingHeaders {
  readonly "X-Forwarded-For": string;
  readonly "X-Forwarded-Proto": string;
  readonly "X-Forwarded-Host": string;
  readonly "X-Forwarded-Port": string;
  readonly Via: string;
}

export interface ForwardingOptions {
  /** Whether this address is a proxy of ours whose X-Forwarded fields may be believed. */
  readonly isTrustedProxy: (address: string) => boolean;
  /** The port that clients reach us on. */
  readonly listenPort: number;
}

/**
 * From a peer that is not trusted the fields say what we saw; from a trusted one what it said, with its address
 * added. `Forwarded` (RFC 7239) says the same in other words, and some servers believe it: a trusted peer's passes as it came,
 * any other one ends here. We write none of our own, since servers that know both would have to choose.
 */
export function forwardingHeaders(
  head: RequestHead,
  { isTrustedProxy, listenPort }: ForwardingOptions,
): ForwardingHeaders {
  const trusted = isTrustedProxy(head.clientAddress);
  const kept = (name: string) => (trusted ? head.header(name) : undefined);
  const chain = kept("x-forwarded-for");
  const via = head.header("via");
  return {
    "X-Forwarded-For": chain ? `${chain}, ${head.clientAddress}` : head.clientAddress,
    "X-Forwarded-Proto": kept("x-forwarded-proto") ?? head.scheme,
    "X-Forwarded-Host": kept("x-forwarded-host") ?? head.host,
    "X-Forwarded-Port": kept("x-forwarded-port") ?? String(listenPort),
    Via: via ? `${via}, ${viaName}` : viaName,
  };
}

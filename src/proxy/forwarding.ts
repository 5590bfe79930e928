/** Which headers end at this hop and which ones the balancer adds; the same for every engine. */

import { type Random, randomIndex } from "../lib/random.ts";
import { clientCertificateFields } from "../tls/client-certificate.ts";
import type { RequestHead } from "./request-head.ts";

/** Headers of one connection only (RFC 9110 section 7.6.1), with the two old ones for proxy authentication. */
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

/** Lower-case names of the X-Forwarded-* headers below. */
const forwardedNames: readonly string[] = ["for", "proto", "host", "port"].map(
  (part) => `x-forwarded-${part}`,
);

/**
 * Whether a lower-case name is an X-Forwarded-* header spelt with underscores. Servers of the CGI family (RFC 3875 section
 * 4.1.18) read both spellings as one header, and would accept a client's value as ours.
 */
export function isUnderscoreForwarded(name: string): boolean {
  return name.includes("_") && forwardedNames.includes(name.replaceAll("_", "-"));
}

/** Whether a lower-case name, in either spelling, tells upstreams about the certificate of a client. */
export function isClientCertificateField(name: string): boolean {
  return ownFields.has(name.includes("_") ? name.replaceAll("_", "-") : name);
}

const ownFields: ReadonlySet<string> = new Set(clientCertificateFields);

/** Lower-case names that a Connection header lists; those headers end at this hop too. */
export function connectionTokens(connection: string | undefined): readonly string[] {
  if (connection === undefined) return [];
  return connection
    .toLowerCase()
    .split(",")
    .map((name) => name.trim())
    .filter((name) => name !== "");
}

/** The name of one running balancer in Via (RFC 9110 section 7.6.3), by which it recognizes requests that come back. */
export function createViaName(random: Random): string {
  return `evenkeel-${randomIndex(random, 2 ** 32)
    .toString(16)
    .padStart(8, "0")}`;
}

/** How often a request has passed the balancer with this name. @param via the field, undefined if absent */
export function timesThrough(via: string | undefined, viaName: string): number {
  if (via === undefined) return 0;
  return via.split(",").filter(
    (hop) =>
      hop
        .trim()
        .split(/[ \t]+/, 2)[1]
        ?.toLowerCase() === viaName,
  ).length;
}

/** A request that passed this often already is not forwarded. Once may be wanted: a server that asks another one through us. */
export const maxTimesThrough = 2;

/** Headers that the balancer sets. A client's values are replaced, or kept if the peer is trusted. */
export interface ForwardingHeaders {
  readonly "X-Forwarded-For": string;
  readonly "X-Forwarded-Proto": string;
  readonly "X-Forwarded-Host": string;
  readonly "X-Forwarded-Port": string;
  readonly Via: string;
}

export interface ForwardingOptions {
  /** Whether the address is a trusted proxy, whose X-Forwarded-* headers are kept. */
  readonly isTrustedProxy: (address: string) => boolean;
  /** The port that clients reach us on. */
  readonly listenPort: number;
  /** See {@link createViaName}. */
  readonly viaName: string;
}

/**
 * For an untrusted peer the headers hold what the balancer measured; for a trusted one its own values, with its address
 * appended. `Forwarded` (RFC 7239) carries the same information, and some servers prefer it: a trusted peer's passes
 * unchanged, any other is removed. The balancer adds none of its own: a server that reads both would have to choose.
 */
export function forwardingHeaders(
  head: RequestHead,
  { isTrustedProxy, listenPort, viaName }: ForwardingOptions,
): ForwardingHeaders {
  const trusted = isTrustedProxy(head.peerAddress);
  const kept = (name: string) => (trusted ? head.header(name) : undefined);
  const chain = kept("x-forwarded-for");
  const via = head.header("via");
  return {
    "X-Forwarded-For": chain ? `${chain}, ${head.peerAddress}` : head.peerAddress,
    "X-Forwarded-Proto": kept("x-forwarded-proto") ?? head.scheme,
    "X-Forwarded-Host": kept("x-forwarded-host") ?? head.host,
    "X-Forwarded-Port": kept("x-forwarded-port") ?? String(listenPort),
    Via: via ? `${via}, 1.1 ${viaName}` : `1.1 ${viaName}`,
  };
}

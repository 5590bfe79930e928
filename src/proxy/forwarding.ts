/** Which headers end at this hop and which ones the balancer adds; the same for every engine. */

import { type Random, randomIndex } from "../lib/random.ts";
import { clientCertificateFields } from "../tls/client-certificate.ts";
import { foldedName } from "./head-edit.ts";
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

/**
 * Lower-case names of request fields that only a trusted peer may send, beside all that begin with X-Forwarded: servers take
 * the client's address or the path of the request from them.
 */
export const trustedOnlyFields = ["forwarded", "x-real-ip", "x-original-url", "x-rewrite-url"] as const;

const trustedOnly: ReadonlySet<string> = new Set(trustedOnlyFields);
const ownFields: ReadonlySet<string> = new Set(clientCertificateFields);

/**
 * Whose field of a client ends here: what it says of the client or of its certificate only the balancer may say (`all`), or a
 * trusted proxy too (`untrusted`). An unusual spelling of such a name, which no proxy writes, ends in any case: servers of
 * the CGI family (RFC 3875 section 4.1.18) and PHP read every character but letters and digits as the same one.
 * @param name in lower case  @returns undefined, nearly always, for a field that passes
 */
export function endsFor(name: string): "all" | "untrusted" | undefined {
  if (!firstLetters.has(name.charCodeAt(0))) return undefined;
  if (trustedOnly.has(name) || name.startsWith(forwardedPrefix)) return "untrusted";
  if (ownFields.has(name)) return "all";
  if (!/[^a-z\d-]/.test(name)) return undefined;
  const folded = foldedName(name);
  const isOurs = ownFields.has(folded) || trustedOnly.has(folded) || folded.startsWith(forwardedPrefix);
  return isOurs ? "all" : undefined;
}

const forwardedPrefix = "x-forwarded-";
const firstLetters: ReadonlySet<number> = new Set(
  [forwardedPrefix, ...trustedOnlyFields, ...clientCertificateFields].map((name) => name.charCodeAt(0)),
);

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

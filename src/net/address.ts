/** Addresses as plain values: upstream addresses with TLS parameters, loopback addresses and CIDR ranges. */

import { BlockList, isIPv4, isIPv6 } from "node:net";

/** The address of an upstream. */
export interface Address {
  readonly protocol: "http" | "https";
  readonly hostname: string;
  readonly port: number;
  /** Only for `https`. Without it the certificate is verified for `hostname` with the system's authorities. */
  readonly tls?: UpstreamTls;
  /** Whether it speaks HTTP/2: selected in the TLS handshake, or with prior knowledge for `http`. */
  readonly http2?: boolean;
}

/** How the certificate of an `https` upstream is verified. */
export interface UpstreamTls {
  /** PEM text of the trusted authorities, instead of the system's. */
  readonly ca?: string;
  /** Path of the file that `ca` was read from. */
  readonly caPath?: string;
  /** Name for SNI and certificate verification, instead of the host name. */
  readonly serverName?: string;
  /** False disables certificate verification. */
  readonly verify: boolean;
  /** The certificate for servers that ask for one. Never part of a snapshot, an intent or a log. */
  readonly clientCertificate?: ClientCertificate;
}

export interface ClientCertificate {
  /** PEM text. */
  readonly cert: string;
  readonly key: string;
  readonly certPath?: string;
  readonly keyPath?: string;
}

/** Options of TLS clients that have the same names in all runtimes. */
export interface TlsClientOptions {
  readonly rejectUnauthorized: boolean;
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

export function tlsClientOptions(tls: UpstreamTls = { verify: true }): TlsClientOptions {
  const { ca, verify, clientCertificate } = tls;
  return {
    rejectUnauthorized: verify,
    ...(ca !== undefined && { ca }),
    ...(clientCertificate && { cert: clientCertificate.cert, key: clientCertificate.key }),
  };
}

/** The address as a URL origin, without a path. */
export function originOf(address: Address): string {
  return `${address.protocol}://${authorityOf(address)}`;
}

/** The origin with another host for the same server: an IP address without brackets, or a name. */
export function originAt({ protocol, port }: Address, host: string): string {
  return `${protocol}://${host.includes(":") ? `[${host}]` : host}:${port}`;
}

export function speaksHttp2({ http2 = false }: Address): boolean {
  return http2;
}

/** Whether connections to two upstreams of one origin are opened in the same way. */
export function connectsAlike(one: Address, other: Address): boolean {
  const keys = ["ca", "caPath", "serverName", "verify"] as const;
  const pairKeys = ["cert", "key", "certPath", "keyPath"] as const;
  return (
    speaksHttp2(one) === speaksHttp2(other) &&
    keys.every((key) => one.tls?.[key] === other.tls?.[key]) &&
    pairKeys.every((key) => one.tls?.clientCertificate?.[key] === other.tls?.clientCertificate?.[key])
  );
}

/** The name that the certificate of an `https` upstream must match; an IPv6 address without brackets. */
export function certifiedName({ hostname, tls }: Address): string {
  return tls?.serverName ?? withoutRoot(hostname.replace(/^\[(.*)\]$/, "$1"));
}

/** A name without the final dot of the root, which certificates and SNI do not have (RFC 6066 section 3). */
export function withoutRoot(name: string): string {
  return name.endsWith(".") ? name.slice(0, -1) : name;
}

/** The address as host:port. */
export function authorityOf(address: Address): string {
  return `${address.hostname}:${address.port}`;
}

/** The Host of requests to the address: without a port that is the default of its scheme (RFC 9110 section 7.2). */
export function hostHeaderOf(address: Address): string {
  const defaultPort = address.protocol === "https" ? 443 : 80;
  const host = withoutRoot(address.hostname);
  return address.port === defaultPort ? host : `${host}:${address.port}`;
}

/** The name in a Host header: without a port, without the dot of the root, and in lower case (RFC 3986 section 3.2.2). */
export function hostNameIn(authority: string): string {
  let end = authority.length;
  let digits = end;
  while (digits > 0 && isDigit(authority.charCodeAt(digits - 1))) digits -= 1;
  if (digits > 0 && authority.charCodeAt(digits - 1) === 0x3a) end = digits - 1;
  if (end > 0 && authority.charCodeAt(end - 1) === 0x2e) end -= 1;
  return (end === authority.length ? authority : authority.slice(0, end)).toLowerCase();
}

function isDigit(code: number): boolean {
  return code >= 0x30 && code <= 0x39;
}

/** A listener's host and port as in a URL: "[::1]:80" (RFC 3986 section 3.2.2). @param hostname an IPv6 address without brackets, or any other host */
export function hostAndPort(hostname: string, port: number): string {
  const isBare = hostname.includes(":") && !hostname.startsWith("[");
  return `${isBare ? `[${hostname}]` : hostname}:${port}`;
}

/** "::ffff:192.0.2.1" → "192.0.2.1": listeners on both families report IPv4 peers as IPv4-mapped IPv6 (RFC 4291). */
export function plainAddress(address: string): string {
  return address.startsWith("::ffff:") && address.includes(".") ? address.slice(7) : address;
}

/** True for "localhost" and names below it (RFC 6761 section 6.3), 127.0.0.0/8, and ::1 with or without brackets. */
export function isLoopback(hostname: string): boolean {
  const name = hostname.toLowerCase().replace(/^\[|\]$/g, "");
  return (
    name === "localhost" ||
    name.endsWith(".localhost") ||
    name === "::1" ||
    /^127(\.(25[0-5]|2[0-4]\d|1?\d?\d)){3}$/.test(name)
  );
}

/**
 * @param ranges addresses and CIDR ranges, already validated
 * @returns whether an IP address is in one of the ranges; false for text that is not an IP address
 */
export function trustedProxyMatcher(ranges: readonly string[]): (address: string) => boolean {
  if (ranges.length === 0) return () => false;
  const list = new BlockList();
  for (const range of ranges) {
    const [address = "", prefix] = range.split("/");
    const family = familyOf(address);
    if (prefix === undefined) list.addAddress(address, family);
    else list.addSubnet(address, Number(prefix), family);
  }
  return (address) => (isIPv4(address) || isIPv6(address)) && list.check(address, familyOf(address));
}

function familyOf(address: string): "ipv4" | "ipv6" {
  return isIPv4(address) ? "ipv4" : "ipv6";
}

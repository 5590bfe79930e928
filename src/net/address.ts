/** Addresses as plain values: of upstreams with their TLS parameters, of this machine, and CIDR ranges. */

import { BlockList, isIPv4, isIPv6 } from "node:net";

/** Where an upstream listens. */
export interface Address {
  readonly protocol: "http" | "https";
  readonly hostname: string;
  readonly port: number;
  /** Present where an `https` upstream is not simply checked against the system's authorities and its own name. */
  readonly tls?: UpstreamTls;
}

/** How an `https` upstream proves who it is. */
export interface UpstreamTls {
  /** PEM text of the authorities that are believed instead of the system's. */
  readonly ca?: string;
  /** Where that text came from. */
  readonly caPath?: string;
  /** The name to ask for and to check, instead of the host name. */
  readonly serverName?: string;
  /** False believes any certificate. */
  readonly verify: boolean;
}

/** The address as a URL's origin, without a path. */
export function originOf(address: Address): string {
  return `${address.protocol}://${authorityOf(address)}`;
}

/** Whether both upstreams of one origin are judged alike. */
export function isSameTls(one: UpstreamTls | undefined, other: UpstreamTls | undefined): boolean {
  const keys = ["ca", "caPath", "serverName", "verify"] as const;
  return keys.every((key) => one?.[key] === other?.[key]);
}

/** The name that an `https` upstream's certificate has to be for; an IPv6 address without its brackets. */
export function certifiedName({ hostname, tls }: Address): string {
  return tls?.serverName ?? hostname.replace(/^\[(.*)\]$/, "$1");
}

/** The address as host:port. */
export function authorityOf(address: Address): string {
  return `${address.hostname}:${address.port}`;
}

/** "::ffff:192.0.2.1" → "192.0.2.1": listeners on both families report IPv4 peers as IPv4-mapped IPv6 (RFC 4291). */
export function plainAddress(address: string): string {
  return address.startsWith("::ffff:") && address.includes(".") ? address.slice(7) : address;
}

/** "localhost", names below it (RFC 6761 section 6.3), 127.0.0.0/8 and ::1, with or without brackets. */
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
 * @param ranges addresses and CIDR ranges, already checked
 * @returns whether an address lies in one of them
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

/** Whether a host name or address is this machine's own, without a look at DNS. */

import { BlockList, isIPv4, isIPv6 } from "node:net";

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

// Which peers are proxies of ours, whose word about a client's address is believed.

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

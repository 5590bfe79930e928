/** Which peers are proxies of ours, whose word about a client's address is believed. */

import { BlockList, isIPv4, isIPv6 } from "node:net";

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

/** Finds names as this machine does: hosts file, search list, DNS. */

import { isIP, isIPv6 } from "node:net";

import { isLoopback } from "../net/address.ts";
import type { Dns, DnsResult } from "./client.ts";
import { plainName } from "./message.ts";
import { parseHosts, ParsedFile, type ResolverConfig } from "./resolv-conf.ts";

const systemHosts = new ParsedFile("/etc/hosts", parseHosts);

/** The names that a short name may mean, in the order in which they are tried. Source: resolv.conf(5), `search` and `ndots`. */
export function candidatesFor(
  name: string,
  { search, ndots }: Pick<ResolverConfig, "search" | "ndots">,
): readonly string[] {
  if (name.endsWith(".")) return [name.slice(0, -1)];
  const searched = search.map((domain) => `${name}.${domain}`);
  const dots = name.split(".").length - 1;
  return dots >= ndots ? [name, ...searched] : [...searched, name];
}

export type AddressKind = 4 | 6;

/** The results for one name, by what was asked for. */
export type Results<Key> = ReadonlyMap<Key, DnsResult>;

/**
 * Asks for the first candidate that has anything of what is asked for. A failure ends the search: the next candidate might be
 * another server's.
 */
export async function firstFound<Key>(
  candidates: readonly string[],
  keys: readonly Key[],
  ask: (name: string, key: Key) => Promise<DnsResult>,
): Promise<Results<Key>> {
  let results = new Map<Key, DnsResult>();
  for (const name of candidates) {
    results = new Map(await Promise.all(keys.map(async (key) => [key, await ask(name, key)] as const)));
    if ([...results.values()].some(({ kind }) => kind !== "none")) break;
  }
  return results;
}

/** The addresses of a name. Both families are asked for at the same time. */
export function findAddresses(
  name: string,
  families: readonly AddressKind[],
  dns: Dns,
): Promise<Results<AddressKind>> {
  return firstFound(candidatesFor(name, dns.config()), families, (candidate, family) =>
    dns.ask({ name: candidate, type: family === 4 ? "A" : "AAAA" }),
  );
}

/**
 * What is known without DNS: from the hosts file, where it counts, and of localhost (RFC 6761 section 6.3). Undefined for
 * all other names.
 */
export function localAddresses(
  name: string,
  { usesSystem }: Pick<Dns, "usesSystem">,
  hosts: () => ReadonlyMap<string, readonly string[]> = () => systemHosts.value,
): readonly string[] | undefined {
  const plain = plainName(name);
  if (isIP(plain) !== 0) return [plain];
  const listed = usesSystem() || isLoopback(plain) ? hosts().get(plain) : undefined;
  return listed ?? (isLoopback(plain) ? ["127.0.0.1", "::1"] : undefined);
}

export function familyOf(address: string): AddressKind {
  return isIPv6(address) ? 6 : 4;
}

/** Resolves a host name to its addresses and the time for which they are valid. The runtimes' own caches are not used. */

import { lookup, Resolver } from "node:dns/promises";

import { isLoopback } from "../net/address.ts";

export interface DnsAnswer {
  /** IP addresses in the order of the answer; never empty. */
  readonly hosts: readonly string[];
  /** Time until the name should be resolved again, milliseconds. */
  readonly ttlMs: number;
}

/** Rejects with the system's error, which has a `code` such as ENOTFOUND. */
export type ResolveName = (name: string) => Promise<DnsAnswer>;

/** An answer is not kept longer than this, whatever its TTL says: a name must be able to move. */
export const maxTtlMs = 30_000;

/** For an answer that comes without a TTL: from the hosts file, or by the system's search list. */
const unknownTtlMs = 10_000;

/** More addresses than this are ignored. */
const maxHosts = 64;

/** Timeout of one query to one server, and how often it is sent. */
const queryOptions = { timeout: 2_000, tries: 2 };

/**
 * The system decides (hosts file, search list, name service switch), as for every other program. It reports no TTL, which
 * a DNS query adds. With servers, only those are queried.
 * @param servers addresses of DNS servers, "10.0.0.53" or "10.0.0.53:5353"; empty for the system's
 */
export function createNameResolver(servers: readonly string[]): ResolveName {
  return async (name) => {
    const isLocal = isLoopback(name);
    if (servers.length > 0 && !isLocal) return answerOf(await queryDns(name, servers));
    const [found, records] = await Promise.all([
      lookup(name, { all: true, order: "verbatim" }),
      isLocal ? [] : queryDns(name, []).catch(() => []),
    ]);
    const ttls = new Map(records.map(({ address, ttl }) => [address, ttl]));
    return answerOf(found.map(({ address }) => ({ address, ttl: ttls.get(address) })));
  };
}

interface AddressRecord {
  readonly address: string;
  /** In seconds. */
  readonly ttl: number | undefined;
}

/** Both address families. One is enough. */
async function queryDns(name: string, servers: readonly string[]): Promise<readonly AddressRecord[]> {
  // A resolver keeps answers for their whole TTL. A new one sends a query.
  const resolver = new Resolver(queryOptions);
  if (servers.length > 0) resolver.setServers([...servers]);
  const answers = await Promise.allSettled([
    resolver.resolve4(name, { ttl: true }),
    resolver.resolve6(name, { ttl: true }),
  ]);
  const records = answers.flatMap((answer) => (answer.status === "fulfilled" ? answer.value : []));
  const [first] = answers;
  if (records.length === 0) throw first.status === "rejected" ? first.reason : notFound(name);
  return records;
}

function answerOf(records: readonly AddressRecord[]): DnsAnswer {
  const ttls = records.map(({ ttl }) => (ttl === undefined ? unknownTtlMs : ttl * 1_000));
  return {
    hosts: records.slice(0, maxHosts).map(({ address }) => address),
    ttlMs: Math.min(maxTtlMs, ...ttls),
  };
}

function notFound(name: string): Error {
  return Object.assign(new Error(`Cannot resolve ${name}: it has no address`), { code: "ENOTFOUND" });
}

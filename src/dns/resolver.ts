/** Resolves a host name to its addresses and the time for which they are valid. The runtimes' own caches are not used. */

import { lookup } from "node:dns/promises";

import { systemSchedule } from "../lib/clock.ts";
import { isLoopback } from "../net/address.ts";
import { createDns, type Dns } from "./client.ts";
import { findAddresses } from "./names.ts";

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

/**
 * The system decides (hosts file, search list, name service switch), as for every other program. It reports no TTL, which
 * a DNS query adds. With servers, only those are queried.
 * @param servers addresses of DNS servers, "10.0.0.53" or "10.0.0.53:5353"; empty for the system's
 */
export function createNameResolver(servers: readonly string[], schedule = systemSchedule): ResolveName {
  const dns = createDns(() => servers, schedule);
  return async (name) => {
    const isLocal = isLoopback(name);
    if (servers.length > 0 && !isLocal) return answerOf(await queryDns(name, dns));
    const [found, records] = await Promise.all([
      lookup(name, { all: true, order: "verbatim" }),
      isLocal ? [] : queryDns(name, dns).catch(() => []),
    ]);
    const ttls = new Map(records.map(({ address, ttlMs }) => [address, ttlMs]));
    return answerOf(found.map(({ address }) => ({ address, ttlMs: ttls.get(address) })));
  };
}

interface AddressRecord {
  readonly address: string;
  readonly ttlMs: number | undefined;
}

/** Both address families. One is enough. */
async function queryDns(name: string, dns: Dns): Promise<readonly AddressRecord[]> {
  const results = [...(await findAddresses(name, [4, 6], dns)).values()];
  const records = results.flatMap((result) =>
    result.kind === "answer" ? result.addresses.map((address) => ({ address, ttlMs: result.ttlMs })) : [],
  );
  const failed = results.find((result) => result.kind === "failed");
  if (records.length === 0) throw notFound(name, failed?.why);
  return records;
}

function answerOf(records: readonly AddressRecord[]): DnsAnswer {
  return {
    hosts: records.slice(0, maxHosts).map(({ address }) => address),
    ttlMs: Math.min(maxTtlMs, ...records.map(({ ttlMs }) => ttlMs ?? unknownTtlMs)),
  };
}

function notFound(name: string, why = "it has no address"): Error {
  return Object.assign(new Error(`Cannot resolve ${name}: ${why}`), { code: "ENOTFOUND" });
}

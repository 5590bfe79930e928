/** Members from the records of a service in DNS (RFC 2782): servers with their ports, priorities and weights. */

import type { SrvSettings } from "../config/dns-source.ts";
import type { ServiceRecord } from "../dns/message.ts";
import { candidatesFor, type AddressKind, familyOf, firstFound } from "../dns/names.ts";
import {
  addressesOf,
  askAgain,
  type DnsContext,
  familiesFor,
  KeptAddresses,
  type Round,
} from "./dns-source.ts";
import { type DiscoveredMember, type DiscoverySource, type EntryOf, maxMembers, memberAt } from "./source.ts";

export function createSrvSource(
  { source: { name, family }, template }: EntryOf<SrvSettings>,
  context: DnsContext,
): DiscoverySource {
  const families = familiesFor(family);
  const kept = new KeptAddresses();
  return {
    start: (listener) =>
      askAgain(context, listener, async (): Promise<Round> => {
        const { dns } = context;
        const results = await firstFound(
          candidatesFor(name, dns.config()),
          ["SRV"] as const,
          (candidate, type) => dns.ask({ name: candidate, type }),
        );
        const reply = results.get("SRV");
        if (!reply || reply.kind === "failed") return { kind: "failed", why: reply?.why ?? "no answer" };
        if (reply.kind === "none")
          return { kind: "absent", why: `${name}: ${reply.why}`, ttlMs: reply.ttlMs };
        const services = ranked(reply.services);
        if (services.length === 0)
          return { kind: "absent", why: `${name}: the service is not offered`, ttlMs: reply.ttlMs };
        const targets = await resolveTargets(services, reply.targets, { families, kept, context });
        const members = services.flatMap((service): readonly DiscoveredMember[] => {
          const { port, target, weight, backup } = service;
          const hosts = targets.addresses.get(target) ?? [];
          return hosts.map((hostname) =>
            memberAt(template, { hostname, port, weight, backup, serverName: target }),
          );
        });
        if (members.length === 0)
          return targets.failure ?? { kind: "failed", why: `${name}: no target has an address` };
        return { kind: "answered", answer: { members }, ttlMs: Math.min(reply.ttlMs, targets.ttlMs) };
      }),
  };
}

interface RankedService {
  readonly target: string;
  readonly port: number;
  /** 1 to 256. */
  readonly weight: number;
  readonly backup: boolean;
}

const maxWeight = 256;

/** The lowest priority serves, and all others are backups. The target "." says that there is no such service. */
export function ranked(services: readonly ServiceRecord[]): readonly RankedService[] {
  const offered = services.filter(({ target, port }) => target !== "" && port > 0).slice(0, maxMembers);
  const first = offered.reduce((lowest, { priority }) => Math.min(lowest, priority), Infinity);
  const heaviest = offered.reduce((most, { weight }) => Math.max(most, weight), 0);
  // Small weights are what people write: they stay as they are.
  const scale = heaviest > maxWeight ? maxWeight / heaviest : 1;
  return offered.map(({ target, port, weight, priority }) => ({
    ...{ target, port },
    weight: Math.max(1, Math.round(weight * scale)),
    backup: priority > first,
  }));
}

interface Targets {
  readonly addresses: ReadonlyMap<string, readonly string[]>;
  readonly ttlMs: number;
  /** The first failure, for a service none of whose targets has an address. */
  readonly failure: Extract<Round, { kind: "failed" }> | undefined;
}

interface TargetQuery {
  readonly families: readonly AddressKind[];
  readonly kept: KeptAddresses;
  readonly context: Pick<DnsContext, "dns">;
}

/** Most servers of DNS add the addresses of the targets to their answer. The others are asked. */
async function resolveTargets(
  services: readonly RankedService[],
  included: ReadonlyMap<string, readonly string[]>,
  { families, kept, context }: TargetQuery,
): Promise<Targets> {
  const names = new Set(services.map(({ target }) => target));
  const addresses = new Map<string, readonly string[]>();
  let ttlMs = Infinity;
  let failure: Targets["failure"];
  await Promise.all(
    [...names].map(async (target) => {
      const known = included.get(target)?.filter((address) => families.includes(familyOf(address))) ?? [];
      if (known.length > 0) return void addresses.set(target, known);
      // With the dot of the root: the name is whole.
      const found = await addressesOf(`${target}.`, families, { context, kept });
      if (found.kind === "answered") {
        addresses.set(target, found.addresses);
        ttlMs = Math.min(ttlMs, found.ttlMs);
      } else if (found.kind === "failed") {
        failure ??= found;
        ttlMs = Math.min(ttlMs, retryMs);
        addresses.set(target, kept.of(`${target}.`));
      }
    }),
  );
  kept.retain(new Set([...names].map((name) => `${name}.`)));
  return { addresses, ttlMs, failure };
}

/** A target that could not be resolved is asked for again so soon. */
const retryMs = 5_000;

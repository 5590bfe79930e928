/** The last answer of a source as it is kept over a restart: without TLS settings, which the configuration has. */

import type { MemberTemplate } from "../config/discovery.ts";
import { asArray, asRecord, parseJson } from "../lib/json.ts";
import { type DiscoveredMember, maxMembers, memberAt } from "./source.ts";

export function serializeMembers(members: readonly DiscoveredMember[]): string {
  return JSON.stringify(
    members.map(({ address, weight, backup, name }) => ({
      ...{ protocol: address.protocol, hostname: address.hostname, port: address.port },
      ...{ weight, backup, name },
      serverName: address.tls?.serverName,
    })),
  );
}

/** Entries that are no members are left out: the file may be another version's. */
export function parseMembers(json: string, template: MemberTemplate): readonly DiscoveredMember[] {
  return asArray(parseJson(json))
    .slice(0, maxMembers)
    .flatMap((entry): readonly DiscoveredMember[] => {
      const { protocol, hostname, port, weight, backup, name, serverName } = asRecord(entry);
      if (protocol !== "http" && protocol !== "https") return [];
      if (typeof hostname !== "string" || typeof port !== "number" || !isWeight(weight)) return [];
      const facts = { hostname, port, weight, backup: backup === true };
      return [
        memberAt(
          { ...template, protocol },
          {
            ...facts,
            ...(typeof name === "string" && { name }),
            ...(typeof serverName === "string" && { serverName }),
          },
        ),
      ];
    });
}

function isWeight(value: unknown): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= 256;
}

/** The wire format of DNS (RFC 1035): encodes questions, and reads what comes back. */

import { isIPv4, isIPv6 } from "node:net";

import {
  AUTHORITATIVE_ANSWER,
  decode,
  encode,
  type Packet,
  RECURSION_DESIRED,
  type SrvAnswer,
  TRUNCATED_RESPONSE,
} from "dns-packet";

export type RecordType = "A" | "AAAA" | "SRV";

export interface DnsQuestion {
  /** Without the dot of the root. */
  readonly name: string;
  readonly type: RecordType;
}

/** A service's record (RFC 2782). */
export interface ServiceRecord {
  readonly priority: number;
  readonly weight: number;
  readonly port: number;
  /** In lower case, without the dot of the root; empty where the service is not offered. */
  readonly target: string;
}

export type DnsReply =
  | {
      readonly kind: "answer";
      /** Of A and AAAA questions. */
      readonly addresses: readonly string[];
      /** Of SRV questions. */
      readonly services: readonly ServiceRecord[];
      /** Addresses of services' targets that came with the answer. */
      readonly targets: ReadonlyMap<string, readonly string[]>;
      readonly ttlMs: number;
    }
  /** There is no such name, or no such record of it. */
  | { readonly kind: "none"; readonly why: string; readonly ttlMs: number }
  | { readonly kind: "failed"; readonly why: string }
  /** The server does not understand the extension of the question (RFC 6891 section 7). */
  | { readonly kind: "unextended" }
  | { readonly kind: "truncated" };

/** The size that fits into one packet on every path. Source: DNS Flag Day 2020. */
const udpPayloadBytes = 1_232;

/** Sections of hostile or broken messages are read so far. */
const maxRecords = 4_096;

/** A chain of aliases is followed so far. */
const maxAliases = 16;

/** @param isExtended with EDNS(0), which asks for answers above 512 bytes (RFC 6891) */
export function encodeQuestion(id: number, { name, type }: DnsQuestion, isExtended = true): Uint8Array {
  return encode({
    type: "query",
    id,
    flags: RECURSION_DESIRED,
    questions: [{ type, name }],
    ...(isExtended && {
      additionals: [
        {
          type: "OPT",
          name: ".",
          udpPayloadSize: udpPayloadBytes,
          flags: 0,
          extendedRcode: 0,
          ednsVersion: 0,
          flag_do: false,
          options: [],
        },
      ],
    }),
  } as Packet);
}

/** @returns undefined for a message that is no answer to this question, or cannot be read */
export function readReply(message: Uint8Array, id: number, question: DnsQuestion): DnsReply | undefined {
  const packet = decoded(message);
  if (!packet || packet.id !== id || packet.type !== "response") return undefined;
  const rcode = (packet as { readonly rcode?: string }).rcode ?? "";
  const [asked] = packet.questions ?? [];
  // Servers that cannot read a question may leave it out.
  if (!asked && (rcode === "FORMERR" || rcode === "NOTIMP")) return { kind: "unextended" };
  if (!asked || asked.type !== question.type || plainName(asked.name) !== plainName(question.name))
    return undefined;
  if (rcode === "FORMERR" || rcode === "NOTIMP") return { kind: "unextended" };
  if (((packet.flags ?? 0) & TRUNCATED_RESPONSE) !== 0) return { kind: "truncated" };
  if (rcode === "NXDOMAIN")
    return { kind: "none", why: "there is no such name", ttlMs: negativeTtlMs(packet) };
  if (rcode !== "NOERROR") return { kind: "failed", why: rcode };
  return answerIn(packet, question);
}

function decoded(message: Uint8Array): Packet | undefined {
  try {
    const { buffer, byteOffset, length } = message;
    return decode(Buffer.from(buffer, byteOffset, length));
  } catch {
    // The library throws for everything that is no message.
    return undefined;
  }
}

type Answers = NonNullable<Packet["answers"]>;

/** @returns undefined for an answer whose addresses are none */
function answerIn(packet: Packet, { name, type }: DnsQuestion): DnsReply | undefined {
  const answers = (packet.answers ?? []).slice(0, maxRecords);
  const followed = followAliases(answers, plainName(name));
  if (!followed) return { kind: "failed", why: "its aliases have no end" };
  const { owner, ttlSeconds } = followed;
  const found = answers.filter((record) => record.type === type && plainName(record.name) === owner);
  if (found.length === 0 && isReferral(packet))
    return { kind: "failed", why: "it only names another server; ask one that resolves" };
  if (found.length === 0)
    return { kind: "none", why: `it has no ${type} record`, ttlMs: negativeTtlMs(packet) };
  if (!found.every(hasAddress)) return undefined;
  const ttls = found.map((record) => ("ttl" in record ? (record.ttl ?? 0) : 0));
  return {
    kind: "answer",
    addresses: found.flatMap((record) =>
      record.type === "A" || record.type === "AAAA" ? [record.data] : [],
    ),
    services: found.flatMap((record) => (record.type === "SRV" ? [serviceIn(record)] : [])),
    targets: type === "SRV" ? addressesIn(packet.additionals ?? []) : new Map(),
    ttlMs: Math.min(ttlSeconds, ...ttls) * 1_000,
  };
}

/** The library takes any bytes of the record for an address, also two. */
function hasAddress(record: Answers[number]): boolean {
  if (record.type === "A") return isIPv4(record.data);
  return record.type !== "AAAA" || isIPv6(record.data);
}

/** A server that does not resolve, and knows only who may know (RFC 2308 section 2.2): that is not "there is nothing". */
function isReferral({ flags = 0, answers = [], authorities = [] }: Packet): boolean {
  return (
    (flags & AUTHORITATIVE_ANSWER) === 0 &&
    answers.length === 0 &&
    authorities.some(({ type }) => type === "NS") &&
    !authorities.some(({ type }) => type === "SOA")
  );
}

/** The name that an alias leads to in the end, and the shortest time to live on the way. Undefined for a loop. */
function followAliases(
  answers: Answers,
  name: string,
): { readonly owner: string; readonly ttlSeconds: number } | undefined {
  const aliases = new Map(
    answers.flatMap((record) => (record.type === "CNAME" ? [[plainName(record.name), record] as const] : [])),
  );
  let owner = name;
  let ttlSeconds = Infinity;
  for (let count = 0; count <= maxAliases; count++) {
    const alias = aliases.get(owner);
    if (!alias) return { owner, ttlSeconds };
    ttlSeconds = Math.min(ttlSeconds, alias.ttl ?? 0);
    owner = plainName(alias.data);
  }
  return undefined;
}

function serviceIn({ data }: SrvAnswer): ServiceRecord {
  const { priority = 0, weight = 0, port, target } = data;
  return { priority, weight, port, target: plainName(target) };
}

function addressesIn(records: Answers): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, string[]>();
  for (const record of records.slice(0, maxRecords)) {
    if ((record.type !== "A" && record.type !== "AAAA") || !hasAddress(record)) continue;
    const name = plainName(record.name);
    found.set(name, [...(found.get(name) ?? []), record.data]);
  }
  return found;
}

/** How long "there is nothing" is valid (RFC 2308 section 5); 0 if the server does not say. */
function negativeTtlMs({ authorities = [] }: Packet): number {
  const soa = authorities.find((record) => record.type === "SOA");
  return soa?.type === "SOA" ? Math.min(soa.ttl ?? 0, soa.data.minimum ?? 0) * 1_000 : 0;
}

/** Names are compared without regard to case (RFC 4343). */
export function plainName(name: string): string {
  return name.replace(/\.$/, "").toLowerCase();
}

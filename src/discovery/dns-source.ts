/** Members from the addresses of a name in DNS. Asks again when the answer expires. */

import type { AddressFamily, DnsSettings } from "../config/dns-source.ts";
import type { DnsResult } from "../dns/client.ts";
import { type AddressKind, familyOf, findAddresses, localAddresses } from "../dns/names.ts";
import { withoutRoot } from "../net/address.ts";
import type { Cancel } from "../lib/clock.ts";
import {
  type DiscoveryListener,
  type DiscoverySource,
  type EntryOf,
  memberAt,
  type SourceContext,
} from "./source.ts";

const familiesOf: Readonly<Record<AddressFamily, readonly AddressKind[]>> = {
  any: [4, 6],
  ipv4: [4],
  ipv6: [6],
};

export function familiesFor(family: AddressFamily): readonly AddressKind[] {
  return familiesOf[family];
}

export type DnsContext = Pick<SourceContext, "schedule" | "random" | "dns">;

export function createDnsSource(
  { source: { name, port, family }, template }: EntryOf<DnsSettings>,
  context: DnsContext,
): DiscoverySource {
  const families = familiesFor(family);
  const addresses = new KeptAddresses();
  return {
    start: (listener) =>
      askAgain(context, listener, async () => {
        const found = await addressesOf(name, families, { context, kept: addresses });
        if (found.kind !== "answered") return found;
        const members = found.addresses.map((hostname) =>
          memberAt(template, { hostname, port, serverName: withoutRoot(name) }),
        );
        return { kind: "answered", answer: { members }, ttlMs: found.ttlMs };
      }),
  };
}

/** One round of questions. */
export type Round =
  | {
      readonly kind: "answered";
      readonly answer: Parameters<DiscoveryListener["answered"]>[0];
      readonly ttlMs: number;
    }
  | { readonly kind: "absent"; readonly why: string; readonly ttlMs: number }
  | { readonly kind: "failed"; readonly why: string };

/** An answer is asked for again after its time to live, within these. */
const minTtlMs = 1_000;
const maxTtlMs = 300_000;

/** "There is nothing" is often wrong, and soon over. */
const maxAbsentTtlMs = 10_000;

/** The wait after the first failure; it doubles up to the longest. */
const minRetryMs = 1_000;
const maxRetryMs = 30_000;

/** Answers that came together do not expire together: each wait is shorter by a random share up to this. */
const spread = 0.1;

/** Asks round after round until it is cancelled. */
export function askAgain(
  { schedule, random }: Pick<SourceContext, "schedule" | "random">,
  listener: DiscoveryListener,
  ask: () => Promise<Round>,
): Cancel {
  let isCancelled = false;
  let cancel: Cancel | undefined;
  let failures = 0;
  const run = async () => {
    const round = await ask();
    if (isCancelled) return;
    const waitMs = waitAfter(round, failures);
    failures = round.kind === "failed" ? failures + 1 : 0;
    cancel = schedule(Math.max(minTtlMs, waitMs * (1 - spread * random())), () => void run());
    if (round.kind === "answered") listener.answered(round.answer);
    else listener[round.kind](round.why);
  };
  void run();
  return () => {
    isCancelled = true;
    cancel?.();
  };
}

function waitAfter(round: Round, failures: number): number {
  if (round.kind === "failed") return Math.min(minRetryMs * 2 ** failures, maxRetryMs);
  return Math.min(round.ttlMs, round.kind === "absent" ? maxAbsentTtlMs : maxTtlMs);
}

export type FoundAddresses =
  | { readonly kind: "answered"; readonly addresses: readonly string[]; readonly ttlMs: number }
  | Exclude<Round, { kind: "answered" }>;

interface AddressQuery {
  readonly context: Pick<SourceContext, "dns">;
  /** Of the answers before. */
  readonly kept: KeptAddresses;
}

/** The hosts file is read again so often. */
const localTtlMs = 5_000;

/** The addresses of a name. Where one family fails, its last answer stays: half an answer must not remove the other half. */
export async function addressesOf(
  name: string,
  families: readonly AddressKind[],
  { context: { dns }, kept }: AddressQuery,
): Promise<FoundAddresses> {
  const local = localAddresses(name, dns)?.filter((address) => families.includes(familyOf(address)));
  if (local && local.length > 0) return { kind: "answered", addresses: local, ttlMs: localTtlMs };
  const results = await findAddresses(name, families, dns);
  return kept.merge(name, results);
}

/** The last addresses of each name and family. */
export class KeptAddresses {
  readonly #last = new Map<string, readonly string[]>();

  merge(name: string, results: ReadonlyMap<AddressKind, DnsResult>): FoundAddresses {
    const all = [...results.values()];
    const failed = all.find((result) => result.kind === "failed");
    const answers = all.filter((result) => result.kind === "answer");
    const none = all.find((result) => result.kind === "none");
    if (answers.length === 0) {
      if (failed || !none) return { kind: "failed", why: failed?.why ?? "no answer" };
      return { kind: "absent", why: `${name}: ${none.why}`, ttlMs: none.ttlMs };
    }
    for (const [family, result] of results)
      if (result.kind !== "failed")
        this.#last.set(`${family} ${name}`, result.kind === "answer" ? result.addresses : []);
    const addresses = [...results.keys()].flatMap((family) => this.#last.get(`${family} ${name}`) ?? []);
    return { kind: "answered", addresses, ttlMs: Math.min(...answers.map(({ ttlMs }) => ttlMs)) };
  }

  /** The last addresses of a name. */
  of(name: string): readonly string[] {
    return ([4, 6] as const).flatMap((family) => this.#last.get(`${family} ${name}`) ?? []);
  }

  /** Forgets all other names. */
  retain(names: ReadonlySet<string>): void {
    for (const key of this.#last.keys()) if (!names.has(key.slice(2))) this.#last.delete(key);
  }
}

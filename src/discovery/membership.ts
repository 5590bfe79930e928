/** Which members of a source belong to the pool: by its answers, its failures and the time. Pure: the clock is passed in. */

import { originOf } from "../net/address.ts";
import { type DiscoveredMember, maxMembers } from "./source.ts";

/** A source that fails for so long is stale: shorter failures mend themselves. */
const staleAfterMs = 5_000;

/** "There is nothing" empties a source only if it is said so often, and for so long: a zone that is just being loaded has no names. */
const absencesToLeave = 3;
const absentMs = 30_000;

/** Answers in a row, and time, that leave a member out before it departs, where answers may be samples. */
const missesToLeave = 2;
const missingMs = 3_000;

/** A member that comes back again and again departs later each time: 10 s, 20 s … 5 min. Without a return for so long, that ends. */
const flapMs = 10_000;
const maxFlapMs = 300_000;
const flapMemoryMs = 600_000;

interface KnownMember {
  member: DiscoveredMember;
  /** Whether the last answer has it. */
  isListed: boolean;
  /** Clock time of the first answer without it, and how many followed. */
  missingSince: number;
  misses: number;
  /** Whether it belongs to the pool. */
  isWanted: boolean;
  /** Clock time of its last departure; -Infinity before the first. */
  departedAt: number;
  /** Returns shortly after a departure. */
  flaps: number;
}

/**
 * ```
 *  a member:   listed ──(left out)──▶ missing ──(answers, time)──▶ departed ──(listed)──▶ listed
 *  a source:   answering ──(failure)──▶ failing ──5 s──▶ stale ──(answer)──▶ answering
 * ```
 */
export class Membership {
  readonly #isSampled: boolean;
  /** By origin. */
  readonly #known = new Map<string, KnownMember>();
  #answeredAt: number | undefined;
  #failingSince: number | undefined;
  #absentSince: number | undefined;
  #absences = 0;
  #isEmptied = false;
  #why = "";
  #omitted = 0;

  /** @param isSampled whether answers may leave members out */
  constructor(isSampled: boolean) {
    this.#isSampled = isSampled;
  }

  /** The members of the pool, in the order in which they were reported first. Brought up to date by `settle`. */
  get wanted(): readonly DiscoveredMember[] {
    return [...this.#known.values()].filter(({ isWanted }) => isWanted).map(({ member }) => member);
  }

  /** Clock time of the last answer, also one of absence; undefined before the first. */
  get answeredAt(): number | undefined {
    return this.#answeredAt;
  }

  /** Clock time since which the source fails. */
  get failingSince(): number | undefined {
    return this.#failingSince;
  }

  /** Clock time since which it says that there is nothing. */
  get absentSince(): number | undefined {
    return this.#absentSince;
  }

  /** Why it fails, or has nothing; empty while it has members. */
  get why(): string {
    return this.#why;
  }

  /** Members of the last answer beyond the limit. */
  get omitted(): number {
    return this.#omitted;
  }

  /** Members kept in memory, with the ones that may come back. */
  get remembered(): number {
    return this.#known.size;
  }

  /** Whether the source has failed long enough to tell so. */
  isStale(now: number): boolean {
    return this.#failingSince !== undefined && now - this.#failingSince >= staleAfterMs;
  }

  /** Members of before a restart, until the first answer. */
  restore(members: readonly DiscoveredMember[], now: number): void {
    for (const [origin, member] of this.#withinLimit(byOrigin(members))) this.#list(origin, member, now);
  }

  answered(members: readonly DiscoveredMember[], now: number): void {
    const all = byOrigin(members);
    const listed = this.#withinLimit(all);
    this.#omitted = all.size - listed.size;
    this.#heard(now, "");
    this.#absentSince = undefined;
    this.#absences = 0;
    this.#isEmptied = false;
    for (const [origin, known] of this.#known) if (!listed.has(origin)) miss(known, now);
    for (const [origin, member] of listed) this.#list(origin, member, now);
  }

  /** The source answered that it has no members. */
  absent(why: string, now: number): void {
    this.#heard(now, why);
    this.#absentSince ??= now;
    this.#absences += 1;
    this.#isEmptied ||= this.#absences >= absencesToLeave && now - this.#absentSince >= absentMs;
  }

  failed(why: string, now: number): void {
    this.#failingSince ??= now;
    this.#why = why;
  }

  /** Brings `wanted` up to date. @returns whether it changed */
  settle(now: number): boolean {
    let isChanged = false;
    for (const [origin, known] of this.#known) {
      const isWanted = this.#isWanted(known, now);
      if (isWanted !== known.isWanted) {
        isChanged = true;
        known.isWanted = isWanted;
        if (!isWanted) known.departedAt = now;
      }
      if (!isWanted && now - known.departedAt >= flapMemoryMs) this.#known.delete(origin);
    }
    this.#forgetOldest();
    return isChanged;
  }

  /** Clock time at which `settle` or `isStale` change by time alone; Infinity if none will. */
  dueAt(now: number): number {
    const times = this.#failingSince === undefined ? [] : [this.#failingSince + staleAfterMs];
    if (this.#failingSince === undefined && this.#absentSince === undefined)
      for (const known of this.#known.values())
        if (known.isWanted && !known.isListed) times.push(known.missingSince + this.#graceMs(known));
    return times.filter((at) => at > now).reduce((first, at) => Math.min(first, at), Infinity);
  }

  #heard(now: number, why: string): void {
    this.#answeredAt = now;
    this.#failingSince = undefined;
    this.#why = why;
  }

  #list(origin: string, member: DiscoveredMember, now: number): void {
    const known = this.#known.get(origin);
    if (!known) {
      const times = { missingSince: Infinity, departedAt: -Infinity };
      this.#known.set(origin, { member, isListed: true, misses: 0, isWanted: false, flaps: 0, ...times });
      return;
    }
    if (!known.isWanted && !member.isTerminating) known.flaps += 1;
    else if (now - known.departedAt >= flapMemoryMs) known.flaps = 0;
    Object.assign(known, { member, isListed: true, misses: 0, missingSince: Infinity });
  }

  #isWanted(known: KnownMember, now: number): boolean {
    if (this.#isEmptied || known.member.isTerminating) return false;
    if (known.isListed || !known.isWanted) return known.isListed;
    // What a broken source leaves out has not gone.
    if (this.#failingSince !== undefined || this.#absentSince !== undefined) return true;
    if (this.#isSampled && known.misses < missesToLeave) return true;
    return now - known.missingSince < this.#graceMs(known);
  }

  #graceMs({ flaps }: KnownMember): number {
    if (flaps > 0) return Math.min(flapMs * 2 ** (flaps - 1), maxFlapMs);
    return this.#isSampled ? missingMs : 0;
  }

  /** Members that belong to the pool already come first. */
  #withinLimit(all: ReadonlyMap<string, DiscoveredMember>): ReadonlyMap<string, DiscoveredMember> {
    if (all.size <= maxMembers) return all;
    const isWanted = (origin: string) => this.#known.get(origin)?.isWanted === true;
    const ordered = [...all].sort(([one], [other]) => Number(isWanted(other)) - Number(isWanted(one)));
    return new Map(ordered.slice(0, maxMembers));
  }

  /** A source that reports other members all the time must not fill the memory. */
  #forgetOldest(): void {
    for (const [origin, { isWanted, isListed }] of this.#known) {
      if (this.#known.size <= 2 * maxMembers) return;
      if (!isWanted && !isListed) this.#known.delete(origin);
    }
  }
}

/** A server that is reported several times counts once: as one that serves rather than as a backup, and as it came first. */
function byOrigin(members: readonly DiscoveredMember[]): ReadonlyMap<string, DiscoveredMember> {
  const found = new Map<string, DiscoveredMember>();
  for (const member of members) {
    const origin = originOf(member.address);
    const other = found.get(origin);
    if (!other || worth(member) > worth(other)) found.set(origin, member);
  }
  return found;
}

function worth({ isTerminating, backup }: DiscoveredMember): number {
  return (isTerminating ? 0 : 2) + (backup ? 0 : 1);
}

function miss(known: KnownMember, now: number): void {
  if (known.isListed) Object.assign(known, { isListed: false, missingSince: now });
  known.misses += 1;
}

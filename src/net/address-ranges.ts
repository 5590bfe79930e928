/** Sets of IP addresses: sorted ranges and a binary search, so that a list of 100,000 ranges costs little more than one of ten. */

import { ipv4Number, ipv6Groups, mappedIpv4 } from "./ip-address.ts";

/** Both ends belong to it. */
interface Range {
  readonly first: bigint;
  readonly last: bigint;
}

/**
 * IPv4-mapped IPv6 addresses are IPv4 addresses in another spelling, in ranges too. A shorter IPv6 range, such as ::/0, has no
 * IPv4 address in it.
 * @param ranges addresses and CIDR ranges, already validated
 * @returns whether an address is in one of the ranges; false for text that is not an IP address
 */
export function addressMatcher(ranges: Iterable<string>): (address: string) => boolean {
  const [ipv4, ipv6]: [Range[], Range[]] = [[], []];
  for (const text of ranges) {
    const [address = "", prefix] = text.split("/");
    const number = ipv4Number(address);
    if (number >= 0) {
      ipv4.push(rangeOf(BigInt(number), 32, Number(prefix ?? 32)));
      continue;
    }
    const groups = ipv6Groups(address);
    if (!groups) continue;
    const bits = Number(prefix ?? 128);
    const mapped = mappedIpv4(groups);
    if (mapped >= 0 && bits >= 96) ipv4.push(rangeOf(BigInt(mapped), 32, bits - 96));
    else ipv6.push(rangeOf(numberOf(groups), 128, bits));
  }
  const [inIpv4, inIpv6] = [new Ipv4Ranges(merged(ipv4)), new Ipv6Ranges(merged(ipv6))];
  return (address) => {
    const number = ipv4Number(address);
    if (number >= 0) return inIpv4.has(number);
    const groups = ipv6Groups(address);
    if (!groups) return false;
    const mapped = mappedIpv4(groups);
    return mapped >= 0 ? inIpv4.has(mapped) : inIpv6.has(groups);
  };
}

function numberOf(groups: readonly number[]): bigint {
  return groups.reduce((value, group) => (value << 16n) | BigInt(group), 0n);
}

function rangeOf(address: bigint, width: number, prefix: number): Range {
  const hosts = (1n << BigInt(width - prefix)) - 1n;
  const first = (address | hosts) ^ hosts;
  return { first, last: first | hosts };
}

/** In their order, without overlaps. */
function merged(ranges: Range[]): readonly Range[] {
  const sorted = ranges.toSorted((one, other) => (one.first < other.first ? -1 : 1));
  const found: Range[] = [];
  for (const range of sorted) {
    const before = found.at(-1);
    if (!before || range.first > before.last + 1n) found.push(range);
    else if (range.last > before.last) found[found.length - 1] = { first: before.first, last: range.last };
  }
  return found;
}

class Ipv4Ranges {
  readonly #firsts: Uint32Array;
  readonly #lasts: Uint32Array;

  constructor(ranges: readonly Range[]) {
    this.#firsts = Uint32Array.from(ranges, ({ first }) => Number(first));
    this.#lasts = Uint32Array.from(ranges, ({ last }) => Number(last));
  }

  has(address: number): boolean {
    let [from, to] = [0, this.#firsts.length];
    while (from < to) {
      const middle = (from + to) >>> 1;
      if ((this.#firsts[middle] as number) <= address) from = middle + 1;
      else to = middle;
    }
    return from > 0 && address <= (this.#lasts[from - 1] as number);
  }
}

const groupCount = 8;

class Ipv6Ranges {
  /** Eight groups for each range. */
  readonly #firsts: Uint16Array;
  readonly #lasts: Uint16Array;
  readonly #count: number;

  constructor(ranges: readonly Range[]) {
    this.#count = ranges.length;
    this.#firsts = Uint16Array.from(ranges.flatMap(({ first }) => groupsOf(first)));
    this.#lasts = Uint16Array.from(ranges.flatMap(({ last }) => groupsOf(last)));
  }

  has(address: readonly number[]): boolean {
    let [from, to] = [0, this.#count];
    while (from < to) {
      const middle = (from + to) >>> 1;
      if (compared(this.#firsts, middle, address) <= 0) from = middle + 1;
      else to = middle;
    }
    return from > 0 && compared(this.#lasts, from - 1, address) >= 0;
  }
}

function groupsOf(number: bigint): readonly number[] {
  return Array.from({ length: groupCount }, (_, index) =>
    Number((number >> BigInt(16 * (groupCount - 1 - index))) & 0xffffn),
  );
}

/** Below, at or above 0 as the address of the table is lower than, equal to or higher than the other. */
function compared(table: Uint16Array, index: number, address: readonly number[]): number {
  for (let group = 0; group < groupCount; group++) {
    const difference = (table[index * groupCount + group] as number) - (address[group] as number);
    if (difference !== 0) return difference;
  }
  return 0;
}

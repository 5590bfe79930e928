/** Slows down password guessing: after some failures each further one causes a longer pause, per name and address together. */

import type { Clock } from "../lib/clock.ts";

export interface PauseRule {
  /** Number of the failure that starts the first pause. As many are forgotten in an hour. */
  readonly free: number;
  readonly firstMs: number;
  readonly maxMs: number;
}

/** Who mistypes a password, or guesses it from one place, is paused alone: for everybody else this changes nothing. */
const byNameAndAddress: PauseRule = { free: 5, firstMs: 1_000, maxMs: 60_000 };

/**
 * Guesses from many addresses. Generous, because an attacker who knows a name can lock out its owner for this long; a
 * browser in which the owner has logged in before is not affected.
 */
const byName: PauseRule = { free: 100, firstMs: 1_000, maxMs: 60_000 };

/** Guesses at many names. Generous, because offices share an address, and so do all clients of a proxy. */
const byAddress: PauseRule = { free: 100, firstMs: 1_000, maxMs: 900_000 };

/**
 * Guesses with a browser in which the name has logged in before. They count for this browser only (OWASP, "Slow Down Online
 * Guessing Attacks with Device Cookies").
 */
const byDevice: PauseRule = { free: 10, firstMs: 1_000, maxMs: 900_000 };

/** Failures are forgotten after this time without another one. */
export const failureForgetMs = 3_600_000;

/** Of each of the four kinds. */
const maxEntries = 10_000;
const maxKey = 64;

interface Failures {
  count: number;
  lastAt: number;
  pausedUntil: number;
}

/** What a failed login counts for. */
export interface FailureCount {
  readonly kind: "pair" | "name" | "address" | "device";
  readonly key: string;
  readonly rule: PauseRule;
  /** Whether only one person can fail here. */
  readonly isOwn: boolean;
}

export interface LoginAttempt {
  /** As typed; not necessarily the name of a user. */
  readonly name: string;
  readonly address: string;
  /** The browser, if this name has logged in with it before, which the caller has verified. */
  readonly device?: string | undefined;
}

/**
 * ```
 *             failure                     failure
 *   free ──────────────────▶ counted ──────────────────▶ paused ──┐ time
 *    ▲   fewer than free times  ▲    free times or more     │     │
 *    └──── success, time ───────┴───────────────────────────┴─────┘
 * ```
 */
export class LoginLimiter {
  readonly #clock: Clock;
  readonly #pairs = new FailureTable("pair", byNameAndAddress);
  readonly #names = new FailureTable("name", byName);
  readonly #addresses = new FailureTable("address", byAddress);
  readonly #devices = new FailureTable("device", byDevice);

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get size(): number {
    return this.#pairs.size + this.#names.size + this.#addresses.size + this.#devices.size;
  }

  /**
   * Counts the attempt as a failure until {@link succeed} is called, so that concurrent guesses do not all pass.
   * @returns 0, or the milliseconds to wait before the next try; then nothing is counted
   */
  begin(attempt: LoginAttempt): number {
    const now = this.#clock();
    const counts = this.#countsOf(attempt);
    const waitMs = Math.max(...counts.map(({ table, key }) => table.waitMs(key, now)));
    if (waitMs > 0) return waitMs;
    for (const { table, key } of counts) table.count(key, now);
    return 0;
  }

  /** What the attempt counts for, in this process and in others. */
  countsOf(attempt: LoginAttempt): readonly FailureCount[] {
    return this.#countsOf(attempt).map(({ table: { kind, rule }, key, isOwn }) => ({
      kind,
      key,
      rule,
      isOwn,
    }));
  }

  /** Forgets all failures of the pair or the device. Of name and address only this one: others may guess there too. */
  succeed(attempt: LoginAttempt): void {
    for (const { table, key, isOwn } of this.#countsOf(attempt))
      if (isOwn) table.forget(key);
      else table.undo(key);
  }

  #countsOf({ name, address, device }: LoginAttempt): readonly CountedFor[] {
    const [typed, network] = [name.slice(0, maxKey), networkOf(address)];
    if (device !== undefined) return [{ table: this.#devices, key: `${device} ${typed}`, isOwn: true }];
    return [
      { table: this.#pairs, key: `${network} ${typed}`, isOwn: true },
      { table: this.#names, key: typed, isOwn: false },
      { table: this.#addresses, key: network, isOwn: false },
    ];
  }
}

/** What an attempt counts for. */
interface CountedFor {
  readonly table: FailureTable;
  readonly key: string;
  /** Whether only one person can fail here. */
  readonly isOwn: boolean;
}

/** Failures of one kind. Of a fixed size, so that a flood of one kind displaces no other. */
class FailureTable {
  readonly kind: FailureCount["kind"];
  readonly rule: PauseRule;
  /** Ordered by the last failure, oldest first; the oldest is dropped when the map is full. */
  readonly #failures = new Map<string, Failures>();

  constructor(kind: FailureCount["kind"], rule: PauseRule) {
    this.kind = kind;
    this.rule = rule;
  }

  get size(): number {
    return this.#failures.size;
  }

  waitMs(key: string, now: number): number {
    return Math.max(0, (this.#failures.get(key)?.pausedUntil ?? 0) - now);
  }

  count(key: string, now: number): void {
    const { free, firstMs, maxMs } = this.rule;
    const count = this.#countNow(key, now) + 1;
    const beyond = Math.ceil(count) - free;
    const pauseMs = beyond < 0 ? 0 : Math.min(firstMs * 2 ** beyond, maxMs);
    this.#failures.delete(key);
    this.#failures.set(key, { count, lastAt: now, pausedUntil: now + pauseMs });
    const [oldest] = this.#failures.keys();
    if (this.#failures.size > maxEntries && oldest !== undefined) this.#failures.delete(oldest);
  }

  /** Slow failures of many people must not add up, as they would behind one address. */
  #countNow(key: string, now: number): number {
    const failures = this.#failures.get(key);
    if (!failures || now - failures.lastAt >= failureForgetMs) return 0;
    return Math.max(0, failures.count - ((now - failures.lastAt) / failureForgetMs) * this.rule.free);
  }

  forget(key: string): void {
    this.#failures.delete(key);
  }

  undo(key: string): void {
    const failures = this.#failures.get(key);
    if (!failures) return;
    failures.count -= 1;
    failures.pausedUntil = 0;
    if (failures.count <= 0) this.#failures.delete(key);
  }
}

/** The /64 of an IPv6 address: RFC 6177 gives each site at least 2^64 addresses. */
function networkOf(address: string): string {
  if (!address.includes(":")) return address.slice(0, maxKey);
  const [head = "", tail] = address.split("::");
  const groups = head === "" ? [] : head.split(":");
  const filled = tail === undefined ? groups : [...groups, ...Array<string>(8 - groups.length).fill("0")];
  return filled.slice(0, 4).join(":").slice(0, maxKey);
}

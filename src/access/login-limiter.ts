/** Slows down password guessing: after some failures, each further one causes a longer pause, per name and per address. */

import type { Clock } from "../lib/clock.ts";

export interface PauseRule {
  /** Number of the failure that starts the first pause. */
  readonly free: number;
  readonly firstMs: number;
  readonly maxMs: number;
}

/** Short, because an attacker who knows a name can lock its owner out for this long. */
const byName: PauseRule = { free: 5, firstMs: 1_000, maxMs: 60_000 };

/** Longer, because one address tries many names. More failures are free, because offices share an address. */
const byAddress: PauseRule = { free: 10, firstMs: 1_000, maxMs: 900_000 };

/** Failures are forgotten after this time without another one. */
const forgetMs = 3_600_000;
const maxEntries = 10_000;
const maxKey = 64;

interface Failures {
  count: number;
  lastAt: number;
  pausedUntil: number;
}

export interface LoginAttempt {
  /** As typed; not necessarily the name of a user. */
  readonly name: string;
  readonly address: string;
}

/**
 * ```
 *             failure                     failure
 *   free ──────────────────▶ counted ──────────────────▶ paused ──┐ time
 *    ▲   fewer than free times  ▲    free times or more     │     │
 *    └──── success, an hour ────┴───────────────────────────┴─────┘
 * ```
 */
export class LoginLimiter {
  readonly #clock: Clock;
  /** Ordered by the last failure, oldest first; the oldest is dropped when the map is full. */
  readonly #failures = new Map<string, Failures>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get size(): number {
    return this.#failures.size;
  }

  /**
   * Counts the attempt as a failure until {@link succeed} is called, so that concurrent guesses do not all pass.
   * @returns 0, or the milliseconds to wait before the next try; then nothing is counted
   */
  begin(attempt: LoginAttempt): number {
    const now = this.#clock();
    const waitMs = Math.max(
      ...keysOf(attempt).map((key) => (this.#current(key, now)?.pausedUntil ?? 0) - now),
    );
    if (waitMs > 0) return waitMs;
    const [name, address] = keysOf(attempt);
    this.#count(name, byName, now);
    this.#count(address, byAddress, now);
    return 0;
  }

  /** Forgets all failures of the name, but only this one of the address: others may guess from there too. */
  succeed(attempt: LoginAttempt): void {
    const [name, address] = keysOf(attempt);
    this.#failures.delete(name);
    const failures = this.#failures.get(address);
    if (!failures) return;
    failures.count -= 1;
    failures.pausedUntil = 0;
    if (failures.count <= 0) this.#failures.delete(address);
  }

  #current(key: string, now: number): Failures | undefined {
    const failures = this.#failures.get(key);
    return failures && now - failures.lastAt < forgetMs ? failures : undefined;
  }

  #count(key: string, { free, firstMs, maxMs }: PauseRule, now: number): void {
    const count = (this.#current(key, now)?.count ?? 0) + 1;
    const pauseMs = count < free ? 0 : Math.min(firstMs * 2 ** (count - free), maxMs);
    this.#failures.delete(key);
    this.#failures.set(key, { count, lastAt: now, pausedUntil: now + pauseMs });
    const [oldest] = this.#failures.keys();
    if (this.#failures.size > maxEntries && oldest !== undefined) this.#failures.delete(oldest);
  }
}

function keysOf({ name, address }: LoginAttempt): readonly [name: string, address: string] {
  return [`name ${name.slice(0, maxKey)}`, `address ${networkOf(address)}`];
}

/** The /64 of an IPv6 address: RFC 6177 gives each site at least 2^64 addresses. */
function networkOf(address: string): string {
  if (!address.includes(":")) return address.slice(0, maxKey);
  const [head = "", tail] = address.split("::");
  const groups = head === "" ? [] : head.split(":");
  const filled = tail === undefined ? groups : [...groups, ...Array<string>(8 - groups.length).fill("0")];
  return filled.slice(0, 4).join(":").slice(0, maxKey);
}

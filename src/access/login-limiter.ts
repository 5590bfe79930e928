/** Slows down who guesses passwords: after some failures each further one costs a longer pause, by name and by address. */

import type { Clock } from "../lib/clock.ts";

export interface PauseRule {
  /** Failures before the first pause. */
  readonly free: number;
  readonly firstMs: number;
  readonly maxMs: number;
}

/** Short, because whoever knows a name can lock its owner out for as long. */
const byName: PauseRule = { free: 5, firstMs: 1_000, maxMs: 60_000 };

/** Longer: many names are tried from one place. More before the first, since offices share an address. */
const byAddress: PauseRule = { free: 10, firstMs: 1_000, maxMs: 900_000 };

/** Without a further failure for so long, they are forgotten. */
const forgetMs = 3_600_000;
const maxEntries = 10_000;
const maxKey = 64;

interface Failures {
  count: number;
  lastAt: number;
  pausedUntil: number;
}

export interface LoginAttempt {
  /** As it was typed: nobody needs to be called so. */
  readonly name: string;
  readonly address: string;
}

/**
 * ```
 *            failure                    failure
 *   free ───────────────▶ counted ──────────────────▶ paused ──┐ time
 *    ▲   free times or less  ▲   more than free times    │     │
 *    └── success, an hour ───┴───────────────────────────┴─────┘
 * ```
 */
export class LoginLimiter {
  readonly #clock: Clock;
  /** The one that failed longest ago comes first, and is the first to go. */
  readonly #known = new Map<string, Failures>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get size(): number {
    return this.#known.size;
  }

  /**
   * Counts a failure until {@link succeed} says otherwise, so that guesses at the same time do not all pass.
   * @returns 0, or in how many milliseconds to try again; then nothing is counted
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

  /** Forgets the name's failures, and this one of the address: others may guess from there too. */
  succeed(attempt: LoginAttempt): void {
    const [name, address] = keysOf(attempt);
    this.#known.delete(name);
    const failures = this.#known.get(address);
    if (!failures) return;
    failures.count -= 1;
    failures.pausedUntil = 0;
    if (failures.count <= 0) this.#known.delete(address);
  }

  #current(key: string, now: number): Failures | undefined {
    const failures = this.#known.get(key);
    return failures && now - failures.lastAt < forgetMs ? failures : undefined;
  }

  #count(key: string, { free, firstMs, maxMs }: PauseRule, now: number): void {
    const count = (this.#current(key, now)?.count ?? 0) + 1;
    const pauseMs = count < free ? 0 : Math.min(firstMs * 2 ** (count - free), maxMs);
    this.#known.delete(key);
    this.#known.set(key, { count, lastAt: now, pausedUntil: now + pauseMs });
    const [oldest] = this.#known.keys();
    if (this.#known.size > maxEntries && oldest !== undefined) this.#known.delete(oldest);
  }
}

function keysOf({ name, address }: LoginAttempt): readonly [name: string, address: string] {
  return [`name ${name.slice(0, maxKey)}`, `address ${networkOf(address)}`];
}

/** Whoever has an IPv6 address has 2^64 of them: RFC 6177 gives each site at least a /64. */
function networkOf(address: string): string {
  if (!address.includes(":")) return address.slice(0, maxKey);
  const [head = "", tail] = address.split("::");
  const groups = head === "" ? [] : head.split(":");
  const filled = tail === undefined ? groups : [...groups, ...Array<string>(8 - groups.length).fill("0")];
  return filled.slice(0, 4).join(":").slice(0, maxKey);
}

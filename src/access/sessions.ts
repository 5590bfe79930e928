/** Who is logged in: random bearers, kept as digests and in memory only, so that a restart ends them all. */

import type { Clock } from "../lib/clock.ts";
import { digestOf, newSecret } from "../lib/secret.ts";
import type { UserAccount } from "./accounts.ts";

export interface SessionLimits {
  /** Without a request for so long it ends. A live page asks all the time. */
  readonly idleMs: number;
  /** It ends so long after the login in any case. */
  readonly lifeMs: number;
  readonly most: number;
  /** Then the one that somebody has not used for longest makes way. */
  readonly mostOfOne: number;
}

/** Source: OWASP Session Management Cheat Sheet, its ranges for sites of medium risk; a shift is at most twelve hours. */
export const sessionLimits: SessionLimits = {
  idleMs: 30 * 60_000,
  lifeMs: 12 * 3_600_000,
  most: 256,
  mostOfOne: 16,
};

export interface Session {
  readonly name: string;
  /** As it was at the login: with another one, the session is over. */
  readonly passwordHash: string;
  readonly openedAt: number;
  usedAt: number;
}

/**
 * ```
 *           login                idle, too old, logout, too many
 *   none ──────────▶ open ────────────────────────────────────────▶ none
 *                   ▲    │ each use
 *                   └────┘
 * ```
 */
export class Sessions {
  readonly #clock: Clock;
  readonly #limits: SessionLimits;
  /** By digest of the bearer; the longest unused one comes first. */
  readonly #open = new Map<string, Session>();

  constructor(clock: Clock, limits: SessionLimits = sessionLimits) {
    this.#clock = clock;
    this.#limits = limits;
  }

  get size(): number {
    return this.#open.size;
  }

  /** @returns the bearer, which nobody can tell again */
  open({ name, passwordHash }: UserAccount): string {
    const now = this.#clock();
    for (const [digest, session] of this.#open) if (this.#isOver(session, now)) this.#open.delete(digest);
    const own = [...this.#open].filter(([, session]) => session.name === name);
    if (own.length >= this.#limits.mostOfOne) this.#drop(own[0]?.[0]);
    if (this.#open.size >= this.#limits.most) this.#drop([...this.#open.keys()][0]);
    const bearer = newSecret();
    this.#open.set(digestOf(bearer), { name, passwordHash, openedAt: now, usedAt: now });
    return bearer;
  }

  /** Counts as a use. */
  find(bearer: string): Session | undefined {
    const digest = digestOf(bearer);
    const session = this.#open.get(digest);
    if (!session) return undefined;
    this.#open.delete(digest);
    const now = this.#clock();
    if (this.#isOver(session, now)) return undefined;
    session.usedAt = now;
    this.#open.set(digest, session);
    return session;
  }

  end(bearer: string): void {
    this.#drop(digestOf(bearer));
  }

  #drop(digest: string | undefined): void {
    if (digest !== undefined) this.#open.delete(digest);
  }

  #isOver({ openedAt, usedAt }: Session, now: number): boolean {
    return now - usedAt >= this.#limits.idleMs || now - openedAt >= this.#limits.lifeMs;
  }
}

/** Sessions of logged-in users: random bearers, of which only digests are stored. */

import type { Clock } from "../lib/clock.ts";
import { digestOf, newSecret } from "../lib/secrets.ts";
import type { UserAccount } from "./accounts.ts";

export interface SessionLimits {
  /** A session ends after this time without a request. An open live page sends requests all the time. */
  readonly idleMs: number;
  /** A session ends this long after the login in any case. */
  readonly lifeMs: number;
  readonly maxSessions: number;
  /** A further login ends the user's session that was unused for longest. */
  readonly maxPerUser: number;
}

/** Source: OWASP Session Management Cheat Sheet, its ranges for sites of medium risk; a shift is at most twelve hours. */
export const sessionLimits: SessionLimits = {
  idleMs: 30 * 60_000,
  lifeMs: 12 * 3_600_000,
  maxSessions: 256,
  maxPerUser: 16,
};

/** A wall clock set back by no more than this is tolerated. */
const clockSlackMs = 5_000;

export interface Session {
  readonly name: string;
  /** Digest of the password hash at the login; the session ends when the hash changes. */
  readonly passwordMark: string;
  readonly openedAt: number;
  usedAt: number;
}

/**
 * A session as it is stored between two processes; its times are epoch milliseconds. It grants no access without its bearer
 * token.
 */
export interface PersistedSession extends Readonly<Session> {
  /** SHA-256 of the bearer token, which has too much entropy to guess. */
  readonly digest: string;
}

/** A session as another balancer tells of it. The clocks of two balancers may differ, so that there are only durations. */
export interface SharedSession {
  /** SHA-256 of the bearer. */
  readonly digest: string;
  readonly name: string;
  readonly passwordMark: string;
  /** Since the login. */
  readonly ageMs: number;
  /** Since the last use. */
  readonly idleMs: number;
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
  readonly limits: SessionLimits;
  /** By digest of the bearer; the longest unused comes first. */
  readonly #open = new Map<string, Session>();

  constructor(clock: Clock, limits: SessionLimits = sessionLimits) {
    this.#clock = clock;
    this.limits = limits;
  }

  get size(): number {
    return this.#open.size;
  }

  /** Called with the digest of a session that ends because its user has opened too many. */
  onDisplaced: (digest: string) => void = () => {};

  /** @returns the bearer; it cannot be read again later */
  open({ name, passwordHash }: UserAccount): string {
    const now = this.#clock();
    for (const [digest, session] of this.#open) if (this.#isOver(session, now)) this.#open.delete(digest);
    const own = [...this.#open].filter(([, session]) => session.name === name);
    const [oldestOwn] = own[0] ?? [];
    if (own.length >= this.limits.maxPerUser && oldestOwn !== undefined) {
      this.#drop(oldestOwn);
      this.onDisplaced(oldestOwn);
    }
    this.#makeRoom();
    const bearer = newSecret();
    this.#open.set(digestOf(bearer), {
      name,
      passwordMark: sessionFingerprint(passwordHash),
      openedAt: now,
      usedAt: now,
    });
    return bearer;
  }

  /** Undefined if there is none. Counts as a use. */
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

  endByDigest(digest: string): void {
    this.#drop(digest);
  }

  /** Takes over a session that another process has opened. */
  adopt({ digest, name, passwordMark, ageMs, idleMs }: SharedSession): void {
    const now = this.#clock();
    const session = { name, passwordMark, openedAt: now - ageMs, usedAt: now - idleMs };
    if (this.#open.has(digest) || this.#isOver(session, now)) return;
    this.#makeRoom();
    this.#open.set(digest, session);
  }

  /** All open sessions, and how long each may stay unused. */
  shared(): readonly (SharedSession & { readonly leftMs: number })[] {
    const now = this.#clock();
    const { idleMs: maxIdleMs, lifeMs } = this.limits;
    return [...this.#open]
      .filter(([, session]) => !this.#isOver(session, now))
      .map(([digest, { name, passwordMark, openedAt, usedAt }]) => {
        const [ageMs, idleMs] = [now - openedAt, now - usedAt];
        const leftMs = Math.min(maxIdleMs - idleMs, lifeMs - ageMs);
        return { digest, name, passwordMark, ageMs, idleMs, leftMs };
      });
  }

  /** @returns all open sessions, the longest unused first, in wall time */
  export(wallTime: number): readonly PersistedSession[] {
    const now = this.#clock();
    return [...this.#open]
      .filter(([, session]) => !this.#isOver(session, now))
      .map(([digest, session]) => ({
        digest,
        ...session,
        openedAt: wallTime - (now - session.openedAt),
        usedAt: wallTime - (now - session.usedAt),
      }));
  }

  /**
   * Adds sessions that another process exported; the time in between counts towards their age. If the wall clock went
   * back, their age is unknown and they are dropped.
   */
  restore(sessions: readonly PersistedSession[], wallTime: number): void {
    const now = this.#clock();
    const toClock = (at: number) => now - (wallTime - at);
    const usable = sessions.filter(({ usedAt }) => usedAt <= wallTime + clockSlackMs);
    for (const { digest, name, passwordMark, openedAt, usedAt } of usable.slice(-this.limits.maxSessions)) {
      const session = { name, passwordMark, openedAt: toClock(openedAt), usedAt: toClock(usedAt) };
      if (!this.#isOver(session, now)) this.#open.set(digest, session);
    }
  }

  #makeRoom(): void {
    const [oldest] = this.#open.keys();
    if (this.#open.size >= this.limits.maxSessions && oldest !== undefined) this.#drop(oldest);
  }

  #drop(digest: string): void {
    this.#open.delete(digest);
  }

  #isOver({ openedAt, usedAt }: Session, now: number): boolean {
    return now - usedAt >= this.limits.idleMs || now - openedAt >= this.limits.lifeMs;
  }
}

/** Identifies a password hash without revealing it. */
export function sessionFingerprint(passwordHash: string): string {
  return digestOf(passwordHash);
}

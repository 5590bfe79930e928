/** Who is logged in: random bearers, of which only digests are kept. */

import type { Clock } from "../lib/clock.ts";
import { digestOf, newSecret } from "../lib/secrets.ts";
import type { UserAccount } from "./accounts.ts";

export interface SessionLimits {
  /** Without a request for so long it ends. A live page asks all the time. */
  readonly idleMs: number;
  /** It ends so long after the login in any case. */
  readonly lifeMs: number;
  readonly maxSessions: number;
  /** Then the one that somebody has not used for longest makes way. */
  readonly maxPerUser: number;
}

/** Source: OWASP Session Management Cheat Sheet, its ranges for sites of medium risk; a shift is at most twelve hours. */
export const sessionLimits: SessionLimits = {
  idleMs: 30 * 60_000,
  lifeMs: 12 * 3_600_000,
  maxSessions: 256,
  maxPerUser: 16,
};

/** By so much a clock is set back without anybody noticing. */
const clockSlackMs = 5_000;

export interface Session {
  readonly name: string;
  /** Digest of the password's hash at the login: with another one, the session is over. */
  readonly passwordMark: string;
  readonly openedAt: number;
  usedAt: number;
}

/** A session while nobody is there to hold it. */
export interface PersistedSession extends Readonly<Session> {
  readonly digest: string;
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
    if (own.length >= this.#limits.maxPerUser) this.#drop(own[0]?.[0]);
    if (this.#open.size >= this.#limits.maxSessions) this.#drop([...this.#open.keys()][0]);
    const bearer = newSecret();
    this.#open.set(digestOf(bearer), {
      name,
      passwordMark: sessionFingerprint(passwordHash),
      openedAt: now,
      usedAt: now,
    });
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

  /** @returns all that are open, the longest unused one first, in wall time */
  keep(wallTime: number): readonly PersistedSession[] {
    const now = this.#clock();
    return [...this.#open]
      .filter(([, session]) => !this.#isOver(session, now))
      .map(([digest, session]) => ({
        ...{ digest, ...session },
        ...{ openedAt: wallTime - (now - session.openedAt), usedAt: wallTime - (now - session.usedAt) },
      }));
  }

  /**
   * Goes on with those that another process kept: the time that it was away counts as theirs. A clock that has gone back
   * cannot tell how old they are: then they are over.
   */
  resume(kept: readonly PersistedSession[], wallTime: number): void {
    const now = this.#clock();
    const here = (at: number) => now - (wallTime - at);
    const known = kept.filter(({ usedAt }) => usedAt <= wallTime + clockSlackMs);
    for (const { digest, name, passwordMark, openedAt, usedAt } of known.slice(-this.#limits.maxSessions)) {
      const session = { name, passwordMark, openedAt: here(openedAt), usedAt: here(usedAt) };
      if (!this.#isOver(session, now)) this.#open.set(digest, session);
    }
  }

  #drop(digest: string | undefined): void {
    if (digest !== undefined) this.#open.delete(digest);
  }

  #isOver({ openedAt, usedAt }: Session, now: number): boolean {
    return now - usedAt >= this.#limits.idleMs || now - openedAt >= this.#limits.lifeMs;
  }
}

/** What can be compared of a password's hash, and is worth nothing to whoever finds it. */
export function sessionFingerprint(passwordHash: string): string {
  return digestOf(passwordHash);
}

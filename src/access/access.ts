/** Tells who calls the admin side and what that caller may do: tokens, logins and sessions over the accounts of now. */

import type { Clock } from "../lib/clock.ts";
import { digestOf, isSameSecret } from "../lib/secrets.ts";
import type { Passwords } from "../runtime/runtime.ts";
import { type Accounts, isOpen, type Role, type UserAccount } from "./accounts.ts";
import { LoginAudit, type Login, type LoginEvent } from "./login-audit.ts";
import { LoginLimiter } from "./login-limiter.ts";
import { sessionFingerprint, Sessions } from "./sessions.ts";

/** Somebody who was recognised. */
export interface Caller {
  /** `anybody` where nobody has to say who it is, `bearer` of the nameless token, `program` with a token, `user` with a session. */
  readonly kind: "anybody" | "bearer" | "program" | "user";
  /** Undefined for the first two. */
  readonly name?: string;
  readonly role: Role;
}

export interface Credentials extends Login {
  readonly password: string;
}

export type LoginResult =
  | { readonly kind: "accepted"; readonly session: string; readonly role: Role }
  | { readonly kind: "refused" }
  | { readonly kind: "paused"; readonly waitMs: number };

export interface AccessOptions {
  /** As they are now: a reload changes them. */
  readonly accounts: () => Accounts;
  readonly passwords: Passwords;
  readonly clock: Clock;
  /** Hears of every login and logout that is worth writing down. */
  readonly onLogin: (note: LoginEvent) => void;
}

/** Verifying costs memory, and a core for some 30 ms. */
const maxConcurrent = 4;
const busyWaitMs = 1_000;

export class Access {
  readonly #options: AccessOptions;
  /** Who is logged in; whoever ends the process may keep them. */
  readonly sessions: Sessions;
  readonly #limit: LoginLimiter;
  readonly #audit: LoginAudit;
  #verifying = 0;

  constructor(options: AccessOptions) {
    this.#options = options;
    this.sessions = new Sessions(options.clock);
    this.#limit = new LoginLimiter(options.clock);
    this.#audit = new LoginAudit(options.clock, options.onLogin);
  }

  /** Whether people log in here. */
  get hasUsers(): boolean {
    return (this.#options.accounts().users ?? []).length > 0;
  }

  /** Undefined if nobody is known by this bearer. */
  identify(bearer: string | undefined): Caller | undefined {
    const accounts = this.#options.accounts();
    if (isOpen(accounts)) return { kind: "anybody", role: "admin" };
    if (bearer === undefined) return undefined;
    if (accounts.token !== undefined && isSameSecret(bearer, accounts.token)) {
      return { kind: "bearer", role: "admin" };
    }
    const hash = `sha256:${digestOf(bearer)}`;
    const program = (accounts.tokens ?? []).find(({ tokenHash }) => isSameSecret(hash, tokenHash));
    if (program) return { kind: "program", name: program.name, role: program.role };
    const user = this.#userOf(bearer);
    return user && { kind: "user", name: user.name, role: user.role };
  }

  /** Takes the same time for a name that nobody has. */
  async login({ name, password, address }: Credentials): Promise<LoginResult> {
    const { users = [] } = this.#options.accounts();
    if (users.length === 0) return { kind: "refused" };
    const waitMs = this.#verifying < maxConcurrent ? this.#limit.begin({ name, address }) : busyWaitMs;
    if (waitMs > 0) {
      this.#audit.refused("paused", { name, address });
      return { kind: "paused", waitMs };
    }
    const user = users.find((known) => known.name === name);
    const isRight = await this.#verify(password, (user ?? dummyHash(name, users)).passwordHash);
    // A reload may have come in between.
    const { users: nowKnown = [] } = this.#options.accounts();
    const isStill = nowKnown.some(
      (known) => known.name === name && known.passwordHash === user?.passwordHash,
    );
    if (!user || !isRight || !isStill) {
      this.#audit.refused("password_wrong", { name, address });
      return { kind: "refused" };
    }
    this.#limit.succeed({ name, address });
    this.#audit.accepted({ name, address });
    return { kind: "accepted", session: this.sessions.open(user), role: user.role };
  }

  /** @returns whether there was a session */
  logout(bearer: string, address: string): boolean {
    const user = this.#userOf(bearer);
    this.sessions.end(bearer);
    if (user) this.#audit.ended({ name: user.name, address });
    return user !== undefined;
  }

  /** As the accounts are now: who is gone, or has another password since, is logged in no more. */
  #userOf(bearer: string): UserAccount | undefined {
    const session = this.sessions.find(bearer);
    if (!session) return undefined;
    const { name, passwordMark } = session;
    const user = this.#options.accounts().users?.find((known) => known.name === name);
    if (user && sessionFingerprint(user.passwordHash) === passwordMark) return user;
    this.sessions.end(bearer);
    return undefined;
  }

  async #verify(password: string, hash: string): Promise<boolean> {
    this.#verifying += 1;
    try {
      return await this.#options.passwords.verify(password, hash);
    } finally {
      this.#verifying -= 1;
    }
  }
}

/** Somebody whose hash costs what a real one's does, and always the same one for a name. */
function dummyHash(name: string, users: readonly UserAccount[]): UserAccount {
  const index = Number.parseInt(digestOf(name).slice(0, 8), 16) % users.length;
  return users[index] as UserAccount;
}

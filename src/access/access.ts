/** Authenticates callers of the admin API: tokens, logins and sessions, checked against the current accounts. */

import type { Clock } from "../lib/clock.ts";
import { digestOf, isSameSecret } from "../lib/secrets.ts";
import type { Passwords } from "../runtime/runtime.ts";
import type { AccessSharing } from "./access-sharing.ts";
import { type Accounts, isOpen, type Role, type UserAccount } from "./accounts.ts";
import { createDeviceToken, verifiedDevice } from "./device-token.ts";
import { LoginAudit, type Login, type LoginEvent } from "./login-audit.ts";
import { type LoginAttempt, LoginLimiter } from "./login-limiter.ts";
import { sessionFingerprint, Sessions } from "./sessions.ts";

/** An authenticated caller. */
export interface Caller {
  /** `anybody` when no account is configured, `bearer` of the nameless token, `program` with a named token, `user` with a session. */
  readonly kind: "anybody" | "bearer" | "program" | "user";
  /** Undefined for the first two kinds. */
  readonly name?: string;
  readonly role: Role;
}

export interface Credentials extends Login {
  readonly password: string;
  /** The `device` of an earlier login with this browser. */
  readonly device?: string | undefined;
}

export type LoginResult =
  | {
      readonly kind: "accepted";
      readonly session: string;
      readonly role: Role;
      /** For the browser to keep, and to send with its next login. */
      readonly device: string;
    }
  | { readonly kind: "refused" }
  | { readonly kind: "paused"; readonly waitMs: number };

export interface AccessOptions {
  /** Returns the current accounts: a reload changes them. */
  readonly accounts: () => Accounts;
  readonly passwords: Passwords;
  readonly clock: Clock;
  /** With the other balancers of a fleet. */
  readonly sharing?: AccessSharing | undefined;
  /** Called for every login, refusal and logout that belongs in the event log. */
  readonly onLogin: (event: LoginEvent) => void;
}

/** Each verification costs memory, and a core for about 30 ms. */
const maxConcurrent = 4;

/** Of {@link newSecret}: no other bearer is that of a session. */
const bearerPattern = /^[\w-]{43}$/;

/** For browsers that have logged in before, so that a flood of guesses does not keep them out. */
const reservedConcurrent = 2;
const busyWaitMs = 1_000;

export class Access {
  readonly #options: AccessOptions;
  /** Open sessions; a process that ends can save them for the next one. */
  readonly sessions: Sessions;
  readonly #limiter: LoginLimiter;
  readonly #audit: LoginAudit;
  #verifying = 0;

  constructor(options: AccessOptions) {
    this.#options = options;
    this.sessions = new Sessions(options.clock);
    this.sessions.onDisplaced = (digest) => void options.sharing?.ended(digest);
    this.#limiter = new LoginLimiter(options.clock);
    this.#audit = new LoginAudit(options.clock, options.onLogin);
  }

  /** Whether users are configured, so that people can log in. */
  get hasUsers(): boolean {
    return (this.#options.accounts().users ?? []).length > 0;
  }

  /** Undefined if the bearer is neither a token nor an open session. */
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

  /** Takes the same time for an unknown name, so that names cannot be probed. */
  async login({ name, password, address, device: token }: Credentials): Promise<LoginResult> {
    const { users = [] } = this.#options.accounts();
    if (users.length === 0) return { kind: "refused" };
    const user = users.find((known) => known.name === name);
    const account = user ?? { ...substituteFor(name, users), name };
    const device = verifiedDevice(token, account);
    const limit = maxConcurrent + (device === undefined ? 0 : reservedConcurrent);
    const attempt = { name, address, device };
    const paused = (waitMs: number): LoginResult => {
      this.#audit.refused("paused", { name, address });
      return { kind: "paused", waitMs };
    };
    if (this.#verifying >= limit) return paused(busyWaitMs);
    this.#verifying += 1;
    let isRight: boolean;
    try {
      const waitMs = await this.#countFailure(attempt);
      if (waitMs > 0) return paused(waitMs);
      isRight = await this.#options.passwords.verify(password, account.passwordHash);
    } finally {
      this.#verifying -= 1;
    }
    // A reload may have changed the accounts during the verification.
    const { users: currentUsers = [] } = this.#options.accounts();
    const isCurrent = currentUsers.some(
      (known) => known.name === name && known.passwordHash === user?.passwordHash,
    );
    if (!user || !isRight || !isCurrent) {
      this.#audit.refused("password_wrong", { name, address });
      return { kind: "refused" };
    }
    this.#limiter.succeed(attempt);
    this.#options.sharing?.forgetFailure(this.#limiter.countsOf(attempt));
    this.#audit.accepted({ name, address });
    const session = this.sessions.open(user);
    await this.#options.sharing?.opened();
    return { kind: "accepted", session, role: user.role, device: createDeviceToken(user, device) };
  }

  /** Takes over the session of a bearer that only another balancer knows. */
  async recall(bearer: string | undefined): Promise<void> {
    const { sharing } = this.#options;
    if (!sharing || bearer === undefined || !bearerPattern.test(bearer) || !this.hasUsers) return;
    if (this.identify(bearer) === undefined) await sharing.recall(bearer);
  }

  /** @returns whether there was a session */
  async logout(bearer: string, address: string): Promise<boolean> {
    const user = this.#userOf(bearer);
    this.sessions.end(bearer);
    if (!user) return false;
    this.#audit.ended({ name: user.name, address });
    await this.#options.sharing?.ended(digestOf(bearer));
    return true;
  }

  /** In the fleet, or here alone if it cannot be reached. @returns 0, or how long the attempt is paused: then nothing is counted */
  async #countFailure(attempt: LoginAttempt): Promise<number> {
    const { sharing } = this.#options;
    const waitMs = sharing && (await sharing.countFailure(this.#limiter.countsOf(attempt)));
    return waitMs ?? this.#limiter.begin(attempt);
  }

  /** Ends the session if the user was removed or got another password since the login. */
  #userOf(bearer: string): UserAccount | undefined {
    const session = this.sessions.find(bearer);
    if (!session) return undefined;
    const { name, passwordMark } = session;
    const user = this.#options.accounts().users?.find((known) => known.name === name);
    if (user && sessionFingerprint(user.passwordHash) === passwordMark) return user;
    this.sessions.end(bearer);
    return undefined;
  }
}

/** A user for an unknown name: verifying costs the same as a real login, and the same name always gets the same user. */
function substituteFor(name: string, users: readonly UserAccount[]): UserAccount {
  const index = Number.parseInt(digestOf(name).slice(0, 8), 16) % users.length;
  return users[index] as UserAccount;
}

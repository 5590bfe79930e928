/** Verifies user names and passwords: few at a time, each pair once while it is remembered, and slower for clients that guess. */

import { LoginLimiter } from "../access/login-limiter.ts";
import type { RouteUser } from "../access/user-hash.ts";
import type { Clock } from "../lib/clock.ts";
import { derivedSecret, newSecret } from "../lib/secrets.ts";
import type { Passwords } from "../runtime/runtime.ts";

export interface BasicCredentials {
  readonly name: string;
  readonly password: string;
}

/** `right`, `wrong`, `busy` if too many wait, or the milliseconds until this client may try again. */
export type CredentialVerdict = "right" | "wrong" | "busy" | { readonly pausedMs: number };

/** A verification takes one core for tens of milliseconds and up to a gigabyte of memory. */
const maxConcurrent = 2;
const maxWaiting = 64;

/** Runs a few verifications of the whole process at a time. */
export class VerificationQueue {
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  get isFull(): boolean {
    return this.#waiting.length >= maxWaiting;
  }

  /** Not called while it is full. */
  async run(verify: () => Promise<boolean>): Promise<boolean> {
    if (this.#running >= maxConcurrent) {
      await new Promise<void>((resolve) => void this.#waiting.push(resolve));
    } else this.#running += 1;
    try {
      return await verify();
    } finally {
      // The place goes to the next one, which was counted in by this one.
      const next = this.#waiting.shift();
      if (next) next();
      else this.#running -= 1;
    }
  }
}

/** A browser sends the credentials with each request. */
const rememberedMs = 300_000;
const maxRemembered = 10_000;

export interface CredentialCheckOptions {
  readonly users: readonly RouteUser[];
  readonly passwords: Passwords;
  readonly queue: VerificationQueue;
  readonly clock: Clock;
}

/** The users of one route. Pairs that were right are remembered by a digest under a key of this object, and go with it. */
export class CredentialCheck {
  readonly #options: CredentialCheckOptions;
  readonly #users: ReadonlyMap<string, string>;
  readonly #limiter: LoginLimiter;
  readonly #key = newSecret();
  /** With the clock time until which each is remembered, the oldest first. */
  readonly #remembered = new Map<string, number>();
  readonly #running = new Map<string, Promise<CredentialVerdict>>();

  constructor(options: CredentialCheckOptions) {
    this.#options = options;
    this.#users = new Map(options.users.map(({ name, passwordHash }) => [name, passwordHash]));
    this.#limiter = new LoginLimiter(options.clock);
  }

  /** @param client address; failures count for it and the name. @returns a promise only where it has to verify */
  verdictOf(credentials: BasicCredentials, client: string): CredentialVerdict | Promise<CredentialVerdict> {
    const digest = derivedSecret(this.#key, JSON.stringify([credentials.name, credentials.password]));
    const until = this.#remembered.get(digest);
    if (until !== undefined && until > this.#options.clock()) return "right";
    // A page loads many files at once, all with the same credentials.
    const key = `${client} ${digest}`;
    const running = this.#running.get(key);
    if (running) return running;
    // Before the limiter, which counts each attempt as a failure until it succeeds.
    if (this.#options.queue.isFull) return "busy";
    const attempt = { name: credentials.name, address: client };
    const pausedMs = this.#limiter.begin(attempt);
    if (pausedMs > 0) return { pausedMs };
    const verdict = this.#verify(credentials)
      .then((isRight): CredentialVerdict => {
        if (!isRight) return "wrong";
        this.#limiter.succeed(attempt);
        this.#remember(digest);
        return "right";
      })
      .finally(() => this.#running.delete(key));
    this.#running.set(key, verdict);
    return verdict;
  }

  /** An unknown name takes the same work, or it could be told from a known one. */
  async #verify({ name, password }: BasicCredentials): Promise<boolean> {
    const { queue, passwords, users } = this.#options;
    const known = this.#users.get(name);
    const hash = known ?? users[0]?.passwordHash;
    if (hash === undefined) return false;
    const isRight = await queue.run(() => passwords.verify(password, hash));
    return isRight && known !== undefined;
  }

  #remember(digest: string): void {
    this.#remembered.delete(digest);
    this.#remembered.set(digest, this.#options.clock() + rememberedMs);
    const [oldest] = this.#remembered.keys();
    if (this.#remembered.size > maxRemembered && oldest !== undefined) this.#remembered.delete(oldest);
  }
}

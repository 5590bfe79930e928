/** Verifies user names and passwords: few at a time, each pair once while it is remembered, and slower for clients that guess. */

import { LoginLimiter } from "../access/login-limiter.ts";
import type { RouteUser } from "../access/user-hash.ts";
import type { Clock } from "../lib/clock.ts";
import { lookUpDigest, newId } from "../lib/secrets.ts";
import type { Passwords } from "../runtime/runtime.ts";

export interface BasicCredentials {
  readonly name: string;
  readonly password: string;
  /** The Authorization field that they came in, which is remembered if they are right. */
  readonly field?: string;
}

/** A user whose name and password were right. */
export interface RememberedUser {
  readonly name: string;
  /** The name as a field's value. */
  readonly fieldValue: string;
  /** Clock time. */
  readonly until: number;
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

/**
 * The users of one route. Pairs that were right are remembered by a digest under a key of this object, and go with it. So are the
 * fields that they came in: most requests need no look at what is in them.
 */
export class CredentialCheck {
  readonly #options: CredentialCheckOptions;
  readonly #users: ReadonlyMap<string, string>;
  readonly #limiter: LoginLimiter;
  /** 128 bits; of a longer one, most fields would take a second block of the digest. */
  readonly #key = newId();
  /** By the digest of name and password, the oldest first. */
  readonly #pairs = new Map<string, RememberedUser>();
  /** By the digest of the Authorization field. One pair has many spellings. */
  readonly #fields = new Map<string, RememberedUser>();
  readonly #running = new Map<string, Promise<CredentialVerdict>>();

  constructor(options: CredentialCheckOptions) {
    this.#options = options;
    this.#users = new Map(options.users.map(({ name, passwordHash }) => [name, passwordHash]));
    this.#limiter = new LoginLimiter(options.clock);
  }

  /** @returns whose name and password are in an Authorization field, if they were right a short time ago */
  userOf(field: string): RememberedUser | undefined {
    const user = this.#fields.get(lookUpDigest(this.#key, field));
    return user !== undefined && user.until > this.#options.clock() ? user : undefined;
  }

  /** @param client address; failures count for it and the name. @returns a promise only where it has to verify */
  verdictOf(credentials: BasicCredentials, client: string): CredentialVerdict | Promise<CredentialVerdict> {
    const digest = lookUpDigest(this.#key, JSON.stringify([credentials.name, credentials.password]));
    const remembered = this.#pairs.get(digest);
    if (remembered && remembered.until > this.#options.clock()) {
      this.#rememberField(credentials, remembered);
      return "right";
    }
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
        this.#remember(digest, credentials);
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

  #remember(digest: string, credentials: BasicCredentials): void {
    const { name } = credentials;
    const user = { name, fieldValue: userFieldValue(name), until: this.#options.clock() + rememberedMs };
    addNewest(this.#pairs, digest, user);
    this.#rememberField(credentials, user);
  }

  #rememberField({ field }: BasicCredentials, user: RememberedUser): void {
    if (field !== undefined) addNewest(this.#fields, lookUpDigest(this.#key, field), user);
  }
}

/** As bytes of UTF-8, which is what fields with other characters than ASCII have nearly everywhere. */
export function userFieldValue(name: string): string {
  return Buffer.from(name).toString("latin1");
}

/** Forgets the oldest one if there are too many. */
function addNewest(users: Map<string, RememberedUser>, digest: string, user: RememberedUser): void {
  users.delete(digest);
  users.set(digest, user);
  if (users.size <= maxRemembered) return;
  const [oldest] = users.keys();
  if (oldest !== undefined) users.delete(oldest);
}

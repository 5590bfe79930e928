/** What is told of logins: who came, who was refused, who left, each in one bounded line and never in a flood. */

import type { Clock } from "../lib/clock.ts";

export interface LoginEvent {
  readonly to: "accepted" | "refused" | "ended";
  /** One word. */
  readonly reason: "password_right" | "password_wrong" | "paused" | "logout";
  /** The user's name; "nobody" where no proof was given of one. */
  readonly by: string;
  /** For people: from where, and what was typed as a name. */
  readonly detail: string;
}

/** A record of two thousand events outlives a week of guessing. */
const refusals = { burst: 10, everyMs: 600_000 };

/** Whoever has an account can come and go, but not wash away what else happened. */
const comings = { burst: 40, everyMs: 60_000 };

const maxName = 40;
const maxAddress = 45;

export interface Login {
  readonly name: string;
  readonly address: string;
}

export class LoginAudit {
  readonly #write: (note: LoginEvent) => void;
  readonly #refusalPasses: () => number | undefined;
  readonly #loginPasses: () => number | undefined;

  constructor(clock: Clock, write: (note: LoginEvent) => void) {
    this.#write = write;
    this.#refusalPasses = tokenBucket(refusals, clock);
    this.#loginPasses = tokenBucket(comings, clock);
  }

  accepted(login: Login): void {
    this.#login({ to: "accepted", reason: "password_right" }, login);
  }

  ended(login: Login): void {
    this.#login({ to: "ended", reason: "logout" }, login);
  }

  refused(reason: "password_wrong" | "paused", { name, address }: Login): void {
    const held = this.#refusalPasses();
    if (held === undefined) return;
    const detail = `as ${quoted(name)} from ${address.slice(0, maxAddress)}${heldBack(held)}`;
    this.#write({ to: "refused", reason, by: "nobody", detail });
  }

  #login(what: Pick<LoginEvent, "to" | "reason">, { name, address }: Login): void {
    const held = this.#loginPasses();
    if (held === undefined) return;
    this.#write({ ...what, by: name, detail: `from ${address.slice(0, maxAddress)}${heldBack(held)}` });
  }
}

/** On one line and in quotes, with everything but plain characters escaped: it was typed by a stranger. */
function quoted(name: string): string {
  const short = name.length > maxName ? `${name.slice(0, maxName)}…` : name;
  const escaped = short.replace(
    /[^\x20-\x7e…]|["\\]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
  return `"${escaped}"`;
}

function heldBack(count: number): string {
  return count === 0 ? "" : `; ${count} more before it were not written down`;
}

// Lets a few through at once and then one now and again: for records that a flood must not fill.

export interface TokenBucketOptions {
  readonly burst: number;
  /** One more may pass after each such time. */
  readonly everyMs: number;
}

/**
 * A token bucket.
 * @returns asked before each: how many were held back since the last one that passed, or undefined to hold back
 */
export function tokenBucket({ burst, everyMs }: TokenBucketOptions, clock: Clock): () => number | undefined {
  let left = burst;
  let at = clock();
  let held = 0;
  return () => {
    const now = clock();
    left = Math.min(burst, left + (now - at) / everyMs);
    at = now;
    if (left < 1) {
      held += 1;
      return undefined;
    }
    left -= 1;
    const before = held;
    held = 0;
    return before;
  };
}

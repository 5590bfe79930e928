/** Emits login events: accepted, refused and ended. Each has bounded text, and a token bucket limits their rate. */

import type { Clock } from "../lib/clock.ts";

export interface LoginEvent {
  readonly to: "accepted" | "refused" | "ended";
  /** One word. */
  readonly reason: "password_right" | "password_wrong" | "paused" | "logout";
  /** The user's name; "nobody" for a refused login, which proves no name. */
  readonly by: string;
  /** For people: the client's address, and the name as typed. */
  readonly detail: string;
}

export interface Login {
  readonly name: string;
  readonly address: string;
}

/** Slow enough that a week of guessing does not fill an event log of two thousand events. */
const refusals = { burst: 10, everyMs: 600_000 };

/** Logins and logouts of a user must not displace other events. */
const logins = { burst: 40, everyMs: 60_000 };

const maxName = 40;
const maxAddress = 45;

export class LoginAudit {
  readonly #emit: (event: LoginEvent) => void;
  readonly #takeRefusal: () => number | undefined;
  readonly #takeLogin: () => number | undefined;

  constructor(clock: Clock, emit: (event: LoginEvent) => void) {
    this.#emit = emit;
    this.#takeRefusal = tokenBucket(refusals, clock);
    this.#takeLogin = tokenBucket(logins, clock);
  }

  accepted(login: Login): void {
    this.#login({ to: "accepted", reason: "password_right" }, login);
  }

  ended(login: Login): void {
    this.#login({ to: "ended", reason: "logout" }, login);
  }

  refused(reason: "password_wrong" | "paused", { name, address }: Login): void {
    const dropped = this.#takeRefusal();
    if (dropped === undefined) return;
    const detail = `as ${quoted(name)} from ${address.slice(0, maxAddress)}${droppedText(dropped)}`;
    this.#emit({ to: "refused", reason, by: "nobody", detail });
  }

  #login(change: Pick<LoginEvent, "to" | "reason">, { name, address }: Login): void {
    const dropped = this.#takeLogin();
    if (dropped === undefined) return;
    this.#emit({
      ...change,
      by: name,
      detail: `from ${address.slice(0, maxAddress)}${droppedText(dropped)}`,
    });
  }
}

/** The name comes from an untrusted client: short, in quotes, on one line, with everything but plain characters escaped. */
function quoted(name: string): string {
  const short = name.length > maxName ? `${name.slice(0, maxName)}…` : name;
  const escaped = short.replace(
    /[^\x20-\x7e…]|["\\]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
  return `"${escaped}"`;
}

function droppedText(count: number): string {
  return count === 0 ? "" : `; ${count} earlier ones were not recorded`;
}

export interface TokenBucketOptions {
  readonly burst: number;
  /** Time after which one more may pass. */
  readonly everyMs: number;
}

/**
 * Lets a burst through at once, then one per `everyMs`.
 * @returns a function to call before each event: how many were dropped since the last one that passed, or undefined
 *   to drop this one
 */
function tokenBucket({ burst, everyMs }: TokenBucketOptions, clock: Clock): () => number | undefined {
  let tokens = burst;
  let refilledAt = clock();
  let dropped = 0;
  return () => {
    const now = clock();
    tokens = Math.min(burst, tokens + (now - refilledAt) / everyMs);
    refilledAt = now;
    if (tokens < 1) {
      dropped += 1;
      return undefined;
    }
    tokens -= 1;
    const before = dropped;
    dropped = 0;
    return before;
  };
}

/** What a store of the operator's intent offers. What is observed is observed anew after a restart; only its record stays. */

import type { WallClock } from "../lib/clock.ts";
import type { BalancerEvent } from "./event.ts";
import { type Intent, intentKey, type IntentRemoval } from "./intent.ts";

/** Durable and synchronous; never called on the way of a request. Throws what the medium throws. */
export interface Store {
  /** The latest intent for each aspect of each upstream, oldest first. */
  intents(): readonly Intent[];
  /** Takes all of these or none; written through when it returns. */
  write(intents: readonly (Intent | IntentRemoval)[]): void;
  /** The last ones, oldest first. */
  events(limit: number): readonly BalancerEvent[];
  /** Appends, and drops the oldest beyond a bound. What a power cut may take is the last seconds; a crash takes nothing. */
  record(events: readonly BalancerEvent[]): void;
  /** In place of those that were kept before. */
  keepSessions(sessions: readonly StoredSession[]): void;
  /** In the order in which they were kept; they are forgotten by being told, so that a crash brings no logout back. */
  takeSessions(): readonly StoredSession[];
  /** Does nothing the second time. */
  close(): void;
}

// A login as it is kept while the balancer is away: nothing of it lets anybody in who does not have its bearer.

export interface StoredSession {
  /** SHA-256 of a bearer that nobody could guess. */
  readonly digest: string;
  readonly name: string;
  /** Digest of the password's hash at the login. */
  readonly passwordMark: string;
  /** Epoch milliseconds, as is `usedAt`. */
  readonly openedAt: number;
  readonly usedAt: number;
}

// A store that owes what it could not keep, and says so: orders go on being taken, so somebody has to be told.

/** Since when, and why, what is set or recorded may not survive a restart. */
export interface UnsavedState {
  /** Epoch milliseconds. */
  readonly since: number;
  readonly why: string;
}

export class MonitoredStore implements Store {
  readonly #store: Store;
  readonly #wallClock: WallClock;
  /** That of a store which keeps nothing anyway. */
  readonly #unsaved: UnsavedState | undefined;
  #failing: UnsavedState | undefined;
  /** Intents that no write has kept yet, the latest of each kind: they come with the next one that is. */
  readonly #pending = new Map<string, Intent | IntentRemoval>();

  /** @param why this store only stands in for one that could not be opened */
  constructor(store: Store, wallClock: WallClock, why?: string) {
    this.#store = store;
    this.#wallClock = wallClock;
    this.#unsaved = why === undefined ? undefined : { since: wallClock(), why };
  }

  /** Undefined if the last write was kept. */
  get notKept(): UnsavedState | undefined {
    return this.#unsaved ?? this.#failing;
  }

  intents: Store["intents"] = () => this.#store.intents();
  events: Store["events"] = (limit) => this.#store.events(limit);
  write: Store["write"] = (intents) => {
    for (const intent of intents) this.#pending.set(intentKey(intent), intent);
    this.#watch();
  };
  record: Store["record"] = (events) => this.#watch(() => this.#store.record(events));
  keepSessions: Store["keepSessions"] = (sessions) => this.#watch(() => this.#store.keepSessions(sessions));
  takeSessions: Store["takeSessions"] = () => this.#store.takeSessions();
  close: Store["close"] = () => this.#store.close();

  /** First what is owed, then this. */
  #watch(write?: () => void): void {
    try {
      if (this.#pending.size > 0) this.#store.write([...this.#pending.values()]);
      this.#pending.clear();
      write?.();
      this.#failing = undefined;
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      this.#failing = { since: this.#failing?.since ?? this.#wallClock(), why };
      throw error;
    }
  }
}

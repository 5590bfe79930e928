/** A store that owes what it could not keep, and says so: orders go on being taken, so somebody has to be told. */

import type { WallClock } from "../lib/clock.ts";
import { type IntentRemoval, type Intent, intentKey } from "./intent.ts";
import type { Store } from "./store.ts";

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

/** The store of intents, events and sessions. Health is not stored: it is observed again after a restart. */

import type { PersistedSession } from "../access/sessions.ts";
import type { WallClock } from "../lib/clock.ts";
import { newSecret } from "../lib/secrets.ts";
import type { AlertChanges, AlertRecord } from "./alert-record.ts";
import type { BalancerEvent } from "./event.ts";
import { type Intent, intentKey, type IntentRemoval } from "./intent.ts";

/** What a balancer of a fleet knows of the store that they share. */
export interface FleetRecord {
  /** The last commit that it followed; undefined leaves it as it is. */
  readonly known?: { readonly epoch: string; readonly nonce: string };
  /** JSON by key; null removes the entry. */
  readonly entries: readonly {
    readonly key: string;
    readonly entry: string | null;
    readonly isPending: boolean;
  }[];
}

/** A session that has ended by a logout. */
export interface EndedSession {
  /** SHA-256 of the bearer. */
  readonly digest: string;
  /** Epoch milliseconds. */
  readonly endedAt: number;
}

/** The last answer of a source of members. */
export interface KeptMembers {
  readonly pool: string;
  /** What is asked: "dns api.internal:8080". */
  readonly source: string;
  /** Epoch milliseconds of the answer. */
  readonly at: number;
  /** JSON. */
  readonly members: string;
}

/** Durable and synchronous; never called on the request path. Methods throw the errors of the database. */
export interface Store {
  /** The latest intent for each aspect of each upstream, oldest first. */
  intents(): readonly Intent[];
  /** Writes all entries or none. They are on disk when it returns. */
  write(intents: readonly (Intent | IntentRemoval)[], fleet?: FleetRecord): void;
  /** What {@link Store.write} has kept for the fleet. */
  fleet(): FleetRecord;
  /** The latest events, oldest first. */
  events(limit: number): readonly BalancerEvent[];
  /** Events in a time (epoch milliseconds, without its end) and before a number, oldest first. */
  eventsBetween(from: number, to: number, beforeSeq: number): readonly BalancerEvent[];
  /** Appends events and drops the oldest beyond a limit. A power failure may lose the last seconds, a crash nothing. */
  record(events: readonly BalancerEvent[]): void;
  /** Replaces the stored sessions. */
  keepSessions(sessions: readonly PersistedSession[]): void;
  /** Returns the sessions in their stored order and deletes them, so that a crash cannot undo a logout. */
  takeSessions(): readonly PersistedSession[];
  /** Replaces the digests of sessions that have ended, which other balancers may not know yet. On disk when it returns. */
  keepEndedSessions(ended: readonly EndedSession[]): void;
  endedSessions(): readonly EndedSession[];
  /** Replaces the last answers of sources of members. A power failure may lose the last ones. */
  keepMembers(kept: readonly KeptMembers[]): void;
  members(): readonly KeptMembers[];
  alerts(): AlertRecord;
  /** Writes all changes or none. A power failure may lose the last seconds, a crash nothing. */
  writeAlerts(changes: AlertChanges): void;
  /** The secret that is kept for this purpose. It is made when it is read first. */
  secret(purpose: string): string;
  /** Undefined if none is kept. */
  keptSecret(purpose: string): string | undefined;
  keepSecret(purpose: string, value: string): void;
  /** Further calls do nothing. */
  close(): void;
}

/** Since when, and why, intents and events are not being saved. */
export interface UnsavedState {
  /** Epoch milliseconds. */
  readonly since: number;
  /** Error text. */
  readonly why: string;
}

/**
 * Reports failed writes, because the balancer still applies operator commands while they cannot be saved. Intents of a
 * failed write are written with the next write that succeeds.
 */
export class MonitoredStore implements Store {
  #store: Store;
  readonly #wallClock: WallClock;
  /** Set for good if this store is a substitute for a file that could not be opened. */
  #unsaved: UnsavedState | undefined;
  /** Set while writes fail. */
  #failing: UnsavedState | undefined;
  /** Intents that no write has saved yet, the latest for each key. */
  readonly #pending = new Map<string, Intent | IntentRemoval>();
  /** Of the fleet, in the same way. */
  readonly #pendingEntries = new Map<string, FleetRecord["entries"][number]>();
  #pendingKnown: FleetRecord["known"];
  readonly #secrets = new Map<string, string>();

  /** @param why the error, if `store` is a substitute for a file that could not be opened */
  constructor(store: Store, wallClock: WallClock, why?: string) {
    this.#store = store;
    this.#wallClock = wallClock;
    this.#unsaved = why === undefined ? undefined : { since: wallClock(), why };
  }

  /**
   * Closes the store and goes on with another one. Intents that are not saved yet are written there.
   * @param why as for the constructor
   */
  replace(store: Store, why?: string): void {
    this.#store.close();
    this.#store = store;
    this.#unsaved = why === undefined ? undefined : { since: this.#wallClock(), why };
    this.#failing = undefined;
  }

  /** Secrets that another process has read from its store. */
  adoptSecrets(secrets: Readonly<Record<string, string>>): void {
    for (const [purpose, value] of Object.entries(secrets)) this.#secrets.set(purpose, value);
  }

  /** Undefined if the last write succeeded. */
  get notKept(): UnsavedState | undefined {
    return this.#unsaved ?? this.#failing;
  }

  intents: Store["intents"] = () => this.#store.intents();
  events: Store["events"] = (limit) => this.#store.events(limit);
  eventsBetween: Store["eventsBetween"] = (...period) => this.#store.eventsBetween(...period);
  write: Store["write"] = (intents, fleet) => {
    for (const intent of intents) this.#pending.set(intentKey(intent), intent);
    for (const entry of fleet?.entries ?? []) this.#pendingEntries.set(entry.key, entry);
    this.#pendingKnown = fleet?.known ?? this.#pendingKnown;
    this.#save();
  };
  fleet: Store["fleet"] = () => this.#store.fleet();
  record: Store["record"] = (events) => this.#save(() => this.#store.record(events));
  keepSessions: Store["keepSessions"] = (sessions) => this.#save(() => this.#store.keepSessions(sessions));
  keepEndedSessions: Store["keepEndedSessions"] = (ended) =>
    this.#save(() => this.#store.keepEndedSessions(ended));
  endedSessions: Store["endedSessions"] = () => this.#store.endedSessions();
  keepMembers: Store["keepMembers"] = (kept) => this.#save(() => this.#store.keepMembers(kept));
  members: Store["members"] = () => this.#store.members();
  alerts: Store["alerts"] = () => this.#store.alerts();
  /** The caller repeats changes that were not written. */
  writeAlerts: Store["writeAlerts"] = (changes) => this.#save(() => this.#store.writeAlerts(changes));
  takeSessions: Store["takeSessions"] = () => this.#store.takeSessions();
  /** Where the store fails, the secret lasts as long as this process. */
  secret: Store["secret"] = (purpose) => {
    const known = this.#secrets.get(purpose) ?? this.#storedSecret(purpose);
    this.#secrets.set(purpose, known);
    return known;
  };
  keptSecret: Store["keptSecret"] = (purpose) => {
    try {
      return this.#secrets.get(purpose) ?? this.#store.keptSecret(purpose);
    } catch (error) {
      this.#failed(error);
      return undefined;
    }
  };
  keepSecret: Store["keepSecret"] = (purpose, value) => {
    this.#secrets.set(purpose, value);
    this.#save(() => this.#store.keepSecret(purpose, value));
  };
  close: Store["close"] = () => this.#store.close();

  #storedSecret(purpose: string): string {
    try {
      return this.#store.secret(purpose);
    } catch (error) {
      this.#failed(error);
      return newSecret();
    }
  }

  /** Writes the pending intents first, then calls `write`. */
  #save(write?: () => void): void {
    try {
      const known = this.#pendingKnown;
      if (this.#pendingEntries.size > 0 || known) {
        const entries = [...this.#pendingEntries.values()];
        this.#store.write([...this.#pending.values()], { entries, ...(known && { known }) });
      } else if (this.#pending.size > 0) this.#store.write([...this.#pending.values()]);
      this.#pending.clear();
      this.#pendingEntries.clear();
      this.#pendingKnown = undefined;
      write?.();
      this.#failing = undefined;
    } catch (error) {
      this.#failed(error);
      throw error;
    }
  }

  #failed(error: unknown): void {
    const why = error instanceof Error ? error.message : String(error);
    this.#failing = { since: this.#failing?.since ?? this.#wallClock(), why };
  }
}

/** The seam to the store that the balancers of a fleet share: eight methods, so that the client library can be another one. */

import type { Cancel } from "../lib/clock.ts";

/**
 * A store that may be away, slow, or hold anything. Keys and channels are short names ("entries"): the store puts the name of
 * the fleet in front of them.
 *
 * Each call ends within half a second, whatever the store does: it rejects with a {@link FleetStoreError} at once while there
 * is no connection, and at the deadline otherwise. Nothing waits for a connection, so that memory stays bounded. A call that
 * was rejected may have had its effect.
 */
export interface FleetStore {
  /** Runs a Lua script, as one step that no other call can come between. */
  eval(script: string, keys: readonly string[], args: readonly (string | number)[]): Promise<unknown>;
  /** Undefined if there is no such key. */
  get(key: string): Promise<string | undefined>;
  /** @returns false if `ifAbsent` is set and the key exists: nothing was written then */
  set(key: string, value: string, options?: SetOptions): Promise<boolean>;
  /** @returns whether the key existed */
  del(key: string): Promise<boolean>;
  publish(channel: string, message: string): Promise<void>;
  /**
   * Calls `onMessage` for each message from now on, over every loss of the connection; messages of that time are lost. Messages
   * are hints for that reason. Returns at once.
   */
  subscribe(channel: string, onMessage: (message: string) => void): Cancel;
  /** Calls `listener` each time a connection is there again: the one for calls, or the one for messages. */
  onReady(listener: () => void): Cancel;
  /** Calls are rejected from now on. */
  close(): void;
}

export interface SetOptions {
  /** The key goes after so many milliseconds. */
  readonly ttlMs?: number;
  readonly ifAbsent?: boolean;
}

/** A call that failed. The message says why, without the name of the store: "connection refused", "wrong user name or password". */
export class FleetStoreError extends Error {
  override readonly name = "FleetStoreError";
}

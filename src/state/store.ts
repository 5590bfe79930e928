/** What a store of the operator's intent offers. What is observed is observed anew after a restart; only its record stays. */

import type { BalancerEvent } from "./event.ts";
import type { IntentRemoval, Intent } from "./intent.ts";
import type { StoredSession } from "./kept-session.ts";

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

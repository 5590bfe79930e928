/** What the admin API shares with the other balancers of a fleet: sessions, and failed logins. */

import type { FailureCount } from "./login-limiter.ts";
import type { Sessions } from "./sessions.ts";

/** None of these fails, and each ends soon: a store that is away shares later, or not at all. */
export interface AccessSharing {
  /** Shares the sessions of this process from now on. */
  begin(sessions: Sessions): void;
  /** Shares nothing any more, until the next `begin`. */
  stop(): void;
  /** Takes over the session of a bearer that is not known here, if another balancer knows it. */
  recall(bearer: string): Promise<void>;
  /** There are new sessions. Resolves when the others can know them. */
  opened(): Promise<void>;
  /** A session has ended by a logout: nowhere may it go on. */
  ended(digest: string): Promise<void>;
  /**
   * Counts an attempt as a failure, until it is forgotten.
   * @returns 0, or the milliseconds to wait before the next try: then nothing is counted. Undefined if the store is away.
   */
  countFailure(counts: readonly FailureCount[]): Promise<number | undefined>;
  /** The attempt was no failure. */
  forgetFailure(counts: readonly FailureCount[]): void;
}

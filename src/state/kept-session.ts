/** A login as it is kept while the balancer is away: nothing of it lets anybody in who does not have its bearer. */

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

/** What the processes of a fleet tell each other about a rate limit that they share: one bucket for each key, of which each takes leases. */

/** What a process asks for one key. */
export interface BudgetAsk {
  /** Name of the bucket, the same in every process. */
  readonly key: string;
  /** In which the bucket gets one token. */
  readonly intervalMs: number;
  /** In which an empty bucket fills. */
  readonly capacityMs: number;
  /** Tokens to take in any case: of requests that were admitted before they were asked for. Below 0 to give tokens back. */
  readonly spent: number;
  /** Tokens to take if there are so many. */
  readonly wanted: number;
}

export interface BudgetAnswer {
  readonly granted: number;
  /** Until the bucket is full. More than its capacity after more was spent than there was. */
  readonly fullInMs: number;
}

export interface BudgetReply {
  /** In the order of the asks. */
  readonly answers: readonly BudgetAnswer[];
  /** Live balancers of the fleet, this one included. */
  readonly peers: number;
}

/** Where the buckets are. */
export interface Budgets {
  /** Rejects while the buckets cannot be reached; each call ends within a second. */
  exchange(asks: readonly BudgetAsk[]): Promise<BudgetReply>;
}

/** Keys in one call: a call of that size takes the store about half a millisecond. */
export const maxAsks = 200;

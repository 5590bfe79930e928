/** What is kept of alerts: changes that wait or were sent, which receivers know of which problem, and silences. */

/** `waiting` becomes one of the others, once. */
export const alertStates = ["waiting", "sent", "refused", "expired", "dropped"] as const;

export type AlertState = (typeof alertStates)[number];

/** One change for one receiver. Times are epoch milliseconds. */
export interface AlertRow {
  /** Increases, also across restarts; the order for each receiver. */
  readonly id: number;
  readonly receiver: string;
  /** When the problem changed. */
  readonly at: number;
  readonly state: AlertState;
  readonly tries: number;
  /** When it was sent, or given up; null while it waits. */
  readonly endedAt: number | null;
  /** What the receiver answered last: "status 503"; empty before the first try. */
  readonly answer: string;
  /** JSON of the alert. */
  readonly content: string;
}

/** What a receiver knows of a problem. */
export interface ToldRow {
  readonly receiver: string;
  /** "fra-1/p-k7m2x": the balancer that told it first, and the id that the problem has there. */
  readonly thread: string;
  /** Kind and subject: what the problem is at all balancers of a fleet. */
  readonly key: string;
  /** As the receiver knows it. */
  readonly title: string;
  /** The worst level that it was sent, or "closed". */
  readonly level: string;
  /** Of the last alert about it. */
  readonly number: number;
  /** The balancer that told it last. */
  readonly by: string;
  /** When this balancer told it, or learned of it. */
  readonly at: number;
}

export interface SilenceRow {
  readonly id: string;
  /** Null for all. At least one of the three is set. */
  readonly kind: string | null;
  readonly pool: string | null;
  readonly upstream: string | null;
  readonly at: number;
  readonly until: number;
  readonly by: string;
  readonly why: string;
}

export interface AlertRecord {
  /** In the order of their ids. */
  readonly alerts: readonly AlertRow[];
  readonly told: readonly ToldRow[];
  readonly silences: readonly SilenceRow[];
}

/** Rows replace the ones with the same key. All of it is written, or nothing. */
export interface AlertChanges extends AlertRecord {
  readonly removedAlerts: readonly number[];
  readonly removedTold: readonly Pick<ToldRow, "receiver" | "thread">[];
  readonly removedSilences: readonly string[];
}

export const noAlerts: AlertRecord = { alerts: [], told: [], silences: [] };

/** The plain record of an exchange that is over: what every reader of requests is given. Apart from what collects it. */

import { isTunnelStatus } from "./response-class.ts";
import type { AttemptObserver } from "../pool/attempt.ts";
import type { FailurePhase, FailureReason } from "../pool/outcome.ts";
import type { Refusal, RefusalReason, RetryVeto } from "./refusal.ts";
import type { RetryCause } from "./retry.ts";
import type { TraceContext } from "./trace-context.ts";

/** What only the engine knows when an exchange ends. */
export interface ExchangeSummary {
  readonly requestId: string;
  readonly clientAddress: string;
  readonly scheme: "http" | "https";
  /** Status that the client was sent; 0 if no final head was sent. */
  readonly status: number;
  /** Bytes of the client's request; the fetch engine, which never sees heads, counts bodies alone. */
  readonly bytesIn: number;
  /** Bytes handed to the client's connection, counted in the same way. */
  readonly bytesOut: number;
  /** The client left before it had its answer. */
  readonly isClientGone: boolean;
}

export interface AttemptRecord {
  readonly upstream: string;
  /** Milliseconds from the start of the exchange. */
  readonly startMs: number;
  /** Milliseconds from the attempt's start until a fresh connection was open; null on a kept one, or where nobody knows. */
  readonly connectMs: number | null;
  /** Milliseconds from the attempt's start to the answer's head; null without one. */
  readonly headMs: number | null;
  /** Milliseconds from the attempt's start to its end. */
  readonly endMs: number;
  /** 0 without an answer. */
  readonly status: number;
  readonly outcome: "response" | "failure" | "cancelled";
  readonly phase: FailurePhase | null;
  readonly reason: FailureReason | null;
  /** A rehearsal held it back, made it fail or both. */
  readonly rehearsed: boolean;
}

/** One of those that an upstream was chosen from, as it stood then. */
export interface Candidate {
  readonly upstream: string;
  readonly inFlight: number;
  /** Less than the configured one during a slow start. */
  readonly weight: number;
  /** Peak-sensitive average of its latency; null while unmeasured. */
  readonly latencyMs: number | null;
}

/** One decision on where an attempt goes. */
export interface SelectionRecord {
  readonly chosen: string;
  /** Those that were fit, at most sixteen of them. */
  readonly candidates: readonly Candidate[];
  /** How many were fit in all. */
  readonly fit: number;
}

export interface RequestRecord extends ExchangeSummary {
  /** Epoch milliseconds at which it began. */
  readonly at: number;
  readonly durationMs: number;
  /** Empty, like target and host, where the head was not acceptable. */
  readonly method: string;
  /** Cut at 2,048 characters, as the host is. */
  readonly target: string;
  readonly host: string;
  readonly pool: string | null;
  /** What it was pinned by; null where the pool has no key. */
  readonly key: string | null;
  /** Why the balancer answered itself, or why the last attempt failed. */
  readonly reason: RefusalReason | null;
  /** Which rule it broke, where it was refused for what it says or how slowly it came. */
  readonly complaint: string | null;
  readonly notRetried: RetryVeto | null;
  /** Why each further attempt was made, in order. */
  readonly retried: readonly string[];
  /** How long it waited for a place, milliseconds. */
  readonly queuedMs: number;
  /** In the order of their ends. */
  readonly attempts: readonly AttemptRecord[];
  /** In order; complete where somebody wanted them from the start, else only those of further attempts. */
  readonly choices: readonly SelectionRecord[];
  /** Of the client's `traceparent` or our own; null without one that makes sense. */
  readonly traceId: string | null;
  /** Present where it was traced here. */
  readonly trace?: TraceContext;
}

/**
 * An exchange that has just ended, as its takers are given it: to be read at once, for the next one is written over it.
 * What it tells is made when it is asked for.
 */
export interface EndedExchange extends Omit<RequestRecord, "key" | "retried" | "choices" | "trace"> {
  /** All of it, to keep: made once for all who ask. */
  readonly record: RequestRecord;
}

/** Whether it became a connection that both sides keep for as long as they like: how long that was says nothing. */
export function isTunnel({ status }: Pick<ExchangeSummary, "status">): boolean {
  return isTunnelStatus(status);
}

/** Who is given exchanges that ended: those that it wanted, and no others. Called on the request path: cheap, synchronous, and must not throw. */
export interface RecordSink {
  /** Whether it wants all that are traced here, whatever else it answers. */
  readonly wantsTraced?: boolean;
  /** Whether it looks at the choices of those that it wants from the start. */
  readonly wantsChoices?: boolean;
  /** Asked as each exchange opens: whether it is wanted whatever comes of it. */
  wants(): boolean;
  /** Asked as one ends that it did not want and that took this long: whether it is wanted all the same. */
  wantsSlow(durationMs: number): boolean;
  /** Asked as one ends that it did not want and that failed, was tried again, was refused, or lost its client. */
  wantsFailed(): boolean;
  accept(exchange: EndedExchange): void;
}

// What an exchange tells of itself: apart from the exchange, because the listeners live elsewhere.

/** How a hedge came out: its answer went to the client, or it was in vain. */
export type HedgeResult = "won" | "lost";

/** Hears what no attempt can tell. Called synchronously; must not throw. */
export interface ExchangeObserver extends AttemptObserver {
  /** An attempt is followed by another one. */
  retried(poolName: string, cause: RetryCause): void;
  /** An attempt that failed, or whose answer is one to try elsewhere, is followed by none. */
  notRetried(poolName: string, cause: RetryCause, why: RetryVeto): void;
  /** A request was hedged, and this came of it. */
  hedged(poolName: string, result: HedgeResult): void;
  /**
   * The balancer answers itself, after so many attempts; `poolName` is undefined where no route matched or the head was
   * not acceptable.
   */
  refused(poolName: string | undefined, refused: Refusal, attempts: number): void;
}

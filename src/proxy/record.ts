/** The plain record of an exchange that is over: what every reader of requests is given. Apart from what collects it. */

import type { FailurePhase, FailureReason } from "../pool/outcome.ts";
import type { NotRetried, RefusalReason } from "./refusal.ts";

/** What only the engine knows when an exchange ends. */
export interface ExchangeEnd {
  readonly requestId: string;
  readonly clientAddress: string;
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
  /** Milliseconds from the attempt's start to the answer's head; null without one. */
  readonly headMs: number | null;
  /** Milliseconds from the attempt's start to its end. */
  readonly endMs: number;
  /** 0 without an answer. */
  readonly status: number;
  readonly outcome: "response" | "failure" | "cancelled";
  readonly phase: FailurePhase | null;
  readonly reason: FailureReason | null;
}

export interface RequestRecord extends ExchangeEnd {
  /** Epoch milliseconds. */
  readonly at: number;
  readonly durationMs: number;
  /** Empty, like target and host, where the head was not acceptable. */
  readonly method: string;
  readonly target: string;
  readonly host: string;
  readonly pool: string | null;
  /** What it was pinned by; null where the pool has no key. */
  readonly key: string | null;
  /** W3C trace context, as received. */
  readonly traceparent: string | null;
  /** Why the balancer answered itself, or why the last attempt failed. */
  readonly reason: RefusalReason | null;
  readonly notRetried: NotRetried | null;
  /** Why each further attempt was made, in order. */
  readonly retried: readonly string[];
  /** In the order of their ends. */
  readonly attempts: readonly AttemptRecord[];
}

/** The record of one exchange, the sinks that receive it, and the observer of what happens on the way. */

import { isTunnelStatus } from "./response-class.ts";
import type { AttemptObserver } from "../pool/attempt.ts";
import type { FilteredRequest, SplitChoice, StickyResult } from "./filter.ts";
import type { FailurePhase, FailureReason } from "../pool/outcome.ts";
import type { Refusal, RefusalReason, RetryVeto } from "./refusal.ts";
import type { RetryCause } from "./retry.ts";
import type { TraceContext } from "./trace-context.ts";

/** The HTTP version of a client's request, by its name in ALPN. */
export type HttpVersion = "http/1.0" | "http/1.1" | "h2" | "h3";

/** What the engine reports when an exchange ends. */
export interface ExchangeSummary {
  readonly requestId: string;
  /** IP address of the client: the peer's, or what trusted proxies say. An engine may compute it when it is read. */
  readonly clientAddress: string;
  /** IP address that the connection came from. */
  readonly peerAddress: string;
  readonly scheme: "http" | "https";
  /** Name of the listener. */
  readonly listener: string;
  /** Null where the runtime's server does not tell it. */
  readonly protocol: HttpVersion | null;
  /** Status that the client was sent; 0 if no final head was sent. */
  readonly status: number;
  /** Bytes of the client's request. The fetch engine counts bodies only: it never sees heads. */
  readonly bytesIn: number;
  /** Bytes written to the client's connection, counted in the same way. */
  readonly bytesOut: number;
  /** The client left before the response was complete. */
  readonly isClientGone: boolean;
}

export interface AttemptRecord {
  readonly upstream: string;
  /** Milliseconds from the start of the exchange. */
  readonly startMs: number;
  /** Milliseconds from the attempt's start until a new connection was open; null on a reused one, or where unknown. */
  readonly connectMs: number | null;
  /** Milliseconds from the attempt's start to the response's head; null without one. */
  readonly headMs: number | null;
  /** Milliseconds from the attempt's start to its end. */
  readonly endMs: number;
  /** 0 without a response. */
  readonly status: number;
  readonly outcome: "response" | "failure" | "cancelled";
  readonly phase: FailurePhase | null;
  readonly reason: FailureReason | null;
  /** An injected fault held it, failed it or answered it. */
  readonly rehearsed: boolean;
}

/** One of the available upstreams at the time of a selection. */
export interface Candidate {
  readonly upstream: string;
  readonly inFlight: number;
  /** Below the configured weight during a slow start. */
  readonly weight: number;
  /** Peak-sensitive average of its latency, milliseconds; null while unmeasured. */
  readonly latencyMs: number | null;
}

/** One selection of an upstream for an attempt. */
export interface SelectionRecord {
  readonly chosen: string;
  /** The available upstreams, at most sixteen of them. */
  readonly candidates: readonly Candidate[];
  /** How many were available. */
  readonly fit: number;
}

export interface RequestRecord extends ExchangeSummary {
  /** Epoch milliseconds at which it began. */
  readonly at: number;
  readonly durationMs: number;
  /** Empty, like target and host, where the head was invalid. */
  readonly method: string;
  /** At most 2,048 characters, as the host. */
  readonly target: string;
  readonly host: string;
  readonly pool: string | null;
  /** The hash key; null where the pool has none. */
  readonly key: string | null;
  /** The form of the path that routes matched; null where it is the path of the target, or no route has a path. */
  readonly matchedPath: string | null;
  /** Name of the route, or its place in the configuration, as "routes[3]"; null without one. */
  readonly route: string | null;
  /** Host and path of the route; null without a route, and for one of every host and path. */
  readonly routeConditions: string | null;
  /** Name of the filter that answered; null where none did. */
  readonly filter: string | null;
  /** Who was authenticated by a filter; at most 256 characters. */
  readonly user: string | null;
  /** Why the balancer responded itself, or why the last attempt failed. */
  readonly reason: RefusalReason | null;
  /** The rule of HTTP that the request broke, or the upstream's response if the reason is `answer_refused`. */
  readonly complaint: string | null;
  readonly notRetried: RetryVeto | null;
  /** What a split chose; absent on a route without one. */
  readonly split?: SplitChoice;
  /** What became of it in a sticky pool; absent in others. */
  readonly sticky?: StickyResult;
  /** The cause of each further attempt, in order. */
  readonly retried: readonly string[];
  /** Time in the queue, milliseconds. */
  readonly queuedMs: number;
  /** In the order in which they ended. */
  readonly attempts: readonly AttemptRecord[];
  /** In order; complete where a sink wanted the request from the start, else only those of further attempts. */
  readonly choices: readonly SelectionRecord[];
  /** From the client's `traceparent` or made here; null without a valid one. */
  readonly traceId: string | null;
  /** Present where the request was traced here. */
  readonly trace?: TraceContext;
}

/**
 * An exchange that has just ended, as sinks receive it. Read it at once: the next exchange overwrites it. Its strings and
 * objects are created when they are read.
 */
export interface EndedExchange extends Omit<
  RequestRecord,
  "key" | "matchedPath" | "routeConditions" | "split" | "sticky" | "retried" | "choices" | "trace"
> {
  /** The client's User-Agent and Referer, at most 2,048 characters; null without them. */
  readonly userAgent: string | null;
  readonly referer: string | null;
  /** A copy to keep, made once for all sinks. */
  readonly record: RequestRecord;
}

/** Whether the connection became a tunnel: its duration says nothing. */
export function isTunnel({ status }: Pick<ExchangeSummary, "status">): boolean {
  return isTunnelStatus(status);
}

/** Receives the exchanges that it wants. Called on the request path: cheap, synchronous, and must not throw. */
export interface RecordSink {
  /** Whether it wants every exchange that is traced here. */
  readonly wantsTraced?: boolean;
  /** Whether it reads the selections of the exchanges that it wants from the start. */
  readonly wantsChoices?: boolean;
  /** Called as each exchange opens: whether it is wanted however it ends. */
  wants(): boolean;
  /** Called at the end of one that was not wanted yet, with its duration: whether it is wanted for that. */
  wantsSlow(durationMs: number): boolean;
  /** Called at the end of one that was not wanted yet and that failed, was retried, was refused, or lost its client. */
  wantsFailed(): boolean;
  accept(exchange: EndedExchange): void;
}

/** How a hedge ended: its response went to the client, or not. */
export type HedgeResult = "won" | "lost";

/** Called for what happens to an exchange. Synchronous; must not throw. */
export interface ExchangeObserver extends AttemptObserver {
  /** Another attempt follows. */
  retried(poolName: string, cause: RetryCause): void;
  /** No other attempt follows one that failed, or whose status is retried. */
  notRetried(poolName: string, cause: RetryCause, why: RetryVeto): void;
  /**
   * A request of a route ended.
   * @param route what the route is counted under
   * @param durationMs undefined for an upgraded connection
   */
  routeEnded?(route: string, status: number, durationMs: number | undefined): void;
  /** After `routeEnded`: so many attempts of it followed a failed one. */
  routeRetried?(route: string, retries: number): void;
  /** After `routeEnded`: the balancer refused it. */
  routeRefused?(route: string): void;
  /** A hedge ended. */
  hedged(poolName: string, result: HedgeResult): void;
  /**
   * The balancer responds itself, after so many attempts. `poolName` is undefined where no route matched or the head was
   * invalid.
   */
  refused(poolName: string | undefined, refused: Refusal, attempts: number): void;
  /** A request ended on a route that does more with it than to send it to a pool. `poolName` as for `refused`. */
  filteredEnded?(poolName: string | undefined, request: FilteredRequest): void;
}

/** Collects what happens to one exchange and hands it to the sinks that want it. */

import type { Clock } from "../lib/clock.ts";
import type { Attempt } from "../pool/attempt.ts";
import type { Outcome } from "../pool/outcome.ts";
import type { Pool } from "../pool/pool.ts";
import type { Upstream } from "../pool/upstream.ts";
import { RecordBuilder } from "./record-builder.ts";
import {
  type Candidate,
  type EndedExchange,
  type ExchangeObserver,
  type ExchangeSummary,
  type HedgeResult,
  isTunnel,
  type RecordSink,
  type SelectionRecord,
} from "./record.ts";
import type { Refusal, RetryVeto } from "./refusal.ts";
import type { FilteredRequest } from "./filter.ts";
import type { RequestHead } from "./request-head.ts";
import type { RetryCause } from "./retry.ts";
import type { RouteMatch } from "./route.ts";
import type { TraceContext } from "./trace-context.ts";

/** A pool may have thousands. */
const maxCandidates = 16;

export interface RecorderOptions {
  readonly clock: Clock;
  readonly observer: ExchangeObserver;
  /** Without a sink nothing is collected. */
  readonly records?: readonly RecordSink[];
}

/**
 * A request that succeeds costs a few numbers. Strings and objects are created only where a sink wants them, which is
 * decided when they open or when they end.
 */
export class Recorder implements ExchangeObserver {
  readonly #clock: Clock;
  readonly #observer: ExchangeObserver;
  /** Undefined without sinks. */
  readonly #sinks: SinkSelection | undefined;
  readonly #record = new RecordBuilder();
  #queuedAt = 0;
  #filtered: FilteredRequest | undefined;
  #poolName: string | undefined;
  /** The first exception of a sink during the exchange. */
  #bug: { readonly error: unknown } | undefined;

  constructor({ clock, observer, records = [] }: RecorderOptions) {
    this.#clock = clock;
    this.#observer = observer;
    this.#sinks = records.length > 0 ? new SinkSelection(records, (error) => this.#failed(error)) : undefined;
  }

  /** A sink must not change how a request ends: its exception waits for the end of the exchange. */
  #failed(error: unknown): void {
    this.#bug ??= { error };
  }

  /** Prepares for the next exchange. */
  begin(): void {
    this.#record.clear();
    this.#filtered = undefined;
    this.#queuedAt = 0;
    this.#sinks?.forget();
  }

  opened(head: RequestHead, pool: Pool | undefined, key: string, match?: RouteMatch): void {
    if (!this.#sinks) return;
    const record = this.#record;
    record.head = head;
    record.poolObject = pool;
    record.hashKey = key;
    record.match = match;
    record.startedAt = this.#clock();
    this.#sinks.open();
  }

  /** Before `opened`: the request goes through filters. */
  filtered(request: FilteredRequest, pool: Pool | undefined): void {
    this.#filtered = request;
    this.#poolName = pool?.name;
    if (this.#sinks) this.#record.filtered = request;
  }

  /** The request waits in the queue. */
  queued(): void {
    if (this.#sinks) this.#queuedAt = this.#clock();
  }

  /** Called before the attempt is counted in, so that the numbers are the ones that the policy used. */
  chose(pool: Pool, chosen: Upstream, isAnotherAttempt: boolean): void {
    if (this.#queuedAt > 0) this.#endWait();
    if (this.#sinks && (isAnotherAttempt || this.#sinks.wantsChoices))
      this.#record.choices.push(choiceOf(pool, chosen, this.#clock()));
  }

  #endWait(): void {
    this.#record.queuedMs = this.#clock() - this.#queuedAt;
    this.#queuedAt = 0;
  }

  attemptEnded(attempt: Attempt, outcome: Outcome): void {
    this.#observer.attemptEnded(attempt, outcome);
    if (this.#sinks) this.#record.addAttempt(attempt, outcome);
  }

  retried(poolName: string, cause: RetryCause): void {
    this.#observer.retried(poolName, cause);
    this.#record.retried.push(cause.reason);
  }

  notRetried(poolName: string, cause: RetryCause, why: RetryVeto): void {
    this.#observer.notRetried(poolName, cause, why);
    this.#record.retryVeto = why;
  }

  hedged(poolName: string, result: HedgeResult): void {
    this.#observer.hedged(poolName, result);
  }

  refused(poolName: string | undefined, refused: Refusal, attempts: number): void {
    this.#observer.refused(poolName, refused, attempts);
    this.#record.refused = refused;
  }

  /**
   * @param trace present where the request was traced here
   * @throws the first exception of a sink, after all of them were served
   */
  ended(end: ExchangeSummary, trace: TraceContext | undefined): void {
    if (this.#filtered) this.#observer.filteredEnded?.(this.#poolName, this.#filtered);
    if (this.#sinks) this.#count(end, this.#giveTo(this.#sinks, end, trace));
    const bug = this.#bug;
    this.#bug = undefined;
    if (bug) throw bug.error;
  }

  /** @param now the end */
  #count(end: ExchangeSummary, now: number): void {
    const { match, startedAt, refused, retried } = this.#record;
    const route = match?.route?.counter;
    if (route === undefined) return;
    this.#observer.routeEnded?.(route, end.status, isTunnel(end) ? undefined : now - startedAt);
    if (retried.length > 0)
      this.#observer.routeRetried?.(route, retried.filter((reason) => reason !== "hedged").length);
    if (refused && isCountedRefusal(refused)) this.#observer.routeRefused?.(route);
  }

  /** @returns clock time of the end */
  #giveTo(selection: SinkSelection, end: ExchangeSummary, trace: TraceContext | undefined): number {
    const record = this.#record;
    const now = this.#clock();
    record.startedAt ||= now;
    if (this.#queuedAt > 0) this.#endWait();
    // The duration of a tunnel says nothing.
    const durationMs = isTunnel(end) ? 0 : now - record.startedAt;
    selection.end(durationMs, this.#hasFailed(end), trace !== undefined);
    if (!selection.isWanted) return now;
    record.end(end, trace, now);
    selection.give(record);
    return now;
  }

  #hasFailed({ status, isClientGone }: ExchangeSummary): boolean {
    const { refused, retried, lastOutcome } = this.#record;
    if (refused?.reply) return isClientGone;
    if (refused || retried.length > 0 || isClientGone || (status >= 500 && status <= 599)) return true;
    return lastOutcome?.kind === "failure";
  }
}

/** Neither an upstream's response that is held, nor an answer that the route is there for: a redirect, or its own response. */
function isCountedRefusal({ reply, status, reason, usesHeldResponse }: Refusal): boolean {
  if (usesHeldResponse) return false;
  return reply === undefined || (status >= 400 && reason !== "responded");
}

/** The available upstreams with their load; also for a dry run. */
export function candidatesIn(pool: Pool, now: number): readonly Candidate[] {
  return pool.available.slice(0, maxCandidates).map((upstream) => ({
    upstream: upstream.id,
    inFlight: upstream.inFlight,
    weight: upstream.effectiveWeight,
    latencyMs: upstream.latency.measured ? upstream.latency.read(now) : null,
  }));
}

function choiceOf(pool: Pool, chosen: Upstream, now: number): SelectionRecord {
  return { chosen: chosen.id, candidates: candidatesIn(pool, now), fit: pool.available.length };
}

/** Which sinks want the current exchange. One that throws does not get it; the others do. */
export class SinkSelection {
  readonly #sinks: readonly RecordSink[];
  readonly #onBug: (error: unknown) => void;
  /** One bit for each sink, as in `#wanted`. */
  readonly #choiceSinks: number;
  #wanted = 0;

  /** @param sinks at most 31  @param onBug called with what a sink throws */
  constructor(sinks: readonly RecordSink[], onBug: (error: unknown) => void) {
    this.#sinks = sinks;
    this.#onBug = onBug;
    this.#choiceSinks = sinks.reduce((bits, { wantsChoices }, i) => bits | (wantsChoices ? 1 << i : 0), 0);
  }

  /** Whether a sink wants it, as far as is decided. */
  get isWanted(): boolean {
    return this.#wanted !== 0;
  }

  /** Whether one of those reads the selections. */
  get wantsChoices(): boolean {
    return (this.#wanted & this.#choiceSinks) !== 0;
  }

  forget(): void {
    this.#wanted = 0;
  }

  /** Calls every sink, since some of them sample at random. */
  open(): void {
    let wanted = 0;
    for (let i = 0; i < this.#sinks.length; i++) {
      try {
        if ((this.#sinks[i] as RecordSink).wants()) wanted |= 1 << i;
      } catch (error) {
        this.#onBug(error);
      }
    }
    this.#wanted = wanted;
  }

  /** Calls the sinks that did not want it yet. A loop without objects: this runs for every request. */
  end(durationMs: number, hasFailed: boolean, isTraced: boolean): void {
    for (let i = 0; i < this.#sinks.length; i++) {
      if ((this.#wanted & (1 << i)) !== 0) continue;
      const sink = this.#sinks[i] as RecordSink;
      try {
        const isWanted =
          (isTraced && sink.wantsTraced === true) ||
          sink.wantsSlow(durationMs) ||
          (hasFailed && sink.wantsFailed());
        if (isWanted) this.#wanted |= 1 << i;
      } catch (error) {
        this.#onBug(error);
      }
    }
  }

  give(exchange: EndedExchange): void {
    for (let i = 0; i < this.#sinks.length; i++) {
      if ((this.#wanted & (1 << i)) === 0) continue;
      try {
        (this.#sinks[i] as RecordSink).accept(exchange);
      } catch (error) {
        this.#onBug(error);
      }
    }
  }
}

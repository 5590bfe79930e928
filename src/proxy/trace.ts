/** Collects the record of one exchange from what the exchange tells its observer; apart from what decides. */

import { type Clock, systemWallClock } from "../lib/clock.ts";
import type { Attempt } from "../pool/attempt.ts";
import type { Outcome } from "../pool/outcome.ts";
import type { ExchangeObserver, HedgeResult } from "./exchange-observer.ts";
import type { Head } from "./head.ts";
import type { AttemptRecord, ExchangeEnd } from "./record.ts";
import type { NotRetried, Refusal } from "./refusal.ts";
import type { RetryCause } from "./retry.ts";

/** Longer targets and hosts are cut: a record must stay small. */
const mostChars = 2_048;

/** Stands between an exchange and its observer. Where nobody hears of ends, it passes on and keeps nothing. */
export class Trace implements ExchangeObserver {
  readonly #clock: Clock;
  readonly #observer: ExchangeObserver;
  #startedAt = 0;
  #method = "";
  #target = "";
  #host = "";
  #traceparent: string | null = null;
  #pool: string | null = null;
  #key: string | null = null;
  #refused: Refusal | undefined;
  #notRetried: NotRetried | null = null;
  #retried: string[] = [];
  #attempts: AttemptRecord[] = [];

  constructor(clock: Clock, observer: ExchangeObserver) {
    this.#clock = clock;
    this.#observer = observer;
    this.begin();
  }

  get #isHeard(): boolean {
    return this.#observer.exchangeEnded !== undefined;
  }

  begin(): void {
    if (!this.#isHeard) return;
    this.#startedAt = this.#clock();
    this.#method = this.#target = this.#host = "";
    this.#traceparent = this.#pool = this.#key = this.#notRetried = null;
    this.#refused = undefined;
    this.#retried = [];
    this.#attempts = [];
  }

  opened(head: Head, pool: string | undefined, key: string): void {
    if (!this.#isHeard) return;
    this.#method = head.method;
    this.#target = head.target.slice(0, mostChars);
    this.#host = head.host.slice(0, mostChars);
    this.#traceparent = head.header("traceparent")?.slice(0, 128) ?? null;
    this.#pool = pool ?? null;
    this.#key = key === "" ? null : key.slice(0, mostChars);
  }

  attemptEnded(attempt: Attempt, outcome: Outcome): void {
    this.#observer.attemptEnded(attempt, outcome);
    if (!this.#isHeard) return;
    const { startedAt, endedAt, status } = attempt;
    const failed = outcome.kind === "failure" ? outcome : undefined;
    this.#attempts.push({
      upstream: attempt.upstream.id,
      startMs: startedAt - this.#startedAt,
      headMs: attempt.headLatencyMs ?? null,
      endMs: endedAt - startedAt,
      status,
      outcome: outcome.kind,
      phase: failed?.phase ?? null,
      reason: failed?.reason ?? null,
    });
  }

  retried(poolName: string, cause: RetryCause): void {
    this.#observer.retried(poolName, cause);
    if (this.#isHeard) this.#retried.push(cause.reason);
  }

  notRetried(poolName: string, cause: RetryCause, why: NotRetried): void {
    this.#observer.notRetried(poolName, cause, why);
    this.#notRetried = why;
  }

  hedged(poolName: string, result: HedgeResult): void {
    this.#observer.hedged(poolName, result);
  }

  refused(poolName: string | undefined, refused: Refusal): void {
    this.#observer.refused(poolName, refused);
    this.#refused = refused;
  }

  /** The exchange is over: its one record goes out. */
  ended(end: ExchangeEnd): void {
    if (!this.#isHeard) return;
    const durationMs = this.#clock() - this.#startedAt;
    this.#observer.exchangeEnded?.({
      ...end,
      at: systemWallClock() - durationMs,
      durationMs,
      method: this.#method,
      target: this.#target,
      host: this.#host,
      pool: this.#pool,
      key: this.#key,
      traceparent: this.#traceparent,
      reason: this.#refused?.reason ?? this.#attempts.at(-1)?.reason ?? null,
      notRetried: this.#notRetried,
      retried: this.#retried,
      attempts: this.#attempts,
    });
  }
}

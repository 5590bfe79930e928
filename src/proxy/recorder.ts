/** Notes what befalls one exchange, in place and without strings, and makes a record of it where somebody wants one. */

import { type Clock, systemWallClock, type WallClock } from "../lib/clock.ts";
import type { Attempt } from "../pool/attempt.ts";
import type { Outcome } from "../pool/outcome.ts";
import type { Pool } from "../pool/pool.ts";
import type { Upstream } from "../pool/upstream.ts";
import type { ExchangeObserver, HedgeResult } from "./exchange-observer.ts";
import type { ExchangeSetting } from "./exchange-setting.ts";
import type { Head } from "./head.ts";
import {
  type AttemptRecord,
  type Candidate,
  type Choice,
  type ExchangeEnd,
  isTunnel,
  type RequestRecord,
} from "./record.ts";
import type { NotRetried, Refusal } from "./refusal.ts";
import type { RetryCause } from "./retry.ts";
import { readTraceparent, type TraceContext } from "./trace-context.ts";
import { Wishes } from "./wishes.ts";

/** Longer targets and hosts are cut: a record must stay small. */
const mostChars = 2_048;
/** A pool may have thousands. */
const mostCandidates = 16;

/** What is kept of an attempt: written over by the next exchange. */
interface Note {
  upstream: Upstream;
  startedAt: number;
  connectMs: number | undefined;
  isRehearsed: boolean;
  headAt: number;
  endedAt: number;
  status: number;
  outcome: Outcome;
}

/**
 * Stands between an exchange and its observer. A request that goes well costs a few numbers; strings and objects are
 * made only for those that somebody wants, which is known when they open or when they end.
 */
export class Recorder implements ExchangeObserver {
  readonly #clock: Clock;
  readonly #wallClock: WallClock = systemWallClock;
  readonly #observer: ExchangeObserver;
  /** Undefined where nobody takes records. */
  readonly #wishes: Wishes | undefined;
  #head: Head | undefined;
  #pool: Pool | undefined;
  #key = "";
  #startedAt = 0;
  #queuedAt = 0;
  #queuedMs = 0;
  #refused: Refusal | undefined;
  #notRetried: NotRetried | undefined;
  readonly #retried: string[] = [];
  readonly #choices: Choice[] = [];
  readonly #notes: Note[] = [];
  #noted = 0;

  constructor({ clock, observer, records = [] }: ExchangeSetting) {
    this.#clock = clock;
    this.#observer = observer;
    this.#wishes = records.length > 0 ? new Wishes(records) : undefined;
  }

  /** The next request's notes begin. */
  begin(): void {
    this.#head = undefined;
    this.#pool = undefined;
    this.#key = "";
    this.#startedAt = this.#queuedAt = this.#queuedMs = this.#noted = 0;
    this.#refused = undefined;
    this.#notRetried = undefined;
    // Setting the length of a list is a call into the runtime, even where it is empty: nearly always.
    if (this.#retried.length > 0) this.#retried.length = 0;
    if (this.#choices.length > 0) this.#choices.length = 0;
    this.#wishes?.forget();
  }

  opened(head: Head, pool: Pool | undefined, key: string): void {
    if (!this.#wishes) return;
    this.#head = head;
    this.#pool = pool;
    this.#key = key;
    this.#startedAt = this.#clock();
    this.#wishes.open();
  }

  /** It waits for a place. */
  queued(): void {
    if (this.#wishes) this.#queuedAt = this.#clock();
  }

  /** Told before the attempt is counted in, so that the numbers are those that the policy saw. */
  chose(pool: Pool, chosen: Upstream, isFurther: boolean): void {
    if (this.#queuedAt > 0) this.#endWait();
    if (this.#wishes && (isFurther || this.#wishes.isWanted))
      this.#choices.push(choiceOf(pool, chosen, this.#clock()));
  }

  #endWait(): void {
    this.#queuedMs = this.#clock() - this.#queuedAt;
    this.#queuedAt = 0;
  }

  attemptEnded(attempt: Attempt, outcome: Outcome): void {
    this.#observer.attemptEnded(attempt, outcome);
    if (!this.#wishes) return;
    const {
      upstream,
      startedAt,
      connectLatencyMs: connectMs,
      headAt,
      endedAt,
      status,
      isRehearsed,
    } = attempt;
    const note = this.#notes[this.#noted];
    if (note) {
      note.upstream = upstream;
      note.startedAt = startedAt;
      note.connectMs = connectMs;
      note.isRehearsed = isRehearsed;
      note.headAt = headAt;
      note.endedAt = endedAt;
      note.status = status;
      note.outcome = outcome;
    } else {
      const at = { startedAt, connectMs, headAt, endedAt };
      this.#notes.push({ upstream, ...at, status, outcome, isRehearsed });
    }
    this.#noted += 1;
  }

  retried(poolName: string, cause: RetryCause): void {
    this.#observer.retried(poolName, cause);
    this.#retried.push(cause.reason);
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

  /** @param trace where it stands in a trace */
  ended(end: ExchangeEnd, trace: TraceContext | undefined): void {
    const wishes = this.#wishes;
    if (!wishes) return;
    const now = this.#clock();
    const startedAt = this.#startedAt || now;
    if (this.#queuedAt > 0) this.#endWait();
    // How long a tunnel was kept says nothing.
    const durationMs = isTunnel(end) ? 0 : now - startedAt;
    wishes.end(durationMs, this.#hasFailed(end), trace !== undefined);
    if (wishes.isWanted) wishes.give(this.#recordOf(end, { startedAt, now, trace }));
  }

  #hasFailed({ status, isClientGone }: ExchangeEnd): boolean {
    if (this.#refused || this.#retried.length > 0 || isClientGone || status >= 500) return true;
    return this.#noted > 0 && this.#notes[this.#noted - 1]?.outcome.kind === "failure";
  }

  #recordOf(
    { requestId, clientAddress, scheme, status, bytesIn, bytesOut, isClientGone }: ExchangeEnd,
    { startedAt, now, trace }: { startedAt: number; now: number; trace: TraceContext | undefined },
  ): RequestRecord {
    const durationMs = now - startedAt;
    const attempts = this.#notes.slice(0, this.#noted).map((note) => attemptOf(note, startedAt));
    const head = this.#head;
    return {
      ...{ requestId, clientAddress, scheme, status, bytesIn, bytesOut, isClientGone },
      at: this.#wallClock() - durationMs,
      durationMs,
      method: head?.method ?? "",
      target: cut(head?.target ?? ""),
      host: cut(head?.host ?? ""),
      pool: this.#pool?.name ?? null,
      key: this.#key === "" ? null : cut(this.#key),
      reason: this.#refused?.reason ?? attempts.at(-1)?.reason ?? null,
      notRetried: this.#notRetried ?? null,
      retried: [...this.#retried],
      queuedMs: this.#queuedMs,
      attempts,
      choices: [...this.#choices],
      traceId: trace?.traceId ?? traceIdOf(head),
      ...(trace && { trace }),
    };
  }
}

/** A copy: a part of a string keeps all of it in memory, which may be a whole head. */
function cut(text: string): string {
  return Buffer.from(text.slice(0, mostChars)).toString();
}

function traceIdOf(head: Head | undefined): string | null {
  return readTraceparent(head?.header("traceparent") ?? "")?.traceId ?? null;
}

function attemptOf(note: Note, exchangeAt: number): AttemptRecord {
  const { upstream, startedAt, connectMs, headAt, endedAt, status, outcome } = note;
  const failed = outcome.kind === "failure" ? outcome : undefined;
  return {
    upstream: upstream.id,
    startMs: startedAt - exchangeAt,
    connectMs: connectMs ?? null,
    headMs: headAt > 0 ? headAt - startedAt : null,
    endMs: endedAt - startedAt,
    status,
    outcome: outcome.kind,
    phase: failed?.phase ?? null,
    reason: failed?.reason ?? null,
    rehearsed: note.isRehearsed,
  };
}

/** Also for a dry run, which asks what would be chosen now. */
export function candidatesOf(pool: Pool, now: number): readonly Candidate[] {
  return pool.fit.slice(0, mostCandidates).map((upstream) => ({
    upstream: upstream.id,
    inFlight: upstream.inFlight,
    weight: upstream.effectiveWeight,
    latencyMs: upstream.latency.measured ? upstream.latency.read(now) : null,
  }));
}

function choiceOf(pool: Pool, chosen: Upstream, now: number): Choice {
  return { chosen: chosen.id, candidates: candidatesOf(pool, now), fit: pool.fit.length };
}

/** Counts what attempts and exchanges did: the observer that the whole house shares, read by snapshot and /metrics. */

import type { Clock } from "../lib/clock.ts";
import type { Attempt, AttemptObserver } from "../pool/attempt.ts";
import type { Outcome } from "../pool/outcome.ts";
import type { OutlierChange, Pool, PoolObserver } from "../pool/pool.ts";
import type { Upstream } from "../pool/upstream.ts";
import { type ResponseSample, SampleBuffer } from "./sample-buffer.ts";
import { Histogram } from "./histogram.ts";
import { RejectedTraffic, RollingTraffic } from "./rolling-traffic.ts";

/** Everything counted of one upstream since the start. */
export class UpstreamMeter {
  readonly #codes = new Map<number, number>();
  /** The status of the last answers in a row and how many those are: they are put into the map when it is read. */
  #code = 0;
  #codeCount = 0;
  /** Failed attempts by reason. */
  readonly failures = new Map<string, number>();
  /** Start to an open connection, where a fresh one was needed. */
  readonly connect = new Histogram();
  /** Start to head. */
  readonly firstByte = new Histogram();
  /** Start to end. */
  readonly duration = new Histogram();
  /** Active checks by result, "success" or "failure". */
  readonly probes = new Map<string, number>();
  /** Times that its attempts took it out, by reason. */
  readonly ejections = new Map<string, number>();
  readonly recent: RollingTraffic;
  requests = 0;
  errors = 0;
  cancelled = 0;

  constructor(now: number) {
    this.recent = new RollingTraffic(now, this.firstByte);
  }

  /** Answers by status. */
  get codes(): Map<number, number> {
    this.#noteCodes(0);
    return this.#codes;
  }

  #noteCodes(next: number): void {
    if (this.#codeCount > 0)
      this.#codes.set(this.#code, (this.#codes.get(this.#code) ?? 0) + this.#codeCount);
    this.#code = next;
    this.#codeCount = 0;
  }

  /** Requests that were moved away while they waited. */
  get rescues(): number {
    return this.failures.get("rescued") ?? 0;
  }

  /** The latency that 99 of 100 answers of about the last minute stayed below, milliseconds; undefined without any. */
  p99Ms(now: number): number | undefined {
    const latencies = new Histogram();
    this.recent.addLatencies(latencies, now);
    return latencies.percentile(0.99);
  }

  probed(success: boolean): void {
    count(this.probes, success ? "success" : "failure");
  }

  ended(attempt: Attempt, outcome: Outcome): void {
    if (attempt.connectTimeMs !== undefined) this.connect.record(attempt.connectTimeMs);
    if (outcome.kind === "cancelled") {
      this.cancelled += 1;
      // Or what is hedged would drop out of the percentile that hedges go by, which would sink and sink.
      if (outcome.isSuperseded) this.recent.waited(attempt.endedAt - attempt.startedAt, attempt.endedAt);
      return;
    }
    const { status, timeToHeadersMs: headLatencyMs, endedAt } = attempt;
    if (outcome.kind === "failure") count(this.failures, outcome.reason);
    else this.#countCode(status);
    const isError = outcome.kind === "failure" || status >= 500;
    this.#count(isError, headLatencyMs, endedAt - attempt.startedAt, endedAt);
  }

  /** The same for an attempt of which nothing else is to be said. */
  record({ status, headMs, durationMs, endedAt }: ResponseSample): void {
    this.#countCode(status);
    this.#count(status >= 500, headMs, durationMs, endedAt);
  }

  #count(isError: boolean, headMs: number | undefined, durationMs: number, endedAt: number): void {
    this.requests += 1;
    if (isError) this.errors += 1;
    this.recent.record(isError, endedAt);
    if (headMs !== undefined) this.firstByte.record(headMs);
    this.duration.record(durationMs);
  }

  #countCode(status: number): void {
    if (status !== this.#code) this.#noteCodes(status);
    this.#codeCount += 1;
  }
}

/** Errors since the start: failures by their reason word, answers with 5xx as `status_503`. */
export function errorsByReason({ failures, codes }: UpstreamMeter): Readonly<Record<string, number>> {
  const answered = [...codes].filter(([code]) => code >= 500);
  return Object.fromEntries([...failures, ...answered.map(([code, count]) => [`status_${code}`, count])]);
}

/** What one pool did besides its attempts. */
export interface PoolMeter {
  /** Attempts that followed a failed one, by the reason of that. */
  readonly retries: Map<string, number>;
  /** Attempts worth another one that none followed, by why not. */
  readonly notRetried: Map<string, number>;
  /** Second attempts beside a first, by result: "won", "lost". */
  readonly hedges: Map<string, number>;
  /** The balancer's own answers, by reason and by status. */
  readonly refusals: Map<string, number>;
  readonly refusalCodes: Map<number, number>;
  readonly turnedAway: RejectedTraffic;
}

export class Metrics implements AttemptObserver, PoolObserver {
  readonly #clock: Clock;
  /** Weak: an upstream that was removed takes its counts along when its last attempt has ended. */
  readonly #upstreams = new WeakMap<Upstream, UpstreamMeter>();
  /** What has been answered since somebody read a meter last. */
  readonly #samples = new SampleBuffer((upstream) => this.#meterOf(upstream));
  /** Tries to take a new configuration, by result: "applied", "unchanged", "refused". */
  readonly reloads = new Map<string, number>();
  /** Lines of the access log that could not be written. */
  lostLines = 0;
  /** Spans that did not get to the collector. */
  lostSpans = 0;
  readonly #pools = new Map<string, PoolMeter>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Up to date with all that has ended, until the next attempt ends: to be asked for again then. */
  of(upstream: Upstream): UpstreamMeter {
    this.#samples.flush();
    return this.#meterOf(upstream);
  }

  #meterOf(upstream: Upstream): UpstreamMeter {
    let meter = this.#upstreams.get(upstream);
    if (!meter) this.#upstreams.set(upstream, (meter = new UpstreamMeter(this.#clock())));
    return meter;
  }

  /** @param name of a pool; empty for what no route matched */
  ofPool(name: string): PoolMeter {
    let meter = this.#pools.get(name);
    if (!meter) this.#pools.set(name, (meter = emptyPoolMeter(this.#clock())));
    return meter;
  }

  /** What a pool's upstreams answered in about the last minute; undefined without any answer. */
  latencyOf({ upstreams }: Pool): { readonly count: number; readonly p99Ms: number } | undefined {
    const latencies = new Histogram();
    for (const upstream of upstreams) this.of(upstream).recent.addLatencies(latencies, this.#clock());
    const p99Ms = latencies.percentile(0.99);
    return p99Ms === undefined ? undefined : { count: latencies.count, p99Ms };
  }

  attemptEnded(attempt: Attempt, outcome: Outcome): void {
    if (outcome.kind === "response" && attempt.responseStartedAt > 0 && attempt.connectedAt === 0)
      this.#samples.append(attempt);
    else this.#meterOf(attempt.upstream).ended(attempt, outcome);
  }

  reloaded(result: string): void {
    count(this.reloads, result);
  }

  retried(poolName: string, { reason }: { readonly reason: string }): void {
    count(this.ofPool(poolName).retries, reason);
  }

  notRetried(poolName: string, _cause: unknown, why: string): void {
    count(this.ofPool(poolName).notRetried, why);
  }

  hedged(poolName: string, result: string): void {
    count(this.ofPool(poolName).hedges, result);
  }

  outlierChanged(_pool: Pool, { upstream, to, reason }: OutlierChange): void {
    if (to === "ejected") count(this.of(upstream).ejections, reason ?? "");
  }

  /** Nothing to count: whether a pool panics is read from it. */
  panicChanged(): void {}

  refused(
    poolName: string | undefined,
    { reason, status }: { readonly reason: string; readonly status: number },
    attempts: number,
  ): void {
    const meter = this.ofPool(poolName ?? "");
    count(meter.refusals, reason);
    count(meter.refusalCodes, status);
    if (attempts === 0) meter.turnedAway.count(status, this.#clock());
  }
}

function emptyPoolMeter(now: number): PoolMeter {
  const [retries, notRetried, hedges, refusals] = [new Map(), new Map(), new Map(), new Map()];
  const turnedAway = new RejectedTraffic(now);
  return { retries, notRetried, hedges, refusals, refusalCodes: new Map(), turnedAway };
}

function count<K>(counts: Map<K, number>, key: K): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

/** Counts attempts and exchanges per upstream and per pool; snapshots and `/metrics` read the counters. */

import type { Clock } from "../lib/clock.ts";
import { exhaustion } from "../lib/exhaustion.ts";
import type { Attempt, AttemptObserver } from "../pool/attempt.ts";
import { exhaustedCode, type Outcome } from "../pool/outcome.ts";
import type { OutlierChange, Pool, PoolObserver } from "../pool/pool.ts";
import type { Upstream } from "../pool/upstream.ts";
import { FilterMeter } from "./filter-meter.ts";
import { Histogram } from "./histogram.ts";
import { ListenerMeter } from "./listener-meter.ts";
import { RouteMeter } from "./route-meter.ts";
import { isServerError, RejectedTraffic, RollingTraffic } from "./rolling-traffic.ts";
import { type ResponseSample, SampleBuffer } from "./sample-buffer.ts";

/** All counters of one upstream since the process started. */
export class UpstreamMeter {
  readonly #codes = new Map<number, number>();
  /** The latest status and the length of its run: a run is added to the map when the status changes or the map is read. */
  #code = 0;
  #codeCount = 0;
  /** Failed attempts by reason. */
  readonly failures = new Map<string, number>();
  /** From the start of an attempt to its open connection, for new connections only. */
  readonly connect = new Histogram();
  /** From the start of an attempt to the response headers. */
  readonly firstByte = new Histogram();
  /** From the start of an attempt to its end. */
  readonly duration = new Histogram();
  /** Active probes by result, "success" or "failure". */
  readonly probes = new Map<string, number>();
  /** Ejections by reason. */
  readonly ejections = new Map<string, number>();
  readonly recent: RollingTraffic;
  requests = 0;
  errors = 0;
  cancelled = 0;

  constructor(now: number) {
    this.recent = new RollingTraffic(now, this.firstByte);
  }

  /** Responses by status. */
  get codes(): Map<number, number> {
    this.#endRun(0);
    return this.#codes;
  }

  #endRun(next: number): void {
    if (this.#codeCount > 0)
      this.#codes.set(this.#code, (this.#codes.get(this.#code) ?? 0) + this.#codeCount);
    this.#code = next;
    this.#codeCount = 0;
  }

  /** Requests that were moved to another upstream while they waited for this one. */
  get rescues(): number {
    return this.failures.get("rescued") ?? 0;
  }

  /** 99th percentile of the time to response headers in about the last minute, milliseconds; undefined without any. */
  p99Ms(now: number): number | undefined {
    const latencies = new Histogram();
    this.recent.addLatencies(latencies, now);
    return latencies.percentile(0.99);
  }

  probed(success: boolean): void {
    count(this.probes, success ? "success" : "failure");
  }

  ended(attempt: Attempt, outcome: Outcome): void {
    // Not the upstream's: the pool counts the refusal that follows.
    const exhausted = exhaustedCode(outcome);
    if (exhausted !== undefined) return exhaustion.count(exhausted);
    if (attempt.connectTimeMs !== undefined) this.connect.record(attempt.connectTimeMs);
    if (outcome.kind === "cancelled") {
      this.cancelled += 1;
      // Without this, slow attempts would drop out of the percentile that triggers hedges, and it would sink further and further.
      if (outcome.isSuperseded) this.recent.waited(attempt.endedAt - attempt.startedAt, attempt.endedAt);
      return;
    }
    const { status, timeToHeadersMs, endedAt } = attempt;
    if (outcome.kind === "failure") count(this.failures, outcome.reason);
    else this.#countCode(status);
    const isError = outcome.kind === "failure" || isServerError(status);
    this.#count(isError, timeToHeadersMs, endedAt - attempt.startedAt, endedAt);
  }

  /** Counts a completed attempt that used an existing connection. */
  record({ status, headMs, durationMs, endedAt }: ResponseSample): void {
    this.#countCode(status);
    this.#count(isServerError(status), headMs, durationMs, endedAt);
  }

  #count(isError: boolean, headMs: number | undefined, durationMs: number, endedAt: number): void {
    this.requests += 1;
    if (isError) this.errors += 1;
    this.recent.record(isError, endedAt);
    if (headMs !== undefined) this.firstByte.record(headMs);
    this.duration.record(durationMs);
  }

  #countCode(status: number): void {
    if (status !== this.#code) this.#endRun(status);
    this.#codeCount += 1;
  }
}

/** Errors since the process started: failures by reason word, 5xx responses as `status_503`. */
export function errorsByReason({ failures, codes }: UpstreamMeter): Readonly<Record<string, number>> {
  const serverErrors = [...codes].filter(([code]) => isServerError(code));
  return Object.fromEntries([...failures, ...serverErrors.map(([code, count]) => [`status_${code}`, count])]);
}

/** Counters of one pool that do not belong to a single upstream. */
export interface PoolMeter {
  /** Further attempts after the first one, by reason. */
  readonly retries: Map<string, number>;
  /** Retriable failures that were not retried, by reason. */
  readonly notRetried: Map<string, number>;
  /** Hedged requests by result: "won" if the second attempt responded first, else "lost". */
  readonly hedges: Map<string, number>;
  /** Requests that a split sent here, by name of the route; empty for a route without a name. */
  readonly splits: Map<string, number>;
  /** Requests of a sticky pool by result. */
  readonly sticky: Map<string, number>;
  /** Responses made by the balancer itself, by reason; `refusalCodes` by status. */
  readonly refusals: Map<string, number>;
  readonly refusalCodes: Map<number, number>;
  /** Requests that were refused before any attempt. */
  readonly turnedAway: RejectedTraffic;
  /** Grows with each of these counts. */
  changes: number;
}

/** What filters did with a request. */
interface FilteredOutcome {
  readonly match: { readonly route: { readonly name?: string } };
  readonly split: unknown;
  readonly sticky: string | undefined;
}

/** The observer of all pools, attempts and exchanges of this process. */
export class Metrics implements AttemptObserver, PoolObserver {
  readonly #clock: Clock;
  /** Weak: the counters of a removed upstream are released when its last attempt has ended. */
  readonly #upstreams = new WeakMap<Upstream, UpstreamMeter>();
  /** Completed attempts since a meter was last read. */
  readonly #samples = new SampleBuffer((upstream) => this.#meterOf(upstream));
  /** Configuration reloads by result: "applied", "unchanged", "refused". */
  readonly reloads = new Map<string, number>();
  /** Lines of the access log that were not written. */
  lostLines = 0;
  /** Spans that were not exported. */
  lostSpans = 0;
  readonly #pools = new Map<string, PoolMeter>();
  /** By name. */
  readonly listeners = new Map<string, ListenerMeter>();
  /** Of all routes. */
  readonly filters = new FilterMeter();
  readonly routes = new RouteMeter();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The meter with all attempts that have ended. It is complete until the next attempt ends; call this again then. */
  of(upstream: Upstream): UpstreamMeter {
    this.#samples.flush();
    return this.#meterOf(upstream);
  }

  #meterOf(upstream: Upstream): UpstreamMeter {
    let meter = this.#upstreams.get(upstream);
    if (!meter) this.#upstreams.set(upstream, (meter = new UpstreamMeter(this.#clock())));
    return meter;
  }

  /** @param name of a pool; empty for requests that no route matched */
  ofPool(name: string): PoolMeter {
    let meter = this.#pools.get(name);
    if (!meter) this.#pools.set(name, (meter = emptyPoolMeter(this.#clock())));
    return meter;
  }

  /** The meter of a pool, to add a count. */
  #changing(name: string): PoolMeter {
    const meter = this.ofPool(name);
    meter.changes += 1;
    return meter;
  }

  ofListener(name: string): ListenerMeter {
    let meter = this.listeners.get(name);
    if (!meter) this.listeners.set(name, (meter = new ListenerMeter()));
    return meter;
  }

  /** Responses of all upstreams of a pool in about the last minute; undefined without any. */
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
    count(this.#changing(poolName).retries, reason);
  }

  notRetried(poolName: string, _cause: unknown, why: string): void {
    count(this.#changing(poolName).notRetried, why);
  }

  hedged(poolName: string, result: string): void {
    count(this.#changing(poolName).hedges, result);
  }

  filteredEnded(poolName: string | undefined, { match, split, sticky }: FilteredOutcome): void {
    if (sticky !== undefined) count(this.#changing(poolName ?? "").sticky, sticky);
    if (split) count(this.#changing(poolName ?? "").splits, match.route.name ?? "");
  }

  outlierChanged(_pool: Pool, { upstream, to, reason }: OutlierChange): void {
    if (to === "ejected") count(this.of(upstream).ejections, reason ?? "");
  }

  /** Counts nothing: the panic gauge reads the pool. */
  panicChanged(): void {}

  routeEnded(route: string, status: number, durationMs: number | undefined): void {
    this.routes.ended(route, status, durationMs);
  }

  routeRetried(route: string, retries: number): void {
    this.routes.of(route).retries += retries;
  }

  routeRefused(route: string): void {
    this.routes.of(route).refusals += 1;
  }

  refused(
    poolName: string | undefined,
    { reason, status, filter, route = "" }: CountedRefusal,
    attempts: number,
  ): void {
    if (filter !== undefined) this.filters.answered(filter, route, status);
    const meter = this.#changing(poolName ?? "");
    count(meter.refusals, reason);
    count(meter.refusalCodes, status);
    if (attempts === 0 || reason === "balancer_exhausted") meter.turnedAway.count(status, this.#clock());
  }
}

/** What is counted of a response that the balancer makes itself. */
interface CountedRefusal {
  readonly reason: string;
  readonly status: number;
  /** Name of the filter that answered. */
  readonly filter?: string;
  /** Name of its route. */
  readonly route?: string;
}

function emptyPoolMeter(now: number): PoolMeter {
  return {
    retries: new Map(),
    notRetried: new Map(),
    hedges: new Map(),
    splits: new Map(),
    sticky: new Map(),
    refusals: new Map(),
    refusalCodes: new Map(),
    turnedAway: new RejectedTraffic(now),
    changes: 0,
  };
}

function count<K>(counts: Map<K, number>, key: K): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

/** The plain read-only picture of now: what admin API, dashboard and command line read, and how one pool's part is taken. */

import { Histogram } from "./metrics/histogram.ts";
import type { Metrics, UpstreamMeter } from "./metrics/metrics.ts";
import type { PolicyName } from "./policy/policies.ts";
import type { Pool } from "./pool/pool.ts";
import { type Mode, originOf, type Status, type Upstream } from "./pool/upstream.ts";

/** `starting → ready → draining → stopped` */
export type Phase = "starting" | "ready" | "draining" | "stopped";

/** Counts since the start, and rates and percentiles of the last ten seconds or, for latencies, the last minute. */
export interface Traffic {
  /** Attempts that ended, cancelled ones excepted. */
  readonly requests: number;
  /** Those that failed or were answered with 5xx. */
  readonly errors: number;
  readonly requestsPerSecond: number;
  /** Errors ÷ requests of the last ten seconds, 0–1. */
  readonly errorShare: number;
  /** Milliseconds from start to head; null without a request in the last minute. */
  readonly p50Ms: number | null;
  readonly p95Ms: number | null;
  readonly p99Ms: number | null;
}

export interface ProbeSnapshot {
  /** Epoch milliseconds. */
  readonly at: number;
  readonly success: boolean;
  readonly detail: string;
  readonly latencyMs: number;
}

export interface UpstreamSnapshot {
  readonly id: string;
  readonly url: string;
  readonly weight: number;
  readonly backup: boolean;
  readonly status: Status;
  /** Epoch milliseconds at which the status became what it is. */
  readonly statusSince: number;
  readonly mode: Mode;
  /** Who set the mode and when (epoch milliseconds); null while it is as configured. */
  readonly modeSet: { readonly by: string; readonly at: number } | null;
  /** Whether it gets new requests now. */
  readonly fit: boolean;
  readonly inFlight: number;
  readonly lastProbe: ProbeSnapshot | null;
  readonly traffic: Traffic;
  /** Errors since the start: failures by their reason word, answers with 5xx as `status_503`. */
  readonly errorsByReason: Readonly<Record<string, number>>;
}

export interface PoolSnapshot {
  readonly name: string;
  readonly policy: PolicyName;
  readonly probe: string;
  readonly upstreams: readonly UpstreamSnapshot[];
  readonly traffic: Traffic;
  /** Attempts that followed a failed one. */
  readonly retries: number;
  /** The balancer's own answers, since the start, by reason word. */
  readonly refusals: Readonly<Record<string, number>>;
}

export interface Snapshot {
  /** Epoch milliseconds. */
  readonly at: number;
  readonly phase: Phase;
  readonly version: string;
  readonly runtime: string;
  readonly engine: string;
  readonly startedAt: number;
  /** Where clients reach the balancer: "0.0.0.0:8080". */
  readonly listen: string;
  /** Requests that clients wait for now. */
  readonly inFlight: number;
  readonly pools: readonly PoolSnapshot[];
}

/** What the operator can do, from the admin side. */
export interface Control {
  /** Sets one upstream's mode, durably; its new picture, or undefined if there is no such upstream. */
  setMode(id: string, mode: Mode, by: string): UpstreamSnapshot | undefined;
}

/** What is known of an upstream besides what the pool and the metrics know. */
export interface UpstreamNotes {
  readonly lastProbe: ProbeSnapshot | null;
  readonly modeSet: UpstreamSnapshot["modeSet"];
  readonly statusSince: number;
}

export interface PoolView {
  readonly pool: Pool;
  readonly policy: PolicyName;
  readonly probe: string;
  readonly metrics: Metrics;
  readonly notesOf: (upstream: Upstream) => UpstreamNotes;
  /** Clock time, milliseconds. */
  readonly now: number;
}

export function poolSnapshot(view: PoolView): PoolSnapshot {
  const { pool, metrics, now } = view;
  const meter = metrics.ofPool(pool.name);
  return {
    name: pool.name,
    policy: view.policy,
    probe: view.probe,
    upstreams: pool.upstreams.map((upstream) => upstreamSnapshot(view, upstream)),
    traffic: trafficOf(
      pool.upstreams.map((upstream) => metrics.of(upstream)),
      now,
    ),
    retries: [...meter.retries.values()].reduce((sum, count) => sum + count, 0),
    refusals: Object.fromEntries(meter.refusals),
  };
}

export function upstreamSnapshot(
  { pool, metrics, notesOf, now }: PoolView,
  upstream: Upstream,
): UpstreamSnapshot {
  return {
    id: upstream.id,
    url: originOf(upstream.address),
    weight: upstream.weight,
    backup: upstream.backup,
    status: upstream.status,
    mode: upstream.mode,
    fit: pool.fit.includes(upstream),
    inFlight: upstream.inFlight,
    ...notesOf(upstream),
    traffic: trafficOf([metrics.of(upstream)], now),
    errorsByReason: errorsByReason(metrics.of(upstream)),
  };
}

/** The traffic of several meters as one: percentiles come from the merged histograms, never from averaged percentiles. */
function trafficOf(meters: readonly UpstreamMeter[], now: number): Traffic {
  const latencies = new Histogram();
  let [requests, errors, recentRequests, recentErrors, seconds] = [0, 0, 0, 0, 1];
  for (const meter of meters) {
    const recent = meter.recent.counts(now);
    meter.recent.addLatencies(latencies, now);
    requests += meter.requests;
    errors += meter.errors;
    recentRequests += recent.requests;
    recentErrors += recent.errors;
    seconds = Math.max(seconds, recent.seconds);
  }
  return {
    requests,
    errors,
    requestsPerSecond: recentRequests / seconds,
    errorShare: recentRequests > 0 ? recentErrors / recentRequests : 0,
    p50Ms: latencies.percentile(0.5) ?? null,
    p95Ms: latencies.percentile(0.95) ?? null,
    p99Ms: latencies.percentile(0.99) ?? null,
  };
}

function errorsByReason({ failures, codes }: UpstreamMeter): Readonly<Record<string, number>> {
  const answered = [...codes]
    .filter(([code]) => code >= 500)
    .map(([code, count]) => [`status_${code}`, count]);
  return Object.fromEntries([...failures, ...answered]);
}

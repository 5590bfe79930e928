/** Builds the snapshots of a pool and its upstreams. Their fields are described at the types in `snapshot/`. */

import type { FaultRegistry } from "../fault/fault-registry.ts";
import { Histogram } from "../metrics/histogram.ts";
import { errorsByReason, type Metrics, type UpstreamMeter } from "../metrics/metrics.ts";
import { originOf } from "../net/address.ts";
import type { PolicyName } from "../policy/policies.ts";
import type { Pool } from "../pool/pool.ts";
import type { Upstream } from "../pool/upstream.ts";
import type { UsualTraffic } from "../problems/sample.ts";
import type {
  FaultSnapshot,
  OutlierSnapshot,
  PoolSnapshot,
  SourceSnapshot,
  Traffic,
  UpstreamSnapshot,
  UsualSnapshot,
} from "../snapshot/snapshot.ts";
import type { BalancerEvent } from "../state/event.ts";

/** The fields of an upstream's snapshot that neither the pool nor the metrics hold. */
export type UpstreamAnnotations = Pick<
  UpstreamSnapshot,
  | "lastProbe"
  | "probeHistory"
  | "uptime"
  | "statusSince"
  | "modeSet"
  | "weightSet"
  | "added"
  | "discovered"
  | "drain"
  | "shared"
  | "elsewhere"
>;

/** Everything that a pool's snapshot is built from. */
export interface PoolView {
  readonly pool: Pool;
  readonly policy: PolicyName;
  readonly probe: string;
  readonly metrics: Metrics;
  readonly faults: Pick<FaultRegistry, "get">;
  readonly annotationsFor: (upstream: Upstream) => UpstreamAnnotations;
  readonly retryBudget: { readonly balance: number };
  readonly queue: { readonly size: number };
  /** As configured, for all processes together. */
  readonly maxQueued: number;
  /** What is usual at this hour; null where too little is known. */
  readonly usual: UsualTraffic | null;
  readonly events: readonly BalancerEvent[];
  /** Of its members. */
  readonly sources?: readonly SourceSnapshot[];
  /** Clock time, milliseconds. */
  readonly now: number;
  /** The same moment in epoch milliseconds. */
  readonly at: number;
}

export function poolSnapshot(view: PoolView): PoolSnapshot {
  const { pool, metrics, now } = view;
  const meter = metrics.ofPool(pool.name);
  const meters = [...pool.upstreams.map((upstream) => metrics.of(upstream)), meter.turnedAway];
  return {
    name: pool.name,
    policy: view.policy,
    probe: view.probe,
    panic: pool.isPanicking,
    upstreams: pool.upstreams.map((upstream) => upstreamSnapshot(view, upstream)),
    ...(view.sources?.length && { discovery: view.sources }),
    traffic: mergeTraffic(meters, now),
    ...(view.usual && { usual: usualSnapshot(view.usual) }),
    turnedAwayPerSecond: errorsPerSecond(meter.turnedAway, now),
    retries: [...meter.retries.values()].reduce((sum, count) => sum + count, 0),
    rescues: meter.retries.get("rescued") ?? 0,
    hedges: { won: meter.hedges.get("won") ?? 0, lost: meter.hedges.get("lost") ?? 0 },
    retryBudget: Math.floor(view.retryBudget.balance),
    queued: view.queue.size,
    maxQueued: view.maxQueued,
    notRetried: Object.fromEntries(meter.notRetried),
    refusals: Object.fromEntries(meter.refusals),
    events: view.events,
  };
}

function usualSnapshot({ perSecond, errorShare, p95Ms, peakPerSecond }: UsualTraffic): UsualSnapshot {
  return { requestsPerSecond: perSecond, errorShare, p95Ms, peakRequestsPerSecond: peakPerSecond };
}

export function upstreamSnapshot(view: PoolView, upstream: Upstream): UpstreamSnapshot {
  const { pool, metrics, annotationsFor, now } = view;
  // First, because it brings verdicts up to date.
  const isAvailable = pool.serves(upstream);
  return {
    id: upstream.id,
    url: originOf(upstream.address),
    weight: upstream.weight,
    effectiveWeight: upstream.effectiveWeight,
    // An upstream that is out restarts its slow start when it returns.
    slowStart: upstream.status === "passing" ? (upstream.slowStart.progress(now) ?? null) : null,
    backup: upstream.backup,
    status: upstream.status,
    mode: upstream.mode,
    fit: isAvailable,
    inFlight: upstream.inFlight,
    tunnels: upstream.tunnels,
    streams: upstream.streams,
    maxInFlight: Number.isFinite(upstream.maxInFlight) ? upstream.maxInFlight : null,
    rescues: metrics.of(upstream).rescues,
    outlier: outlierSnapshot(view, upstream),
    rehearsal: faultSnapshot(view, upstream),
    ...annotationsFor(upstream),
    traffic: mergeTraffic([metrics.of(upstream)], now),
    errorsByReason: errorsByReason(metrics.of(upstream)),
  };
}

function faultSnapshot({ faults, now, at }: PoolView, upstream: Upstream): FaultSnapshot | null {
  const fault = faults.get(upstream);
  if (!fault || fault.isOver(now)) return null;
  return { ...fault.spec, until: Math.round(at + fault.spec.until - now) };
}

function outlierSnapshot({ now, at }: PoolView, { outlier }: Upstream): OutlierSnapshot {
  const { state, since, endsAt, reason, cause, ejections: count } = outlier;
  return {
    state,
    since: reason === undefined ? null : Math.round(at + since - now),
    until: endsAt === Infinity ? null : Math.round(at + endsAt - now),
    reason: reason ?? null,
    cause: cause ?? null,
    count,
  };
}

/** An upstream's meter, or the meter of requests refused before they had an upstream. */
type TrafficSource = Pick<UpstreamMeter, "requests" | "errors" | "recent">;

function errorsPerSecond({ recent }: TrafficSource, now: number): number {
  const { errors, seconds } = recent.counts(now);
  return errors / seconds;
}

/** Sums the traffic of several meters. Percentiles come from the merged histograms, never from averaged percentiles. */
function mergeTraffic(meters: readonly TrafficSource[], now: number): Traffic {
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

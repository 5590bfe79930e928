/** The numbers of now, of all pools or one: the same as in the snapshot, the API and `evenkeel status`. */

import { latestOf, type Quantity, trendOf } from "../charts/sparkline.tsx";
import type { RestingLegends } from "../history/range-charts.tsx";
import type { PoolSnapshot, Traffic, UpstreamSnapshot } from "../../snapshot/snapshot.ts";
import { formatMs, formatRate, formatShare } from "../../wording/format.ts";
import { slotsInUse } from "../../wording/reasons.ts";
import type { DashboardState } from "../../wording/verdict.ts";

export interface CurrentTraffic extends Traffic {
  readonly errorsPerSecond: number;
  /** Requests that take a slot of an upstream. */
  readonly inFlight: number;
  /** Slots of all available upstreams; null where one has no limit. */
  readonly maxInFlight: number | null;
  /** Tunnels and streams, which take no slot. */
  readonly tunnels: number;
  readonly streams: number;
  readonly queued: number;
  /** Undefined for a balancer of an older version. */
  readonly maxQueued: number | undefined;
  /** Connections of clients to all listeners; undefined of one pool, and where it is not known. */
  readonly clients: number | undefined;
  /** Since the start. */
  readonly retries: number;
  readonly rescues: number;
  readonly retriesPerSecond: number;
  readonly rescuesPerSecond: number;
  /** Percentiles of several pools cannot be added: they are those of the slowest pool. */
  readonly isOfSlowest: boolean;
  /** What is usual at this hour; null where it is not known of every pool. */
  readonly usualPerSecond: number | null;
}

/** Undefined before the first snapshot. @param pool all pools without one, and where there is no such pool */
export function currentTraffic(
  { snapshot, trends }: Pick<DashboardState, "snapshot" | "trends">,
  pool: string | undefined,
): CurrentTraffic | undefined {
  if (!snapshot) return undefined;
  const chosen = snapshot.pools.filter(({ name }) => name === pool);
  const pools = chosen.length > 0 ? chosen : snapshot.pools;
  const columns = trends
    .filter((series) => chosen.length === 0 || series.pool === pool)
    .map((series) => series.columns);
  const latest = (quantity: Quantity) => latestOf(trendOf(columns, quantity)) ?? 0;
  return {
    ...trafficOf(pools),
    ...slotsOf(pools.flatMap(({ upstreams }) => upstreams)),
    queued: sumOf(pools, ({ queued }) => queued),
    ...limitOfQueues(pools),
    clients: chosen.length === 0 ? (snapshot.clients ?? undefined) : undefined,
    retries: sumOf(pools, ({ retries }) => retries),
    rescues: sumOf(pools, ({ rescues }) => rescues),
    retriesPerSecond: latest("retriesPerSecond"),
    rescuesPerSecond: latest("rescuesPerSecond"),
    isOfSlowest: pools.length > 1,
    usualPerSecond: usualOf(pools),
  };
}

function trafficOf(pools: readonly PoolSnapshot[]): Traffic & Pick<CurrentTraffic, "errorsPerSecond"> {
  const sum = (part: (traffic: Traffic) => number) => sumOf(pools, ({ traffic }) => part(traffic));
  const worst = (part: (traffic: Traffic) => number | null) => {
    const known = pools.flatMap(({ traffic }) => part(traffic) ?? []);
    return known.length > 0 ? Math.max(...known) : null;
  };
  const requestsPerSecond = sum((traffic) => traffic.requestsPerSecond);
  const errorsPerSecond = sum((traffic) => traffic.requestsPerSecond * traffic.errorShare);
  return {
    requests: sum((traffic) => traffic.requests),
    errors: sum((traffic) => traffic.errors),
    requestsPerSecond,
    errorsPerSecond,
    errorShare: requestsPerSecond > 0 ? errorsPerSecond / requestsPerSecond : 0,
    p50Ms: worst((traffic) => traffic.p50Ms),
    p95Ms: worst((traffic) => traffic.p95Ms),
    p99Ms: worst((traffic) => traffic.p99Ms),
  };
}

type Slots = Pick<CurrentTraffic, "inFlight" | "maxInFlight" | "tunnels" | "streams">;

/** The same numbers as in the rows of the table. */
function slotsOf(upstreams: readonly UpstreamSnapshot[]): Slots {
  const sum = (part: (upstream: UpstreamSnapshot) => number) =>
    upstreams.reduce((all, upstream) => all + part(upstream), 0);
  const limits = upstreams.filter(({ fit }) => fit).map(({ maxInFlight }) => maxInFlight ?? Infinity);
  const most = limits.reduce((all, limit) => all + limit, 0);
  return {
    inFlight: sum(slotsInUse),
    maxInFlight: Number.isFinite(most) ? most : null,
    tunnels: sum(({ tunnels }) => tunnels),
    streams: sum(({ streams }) => streams),
  };
}

function limitOfQueues(
  pools: readonly Partial<Pick<PoolSnapshot, "maxQueued">>[],
): Pick<CurrentTraffic, "maxQueued"> {
  const known = pools.flatMap(({ maxQueued }) => maxQueued ?? []);
  return {
    maxQueued: known.length === pools.length ? known.reduce((sum, limit) => sum + limit, 0) : undefined,
  };
}

function usualOf(pools: readonly PoolSnapshot[]): number | null {
  const known = pools.flatMap(({ usual }) => usual?.requestsPerSecond ?? []);
  return known.length > 0 && known.length === pools.length
    ? known.reduce((sum, rate) => sum + rate, 0)
    : null;
}

function sumOf(pools: readonly PoolSnapshot[], part: (pool: PoolSnapshot) => number): number {
  return pools.reduce((sum, pool) => sum + part(pool), 0);
}

/** What the legends of charts say that end now. */
export function currentLegends(traffic: CurrentTraffic | undefined): RestingLegends {
  return traffic ? trafficLegends(traffic) : { values: {}, notes: {} };
}

type LegendTraffic = Traffic & Pick<CurrentTraffic, "errorsPerSecond" | "isOfSlowest" | "usualPerSecond">;

export function trafficLegends(traffic: LegendTraffic): RestingLegends {
  return {
    values: {
      requestsPerSecond: formatRate(traffic.requestsPerSecond),
      errorsPerSecond: formatRate(traffic.errorsPerSecond),
      p50Ms: formatMs(traffic.p50Ms),
      p95Ms: formatMs(traffic.p95Ms),
      p99Ms: formatMs(traffic.p99Ms),
    },
    notes: {
      "Requests/s": traffic.usualPerSecond === null ? "" : `usual ${formatRate(traffic.usualPerSecond)}`,
      "Errors/s": `${formatShare(traffic.errorShare)} of all`,
      Latency: traffic.isOfSlowest ? "slowest pool" : "",
    },
  };
}

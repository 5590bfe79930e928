/** Builds the pools' part of the `Snapshot`, and the detail of one upstream. */

import type { Intents } from "../control/desired-state.ts";
import type { DiscoveredUpstreams } from "../control/discovered-upstreams.ts";
import type { Discovery, SourceReport } from "../control/discovery.ts";
import type { Drains } from "../control/drains.ts";
import type { FleetControl } from "../control/fleet-control.ts";
import type { EventLog } from "../control/event-log.ts";
import type { DataPlane } from "../dataplane/data-plane.ts";
import type { FaultRegistry } from "../fault/fault-registry.ts";
import type { UsualTrafficReader } from "../history/usual-traffic.ts";
import type { Clock, WallClock } from "../lib/clock.ts";
import { Histogram } from "../metrics/histogram.ts";
import type { Metrics } from "../metrics/metrics.ts";
import type { Pool } from "../pool/pool.ts";
import type { Upstream } from "../pool/upstream.ts";
import { describePlan } from "../probe/probe.ts";
import type { PoolEntry } from "../registry/destinations.ts";
import type { PoolRegistry } from "../registry/pool-registry.ts";
import type {
  ChangeStamp,
  DrainSnapshot,
  LatencyBucket,
  PoolSnapshot,
  ProbeSnapshot,
  SourceSnapshot,
  UpstreamDetail,
  UptimeSnapshot,
} from "../snapshot/snapshot.ts";
import type { IntentMeta } from "../state/intent.ts";
import { UpstreamObservations } from "./observations.ts";
import { poolSnapshot, type PoolView, upstreamSnapshot } from "./pool-snapshot.ts";

export interface SnapshotBuilderOptions {
  readonly registry: PoolRegistry;
  readonly intents: Intents;
  readonly drains: Drains;
  readonly eventLog: EventLog;
  readonly metrics: Metrics;
  readonly faults: FaultRegistry;
  readonly discovery: Pick<Discovery, "reports">;
  readonly discovered: Pick<DiscoveredUpstreams, "originOf">;
  readonly clock: Clock;
  readonly wallClock: WallClock;
  /** A pool's gauges, summed over all processes. */
  readonly measure: DataPlane["measure"];
  readonly usual: Pick<UsualTrafficReader, "of">;
  readonly uptimeOf: (pool: Pool, upstream: Upstream) => UptimeSnapshot;
  /** Undefined for a balancer on its own. */
  readonly fleet?: () => Pick<FleetControl, "drainsElsewhere" | "elsewhere" | "sharedNote"> | undefined;
}

/** Recent events in a snapshot: as many as a page shows at once. */
export const maxSnapshotEvents = 20;

export class SnapshotBuilder {
  readonly #options: SnapshotBuilderOptions;
  readonly #observations: UpstreamObservations;

  constructor(options: SnapshotBuilderOptions) {
    this.#options = options;
    this.#observations = new UpstreamObservations(options.wallClock);
  }

  probed(upstream: Upstream, probe: ProbeSnapshot): void {
    this.#observations.probed(upstream, probe);
  }

  /** Samples the upstream's status. To be called often, because some verdicts change by time alone. */
  observe(upstream: Upstream): void {
    this.#observations.sample(upstream);
  }

  /** The last probe, and one character for each of the last sixty. */
  probesOf(upstream: Upstream): { readonly last: ProbeSnapshot | undefined; readonly history: string } {
    const { probes, history } = this.#observations.sample(upstream);
    return { last: probes.at(-1), history };
  }

  pools(): readonly PoolSnapshot[] {
    const { registry, discovery } = this.#options;
    const { reports } = discovery;
    return registry.entries.map((entry) => poolSnapshot(this.#poolView(entry, reports)));
  }

  /** Undefined if there is no such upstream. */
  upstream(id: string): UpstreamDetail | undefined {
    const found = this.#options.registry.find(id);
    return found && upstreamDetail(this.#poolView(found.entry, []), found.upstream, this.#observations);
  }

  /** Requests that wait in a pool's queue, summed over all processes. */
  queuedIn(pool: Pool): number {
    const entry = this.#options.registry.entries.find((each) => each.pool === pool);
    return entry ? this.#options.measure(entry).queue.size : 0;
  }

  /** @param reports of the sources of all pools */
  #poolView(entry: PoolEntry, reports: readonly SourceReport[]): PoolView {
    const { config, pool } = entry;
    const { measure, metrics, faults, clock, wallClock, intents, eventLog, usual, uptimeOf } = this.#options;
    const fleet = this.#options.fleet?.();
    return {
      pool,
      ...measure(entry),
      policy: config.policy,
      maxQueued: config.queue.maxWaiting,
      probe: describePlan(config.probe),
      usual: usual.of(pool.name, null),
      metrics,
      faults,
      now: clock(),
      at: wallClock(),
      events: eventLog.events({ pool: pool.name, limit: maxSnapshotEvents }),
      sources: reports.filter((report) => report.pool === pool.name).map(sourceSnapshot),
      annotationsFor: (upstream) => ({
        lastProbe: this.#observations.probesOf(upstream).at(-1) ?? null,
        probeHistory: this.#observations.probeHistoryOf(upstream),
        uptime: uptimeOf(pool, upstream),
        statusSince: this.#observations.statusSince(upstream),
        modeSet: changeStamp(intents.get("mode", upstream.id)),
        weightSet: changeStamp(intents.get("weight", upstream.id)),
        added: changeStamp(intents.get("added", upstream.id)),
        ...this.#originSnapshot(upstream),
        drain: this.#drainSnapshot(upstream),
        ...(fleet && { shared: fleet.sharedNote(upstream.id) }),
        ...(fleet && upstream.mode !== "ready" && { elsewhere: fleet.elsewhere(upstream) }),
      }),
    };
  }

  #originSnapshot(upstream: Upstream): Pick<UpstreamDetail, "discovered"> {
    const origin = this.#options.discovered.originOf(upstream);
    if (!origin) return {};
    const { source, name = null, isGone: gone } = origin;
    return { discovered: { source, name, gone } };
  }

  #drainSnapshot(upstream: Upstream): DrainSnapshot | null {
    const drain = this.#options.drains.get(upstream);
    if (!drain) return null;
    const { since, deadline, isRemoval } = drain;
    const { inFlight } = upstream;
    const elsewhere = isRemoval ? undefined : this.#options.fleet?.()?.drainsElsewhere(upstream);
    return {
      ...{ since, deadline, inFlight },
      drained: inFlight === 0 && !elsewhere?.length,
      leaving: isRemoval,
      ...(elsewhere && { elsewhere }),
    };
  }
}

function sourceSnapshot({ pool: _, answers: _answers, ...source }: SourceReport): SourceSnapshot {
  return source;
}

function changeStamp(meta: IntentMeta | undefined): ChangeStamp | null {
  return meta ? { by: meta.by, at: meta.at, why: meta.why } : null;
}

export function upstreamDetail(
  view: PoolView,
  upstream: Upstream,
  observations: UpstreamObservations,
): UpstreamDetail {
  const meter = view.metrics.of(upstream);
  const recent = new Histogram();
  meter.recent.addLatencies(recent, view.now);
  return {
    ...upstreamSnapshot(view, upstream),
    pool: view.pool.name,
    policy: view.policy,
    probe: view.probe,
    probes: observations.probesOf(upstream),
    codes: Object.fromEntries(meter.codes),
    cancelled: meter.cancelled,
    latencies: latencyBuckets(recent),
  };
}

/** Each bucket spans half an octave, which a histogram counts exactly: 1, 1.4, 2, 2.8, 4 … milliseconds. */
const bucketsPerOctave = 2;

/** The axis runs from 1/64 ms, below which everything is one bucket, to about an hour. */
const [lowestOctave, highestOctave] = [-6, 22];

function latencyBuckets(histogram: Histogram): readonly LatencyBucket[] {
  const buckets: LatencyBucket[] = [];
  let before = 0;
  for (let edge = lowestOctave * bucketsPerOctave; edge <= highestOctave * bucketsPerOctave; edge++) {
    const octave = edge / bucketsPerOctave;
    const below = histogram.below(octave);
    const fromMs = octave === lowestOctave ? 0 : 2 ** (octave - 1 / bucketsPerOctave);
    buckets.push({ fromMs, toMs: 2 ** octave, count: below - before });
    before = below;
  }
  const first = buckets.findIndex(({ count }) => count > 0);
  const last = buckets.findLastIndex(({ count }) => count > 0);
  return first < 0 ? [] : buckets.slice(first, last + 1);
}

/** Counters as they travel between processes. They are cumulative, so that a lost message does no harm. */

import type { HistogramCounts } from "./histogram.ts";
import type { PoolMeter, UpstreamMeter } from "./metrics.ts";
import type { RejectedCounters, RollingTrafficState } from "./rolling-traffic.ts";

type Counts<Key> = readonly (readonly [key: Key, count: number])[];

/** Counters of the attempts on one upstream since its process started. The control plane counts probes and ejections. */
export interface UpstreamCounters {
  readonly requests: number;
  readonly errors: number;
  readonly cancelled: number;
  readonly codes: Counts<number>;
  readonly failures: Counts<string>;
  readonly connect: HistogramCounts;
  readonly firstByte: HistogramCounts;
  readonly duration: HistogramCounts;
  readonly recent: RollingTrafficState;
}

/** Counters of one pool since its process started. */
export interface PoolCounters {
  readonly retries: Counts<string>;
  readonly notRetried: Counts<string>;
  readonly hedges: Counts<string>;
  readonly splits: Counts<string>;
  readonly sticky: Counts<string>;
  readonly refusals: Counts<string>;
  readonly refusalCodes: Counts<number>;
  readonly turnedAway: RejectedCounters;
}

export function upstreamCountersOf(meter: UpstreamMeter): UpstreamCounters {
  const { requests, errors, cancelled, codes, failures, connect, firstByte, duration, recent } = meter;
  return {
    requests,
    errors,
    cancelled,
    codes: [...codes],
    failures: [...failures],
    connect: connect.counts,
    firstByte: firstByte.counts,
    duration: duration.counts,
    recent: recent.state,
  };
}

export function poolCountersOf(meter: PoolMeter): PoolCounters {
  const { retries, notRetried, hedges, splits, sticky, refusals, refusalCodes, turnedAway } = meter;
  return {
    retries: [...retries],
    notRetried: [...notRetried],
    hedges: [...hedges],
    splits: [...splits],
    sticky: [...sticky],
    refusals: [...refusals],
    refusalCodes: [...refusalCodes],
    turnedAway: turnedAway.counts,
  };
}

/** Sets a meter to the sum of the parts. Its probes and ejections stay. */
export function mergeUpstreamCounters(meter: UpstreamMeter, parts: readonly UpstreamCounters[]): void {
  const { codes, failures, connect, firstByte, duration, recent } = meter;
  for (const part of [codes, failures, connect, firstByte, duration, recent]) part.clear();
  [meter.requests, meter.errors, meter.cancelled] = [0, 0, 0];
  for (const part of parts) {
    meter.requests += part.requests;
    meter.errors += part.errors;
    meter.cancelled += part.cancelled;
    addAll(codes, part.codes);
    addAll(failures, part.failures);
    connect.addCounts(part.connect);
    firstByte.addCounts(part.firstByte);
    duration.addCounts(part.duration);
    recent.add(part.recent);
  }
}

/** Sets the meter of a pool to the sum of the parts. */
export function mergePoolCounters(meter: PoolMeter, parts: readonly PoolCounters[]): void {
  const { retries, notRetried, hedges, splits, sticky, refusals, refusalCodes, turnedAway } = meter;
  for (const part of [retries, notRetried, hedges, splits, sticky, refusals, refusalCodes, turnedAway])
    part.clear();
  for (const part of parts) {
    addAll(retries, part.retries);
    addAll(notRetried, part.notRetried);
    addAll(hedges, part.hedges);
    addAll(splits, part.splits);
    addAll(sticky, part.sticky);
    addAll(refusals, part.refusals);
    addAll(refusalCodes, part.refusalCodes);
    turnedAway.add(part.turnedAway);
  }
}

function addAll<Key>(into: Map<Key, number>, counts: Counts<Key>): void {
  for (const [key, count] of counts) into.set(key, (into.get(key) ?? 0) + count);
}

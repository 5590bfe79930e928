/** Everything about one upstream: its part of the snapshot, and what would be too much of it for all at once. */

import { type PoolView, upstreamSnapshot } from "./control/picture.ts";
import { Histogram } from "./metrics/histogram.ts";
import type { Observed } from "./observed.ts";
import type { PolicyName } from "./policy/policies.ts";
import type { Upstream } from "./pool/upstream.ts";
import type { ProbeSnapshot, UpstreamSnapshot } from "./snapshot.ts";

/** How many answers took between `fromMs` and `toMs` to their head. */
export interface LatencyBar {
  readonly fromMs: number;
  readonly toMs: number;
  readonly count: number;
}

export interface UpstreamDetail extends UpstreamSnapshot {
  readonly pool: string;
  readonly policy: PolicyName;
  /** How it is probed, for people. */
  readonly probe: string;
  /** Oldest first, at most 60. */
  readonly probes: readonly ProbeSnapshot[];
  /** Answers since the start, by status. */
  readonly codes: Readonly<Record<string, number>>;
  /** Attempts whose client went away. */
  readonly cancelled: number;
  /** Answers of the last minute by latency, without gaps from the fastest to the slowest; empty without any. */
  readonly latencies: readonly LatencyBar[];
}

export function upstreamDetail(view: PoolView, upstream: Upstream, observed: Observed): UpstreamDetail {
  const meter = view.metrics.of(upstream);
  const recent = new Histogram();
  meter.recent.addLatencies(recent, view.now);
  return {
    ...upstreamSnapshot(view, upstream),
    pool: view.pool.name,
    policy: view.policy,
    probe: view.probe,
    probes: observed.probesOf(upstream),
    codes: Object.fromEntries(meter.codes),
    cancelled: meter.cancelled,
    latencies: barsOf(recent),
  };
}

/** Each bar spans half an octave, which a histogram counts exactly: 1, 1.4, 2, 2.8, 4 … milliseconds. */
const barsPerOctave = 2;
/** The axis runs from 1/64 ms, below which everything is one bar, to about an hour. */
const [lowestOctave, highestOctave] = [-6, 22];

function barsOf(histogram: Histogram): readonly LatencyBar[] {
  const bars: LatencyBar[] = [];
  let before = 0;
  for (let edge = lowestOctave * barsPerOctave; edge <= highestOctave * barsPerOctave; edge++) {
    const octave = edge / barsPerOctave;
    const below = histogram.below(octave);
    const fromMs = octave === lowestOctave ? 0 : 2 ** (octave - 1 / barsPerOctave);
    bars.push({ fromMs, toMs: 2 ** octave, count: below - before });
    before = below;
  }
  const first = bars.findIndex(({ count }) => count > 0);
  const last = bars.findLastIndex(({ count }) => count > 0);
  return first < 0 ? [] : bars.slice(first, last + 1);
}

/** How everything about one upstream is put together, for somebody who looks at it alone. */

import type { LatencyBucket, UpstreamDetail } from "../detail.ts";
import { Histogram } from "../metrics/histogram.ts";
import type { Upstream } from "../pool/upstream.ts";
import type { UpstreamObservations } from "../view/observations.ts";
import { type PoolView, upstreamSnapshot } from "../view/pool-snapshot.ts";

export function upstreamDetail(
  view: PoolView,
  upstream: Upstream,
  observed: UpstreamObservations,
): UpstreamDetail {
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

function barsOf(histogram: Histogram): readonly LatencyBucket[] {
  const bars: LatencyBucket[] = [];
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

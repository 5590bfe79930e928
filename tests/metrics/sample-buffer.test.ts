import { expect, test } from "bun:test";

import { seededRandom } from "../../src/lib/random.ts";
import { Metrics, UpstreamMeter } from "../../src/metrics/metrics.ts";
import { upstreamCountersOf, type UpstreamCounters } from "../../src/metrics/counter-report.ts";
import { Attempt } from "../../src/pool/attempt.ts";
import { httpResponseClassifier } from "../../src/proxy/response-class.ts";
import { cancelled, failure, type Outcome, completed } from "../../src/pool/outcome.ts";
import { upstreamOf } from "../support/upstreams.ts";

/** What counts come to, apart from the slice that a latency stands in: at its edge that may be the next one. */
function totalOf(counts: UpstreamCounters) {
  const perSlice = counts.recent.slices.map(({ latency }) => latency.buckets.filter((_, i) => i % 2 === 1));
  const latencies = perSlice.flat().reduce((sum, count) => sum + count, 0);
  // Added up in another order, a sum may differ in its last digits.
  const sums = [counts.connect, counts.firstByte, counts.duration].map(({ sumMs }) => sumMs.toFixed(3));
  const { connect, firstByte, duration, recent, codes, ...plain } = counts;
  const buckets = [connect, firstByte, duration].map((histogram) => histogram.buckets);
  return { ...plain, codes: new Map(codes), buckets, sums, latencies, seconds: seconds(recent.seconds) };
}

/** Second, requests and errors, by the second. */
function seconds(kept: readonly number[]): readonly string[] {
  const rows: string[] = [];
  for (let i = 0; i < kept.length; i += 3) rows.push(kept.slice(i, i + 3).join(" "));
  return rows.toSorted();
}

test("meters read through a day book are those of somebody who counted each attempt at once", () => {
  const dice = seededRandom(7);
  let now = 1_000;
  const metrics = new Metrics(() => now);
  const upstreams = Array.from({ length: 300 }, (_, i) => upstreamOf(`u${i}`));
  const meters = new Map(upstreams.map((upstream) => [upstream, new UpstreamMeter(now)]));
  const attempt = new Attempt(() => now, metrics, httpResponseClassifier);
  const lost = failure("head", "upstream_reset");
  const play = (outcome: Outcome) => {
    const upstream = upstreams[Math.floor(dice() * upstreams.length)] ?? upstreamOf("none");
    attempt.start(upstream);
    now += dice();
    if (dice() < 0.01) attempt.connectionOpened();
    now += dice();
    if (outcome !== lost) attempt.responseStarted(dice() < 0.05 ? 503 : 200);
    now += dice();
    attempt.end(outcome);
    meters.get(upstream)?.ended(attempt, outcome);
  };
  const compare = () => {
    for (const [upstream, meter] of meters)
      expect(totalOf(upstreamCountersOf(metrics.of(upstream)))).toEqual(totalOf(upstreamCountersOf(meter)));
  };
  // Books that are read when they are nearly empty, sorted when they are read, and closed because they are full.
  for (const count of [10, 5_000, 20_000]) {
    for (let i = 0; i < count; i++) {
      const chance = dice();
      play(chance < 0.01 ? lost : chance < 0.02 ? cancelled : completed);
    }
    compare();
  }
});

import { expect, test } from "bun:test";

import { seededRandom } from "../../src/lib/random.ts";
import { Metrics, UpstreamMeter } from "../../src/metrics/metrics.ts";
import { upstreamCountersOf, type UpstreamCounters } from "../../src/metrics/counter-report.ts";
import { Attempt } from "../../src/pool/attempt.ts";
import { httpResponseClassifier } from "../../src/proxy/response-class.ts";
import { cancelled, failure, type Outcome, completed } from "../../src/pool/outcome.ts";
import { upstreamOf } from "../support/upstreams.ts";

/** The totals of counters, without latency slices: at the edge of a slice a latency may be in the next one. */
function totalOf(counts: UpstreamCounters) {
  const perSlice = counts.recent.slices.map(({ latency }) => latency.buckets.filter((_, i) => i % 2 === 1));
  const latencies = perSlice.flat().reduce((sum, count) => sum + count, 0);
  // A floating-point sum in another order may differ in its last digits.
  const sums = [counts.connect, counts.firstByte, counts.duration].map(({ sumMs }) => sumMs.toFixed(3));
  const { connect, firstByte, duration, recent, codes, ...plain } = counts;
  const buckets = [connect, firstByte, duration].map((histogram) => histogram.buckets);
  return { ...plain, codes: new Map(codes), buckets, sums, latencies, seconds: seconds(recent.seconds) };
}

/** Rows of second, requests and errors, sorted. */
function seconds(numbers: readonly number[]): readonly string[] {
  const rows: string[] = [];
  for (let i = 0; i < numbers.length; i += 3) rows.push(numbers.slice(i, i + 3).join(" "));
  return rows.toSorted();
}

test("meters filled through a sample buffer equal meters that count each attempt at once", () => {
  const dice = seededRandom(7);
  let now = 1_000;
  const metrics = new Metrics(() => now);
  const upstreams = Array.from({ length: 300 }, (_, i) => upstreamOf(`u${i}`));
  const meters = new Map(upstreams.map((upstream) => [upstream, new UpstreamMeter(now)]));
  const attempt = new Attempt(() => now, metrics, httpResponseClassifier);
  const lost = failure("head", "upstream_reset");
  const run = (outcome: Outcome) => {
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
  // Buffers that are flushed nearly empty, flushed with sorting, and flushed because they are full.
  for (const count of [10, 5_000, 20_000]) {
    for (let i = 0; i < count; i++) {
      const chance = dice();
      run(chance < 0.01 ? lost : chance < 0.02 ? cancelled : completed);
    }
    compare();
  }
});

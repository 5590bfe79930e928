import { expect, test } from "bun:test";

import { seededRandom } from "../../src/lib/random.ts";
import { renderPrometheus } from "../../src/metrics/prometheus.ts";
import { families } from "../../src/metrics/families.ts";
import { Histogram } from "../../src/metrics/histogram.ts";
import { Metrics } from "../../src/metrics/metrics.ts";
import {
  upstreamCountersOf,
  poolCountersOf,
  mergeUpstreamCounters,
  mergePoolCounters,
} from "../../src/metrics/counter-report.ts";
import { Attempt } from "../../src/pool/attempt.ts";
import { httpResponseClassifier } from "../../src/proxy/response-class.ts";
import { cancelled, failure, completed } from "../../src/pool/outcome.ts";
import { createPoolFixture } from "../support/pool-fixture.ts";

const overTheWire = <T>(value: T) => JSON.parse(JSON.stringify(value)) as T;

test("counters of listeners add up, and each sum starts from zero", async () => {
  const [one, other, sum] = [0, 1, 2].map(() => new Metrics(() => 0)) as [Metrics, Metrics, Metrics];
  one.ofListener("main").http11 = 3;
  one.ofListener("main").refuse("proxy_header");
  other.ofListener("main").http11 = 4;
  other.ofListener("main").http2 = 5;
  other.ofListener("main").refuse("proxy_header");
  for (let round = 0; round < 2; round++) {
    sum.ofListener("main").clear();
    for (const part of [one, other]) sum.ofListener("main").add(overTheWire(part.ofListener("main").counts));
  }
  const text = await renderPrometheus(families(sum, []));
  expect(text.split("\n").filter((line) => line.includes('listener="main"'))).toEqual([
    'evenkeel_client_requests_total{listener="main",protocol="http/1.1"} 7',
    'evenkeel_client_requests_total{listener="main",protocol="h2"} 5',
    'evenkeel_connections_refused_total{listener="main",reason="proxy_header"} 2',
  ]);
});

test("the sum of several meters equals one meter that counted everything", async () => {
  const { pool, upstreams, now } = createPoolFixture({ weights: [1] });
  const [upstream] = upstreams;
  if (!upstream) throw new Error("no upstream");
  const dice = seededRandom(5);
  const clock = () => now.ms;
  const [whole, ...parts] = [1, 2, 3, 4].map(() => new Metrics(clock)) as [Metrics, ...Metrics[]];
  for (let i = 0; i < 5_000; i++) {
    const part = parts[Math.floor(dice() * parts.length)] ?? whole;
    const observers = [whole, part];
    const attempt = new Attempt(
      clock,
      {
        attemptEnded: (ended, outcome) =>
          observers.forEach((metrics) => metrics.attemptEnded(ended, outcome)),
      },
      httpResponseClassifier,
    );
    attempt.start(upstream);
    now.ms += dice() * 5;
    if (dice() < 0.3) attempt.connectionOpened();
    now.ms += dice() * 25;
    if (dice() < 0.9) attempt.responseStarted(dice() < 0.8 ? 200 : 503);
    attempt.end(dice() < 0.8 ? completed : dice() < 0.5 ? cancelled : failure("body", "upstream_reset"));
    if (dice() > 0.1) continue;
    for (const metrics of observers) {
      metrics.retried("main", { reason: "status_503" });
      metrics.notRetried("main", undefined, "retry_budget");
      metrics.refused(undefined, { reason: "no_route", status: 404 }, 0);
      metrics.refused("main", { reason: "no_upstream", status: 503 }, 0);
    }
  }
  const sum = new Metrics(clock);
  // Twice: each sum starts from zero, so earlier sums do not count again.
  for (let round = 0; round < 2; round++) {
    mergeUpstreamCounters(sum.of(upstream), parts.map((part) => overTheWire(upstreamCountersOf(part.of(upstream))))); // prettier-ignore
    for (const name of ["", "main"]) {
      mergePoolCounters(sum.ofPool(name), parts.map((part) => overTheWire(poolCountersOf(part.ofPool(name))))); // prettier-ignore
    }
  }
  const sortedText = async (metrics: Metrics) =>
    (await renderPrometheus(families(metrics, [{ pool }])))
      .split("\n")
      // A sum of floating point numbers depends on their order in its last digits.
      .map((line) => (line.includes("_sum{") ? line.replace(/\.(\d{6})\d*$/, ".$1") : line))
      .toSorted();
  expect(await sortedText(sum)).toEqual(await sortedText(whole));
  const turnedAwayOf = (metrics: Metrics) => {
    const { requests, errors, recent } = metrics.ofPool("main").turnedAway;
    const { requests: recentRequests, errors: recentErrors } = recent.counts(now.ms);
    return { requests, errors, recentRequests, recentErrors };
  };
  expect(turnedAwayOf(sum)).toEqual(turnedAwayOf(whole));
  expect(sum.of(upstream).recent.counts(now.ms).requests).toBe(
    whole.of(upstream).recent.counts(now.ms).requests,
  );
  const [one, other] = [sum, whole].map((metrics) => {
    const latencies = new Histogram();
    metrics.of(upstream).recent.addLatencies(latencies, now.ms);
    return [0.5, 0.95, 0.99].map((share) => latencies.percentile(share));
  });
  expect(one).toEqual(other);
});

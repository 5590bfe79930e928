import { describe, expect, test } from "bun:test";

import { seededRandom } from "../../src/lib/random.ts";
import { renderPrometheus } from "../../src/metrics/prometheus.ts";
import { families } from "../../src/metrics/families.ts";
import { Histogram } from "../../src/metrics/histogram.ts";
import { Metrics } from "../../src/metrics/metrics.ts";
import { RollingTraffic } from "../../src/metrics/rolling-traffic.ts";
import { workerFamilies } from "../../src/metrics/process-families.ts";
import { policyEntry } from "../../src/policy/policies.ts";
import { Attempt } from "../../src/pool/attempt.ts";
import { httpResponseClassifier } from "../../src/proxy/response-class.ts";
import { cancelled, failure, completed } from "../../src/pool/outcome.ts";
import { Pool } from "../../src/pool/pool.ts";
import { upstreamOf } from "../support/upstreams.ts";

describe("a histogram", () => {
  test("has percentiles within 5 % of the exact ones", () => {
    const dice = seededRandom(9);
    const values = Array.from({ length: 20_000 }, () => Math.exp(dice() * 10 - 2));
    const histogram = new Histogram();
    for (const value of values) histogram.record(value);
    values.sort((left, right) => left - right);
    for (const share of [0.01, 0.5, 0.9, 0.99, 0.999]) {
      const exact = values[Math.ceil(values.length * share) - 1] ?? 0;
      expect(Math.abs((histogram.percentile(share) ?? 0) / exact - 1)).toBeLessThan(0.05);
    }
  });

  test("adds what another one recorded since a mark, and subtracts nothing if it lost counts", () => {
    const [whole, mark] = [new Histogram(), new Histogram()];
    const since = () => {
      const part = new Histogram();
      part.addSince(mark, whole);
      return part;
    };
    for (const value of [1, 1, 100]) whole.record(value);
    expect(since().count).toBe(3);
    whole.record(1_000);
    expect(since()).toMatchObject({ count: 1, sumMs: 1_000 });
    expect(since().count).toBe(0);
    whole.clear();
    for (const value of [1, 7]) whole.record(value);
    expect(since().count).toBe(1);
    whole.record(7);
    expect(since()).toMatchObject({ count: 1, sumMs: 7 });
  });

  test("accepts any number, has no percentile when empty, and counts exactly at its edges", () => {
    const histogram = new Histogram();
    expect(histogram.percentile(0.5)).toBeUndefined();
    for (const value of [-1, 0, 1e-9, 0.999, 1, 1.001, 1e12]) histogram.record(value);
    expect(histogram.below(0)).toBe(4);
    expect(histogram.below(1)).toBe(6);
    expect(histogram.belowEach(-6, 1)).toEqual([0, 3, 3, 3, 3, 3, 4, 6]);
    expect(histogram.count).toBe(7);
  });
});

test("worker metrics have workers by state and restarts, and exist only with workers", async () => {
  const supervisors = [
    { ready: true, restarts: 2 },
    { ready: false, restarts: 1 },
    { ready: true, restarts: 0 },
  ];
  const lines = (await renderPrometheus(workerFamilies(supervisors)))
    .split("\n")
    .filter((line) => line && !line.startsWith("#"));
  expect(lines).toEqual([
    'evenkeel_workers{state="ready"} 2',
    'evenkeel_workers{state="starting"} 1',
    "evenkeel_worker_restarts_total 3",
  ]);
  expect(workerFamilies(undefined)).toEqual([]);
});

test("a scrape of very many upstreams yields to the event loop", async () => {
  const samples = () => {
    const until = performance.now() + 6;
    while (performance.now() < until);
    return [];
  };
  const slow = Array.from({ length: 5 }, (_, i) => ({
    name: `slow_${i}`,
    help: "Takes long.",
    type: "gauge" as const,
    labels: [],
    samples,
  }));
  let turns = 0;
  const timer = setInterval(() => (turns += 1), 0);
  const text = await renderPrometheus(slow);
  clearInterval(timer);
  expect(text.split("# TYPE")).toHaveLength(6);
  expect(turns).toBeGreaterThanOrEqual(4);
});

describe("rolling traffic", () => {
  /** In the order of a meter: the request first, then its latency. */
  function recentFrom(startedAt: number) {
    const latencies = new Histogram();
    const recent = new RollingTraffic(startedAt, latencies);
    const record = (isError: boolean, latencyMs: number, now: number) => {
      recent.record(isError, now);
      latencies.record(latencyMs);
    };
    return { recent, record };
  }

  test("counts the last ten whole seconds and drops older ones", () => {
    const { recent, record } = recentFrom(0);
    for (let second = 0; second < 30; second++) {
      for (let i = 0; i < 5; i++) record(i === 0, 10, second * 1_000 + i * 100);
    }
    expect(recent.counts(30_500)).toEqual({ requests: 50, errors: 10, seconds: 10 });
    expect(recent.counts(36_000)).toEqual({ requests: 20, errors: 4, seconds: 10 });
    expect(recent.counts(90_000)).toEqual({ requests: 0, errors: 0, seconds: 10 });
  });

  test("covers fewer seconds right after the start", () => {
    const { recent, record } = recentFrom(100_000);
    for (let i = 0; i < 6; i++) record(false, 1, 100_100);
    expect(recent.counts(102_500)).toEqual({ requests: 6, errors: 0, seconds: 2 });
  });

  test("can be read for any time of its first response", () => {
    for (const firstMs of [0, 15_000, 59_000, 1_000_000]) {
      const { recent, record } = recentFrom(0);
      const into = new Histogram();
      record(false, 100, firstMs);
      recent.addLatencies(into, firstMs + 1);
      expect(into.count).toBe(1);
    }
  });

  test("keeps latencies for about a minute", () => {
    const { recent, record } = recentFrom(0);
    const p50At = (now: number) => {
      const into = new Histogram();
      recent.addLatencies(into, now);
      return into.percentile(0.5);
    };
    record(false, 100, 5_000);
    expect(p50At(50_000)).toBeGreaterThan(90);
    expect(p50At(70_000)).toBeUndefined();
    record(false, 10, 65_000);
    expect(p50At(66_000)).toBeLessThan(11);
  });

  test("has each latency once, in the slice of its response, for any number of reads", () => {
    const { recent, record } = recentFrom(0);
    const countAt = (now: number) => {
      const into = new Histogram();
      recent.addLatencies(into, now);
      return into.count;
    };
    for (let second = 0; second < 120; second++) {
      record(false, 5, second * 1_000 + 500);
      const slice = Math.floor(second / 10);
      const seconds = second + 1 - 10 * Math.max(0, slice - 5);
      expect([countAt(second * 1_000 + 600), countAt(second * 1_000 + 600)]).toEqual([seconds, seconds]);
    }
    // A cancelled attempt that is recorded late does not make other latencies count again.
    recent.waited(1_000, 200_000);
    expect(countAt(200_000)).toBe(1);
    record(false, 5, 200_100);
    expect(countAt(200_200)).toBe(2);
  });
});

describe("metrics", () => {
  function setUp() {
    const now = { ms: 1_000 };
    const metrics = new Metrics(() => now.ms);
    const upstream = upstreamOf('a"b\\c');
    const policy = policyEntry("first").create({ random: () => 0, clock: () => 0 });
    const pool = new Pool({
      name: "main",
      policy,
      upstreams: [upstream],
      random: () => 0,
      clock: () => now.ms,
    });
    const attempt = new Attempt(() => now.ms, metrics, httpResponseClassifier);
    return { now, metrics, upstream, pool, attempt };
  }

  test("count statuses from 600 on as responses, under one label", async () => {
    const { metrics, upstream, pool, attempt } = setUp();
    for (const status of [599, 600, 999]) {
      attempt.start(upstream);
      attempt.responseStarted(status);
      attempt.end(completed);
    }
    expect(metrics.of(upstream)).toMatchObject({ requests: 3, errors: 1 });
    const text = await renderPrometheus(families(metrics, [{ pool }]));
    const id = 'pool="main",upstream="a\\"b\\\\c"';
    const samples = text.split("\n").filter((line) => line.startsWith("evenkeel_requests_total{"));
    expect(samples).toEqual([
      `evenkeel_requests_total{${id},code="599"} 1`,
      `evenkeel_requests_total{${id},code="other"} 2`,
    ]);
  });

  test("follow from the ends of attempts", async () => {
    const { now, metrics, upstream, pool, attempt } = setUp();
    for (const status of [200, 200, 503]) {
      attempt.start(upstream);
      now.ms += 3;
      attempt.responseStarted(status);
      attempt.end(completed);
    }
    attempt.start(upstream);
    attempt.end(failure("connect", "connect_refused"));
    attempt.start(upstream);
    attempt.end(cancelled);
    metrics.retried("main", failure("connect", "connect_refused"));
    metrics.refused("main", { reason: "no_upstream", status: 503 }, 0);
    metrics.refused(undefined, { reason: "no_route", status: 404 }, 0);
    const text = await renderPrometheus(families(metrics, [{ pool }]));
    const id = 'upstream="a\\"b\\\\c"';
    for (const line of [
      `evenkeel_requests_total{pool="main",${id},code="200"} 2`,
      `evenkeel_requests_total{pool="main",${id},code="503"} 1`,
      'evenkeel_requests_total{pool="main",upstream="",code="503"} 1',
      'evenkeel_requests_total{pool="",upstream="",code="404"} 1',
      `evenkeel_upstream_failures_total{pool="main",${id},reason="connect_refused"} 1`,
      `evenkeel_upstream_cancelled_total{pool="main",${id}} 1`,
      `evenkeel_upstream_first_byte_duration_seconds_bucket{pool="main",${id},le="0.002"} 0`,
      `evenkeel_upstream_first_byte_duration_seconds_bucket{pool="main",${id},le="0.004"} 3`,
      `evenkeel_upstream_first_byte_duration_seconds_count{pool="main",${id}} 3`,
      `evenkeel_upstream_status{pool="main",${id},status="checking"} 1`,
      'evenkeel_retries_total{pool="main",reason="connect_refused"} 1',
    ]) {
      expect(text.split("\n")).toContain(line);
    }
    expect(metrics.of(upstream)).toMatchObject({ requests: 4, errors: 2, cancelled: 1 });
  });

  test("include ejections, panic mode, retry budgets and reasons for not retrying", async () => {
    const { metrics, pool, upstream } = setUp();
    metrics.outlierChanged(pool, { upstream, from: "up", to: "ejected", reason: "failure_ratio" });
    metrics.outlierChanged(pool, { upstream, from: "ejected", to: "probation", reason: "ejection_over" });
    metrics.notRetried("main", failure("head", "upstream_reset"), "retry_budget");
    metrics.retried("main", { reason: "status_503" });
    const text = await renderPrometheus(families(metrics, [{ pool, retryBudget: { balance: 41.8 } }]));
    const id = 'upstream="a\\"b\\\\c"';
    for (const line of [
      `evenkeel_ejections_total{pool="main",${id},reason="failure_ratio"} 1`,
      'evenkeel_panic{pool="main"} 0',
      'evenkeel_retry_budget{pool="main"} 41',
      'evenkeel_not_retried_total{pool="main",reason="retry_budget"} 1',
      'evenkeel_retries_total{pool="main",reason="status_503"} 1',
    ]) {
      expect(text.split("\n")).toContain(line);
    }
  });

  test("are well formed: each sample under its family, no name twice, no sample twice", async () => {
    const { metrics, pool } = setUp();
    const lines = (await renderPrometheus(families(metrics, [{ pool }]))).trimEnd().split("\n");
    const samples = lines.filter((line) => !line.startsWith("#"));
    expect(new Set(samples.map((line) => line.slice(0, line.lastIndexOf(" ")))).size).toBe(samples.length);
    const names = lines.filter((line) => line.startsWith("# TYPE")).map((line) => line.split(" ")[2] ?? "");
    expect(new Set(names).size).toBe(names.length);
    for (const sample of samples) expect(names.some((name) => sample.startsWith(name))).toBe(true);
    for (const sample of samples)
      expect(sample).toMatch(/^[a-z_]+(\{([a-z]+="(\\.|[^"\\])*",?)*\})? [\d.e+-]+$/);
  });
});

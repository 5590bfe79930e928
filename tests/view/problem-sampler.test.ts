import { describe, expect, test } from "bun:test";

import { seededRandom } from "../../src/lib/random.ts";
import { ProblemList } from "../../src/problems/problem-list.ts";
import { resolutions } from "../../src/history/store.ts";
import { routeConfigs, configOf } from "../support/configs.ts";
import { samplerEpoch, samplerStand } from "../support/problem-sampler.ts";

const probed = (stand: ReturnType<typeof samplerStand>) => {
  for (const pool of stand.registry.pools)
    for (const upstream of pool.upstreams) {
      pool.recordProbe(upstream, true);
      stand.probes.set(upstream.id, { success: true, detail: "status 200" });
    }
};

describe("a sample", () => {
  test("has the counters and the state of every upstream", () => {
    const stand = samplerStand("main: a b;weight=3 c;backup");
    probed(stand);
    const [a, b] = [stand.upstream("a"), stand.upstream("b")];
    for (let index = 0; index < 8; index++) stand.request(a, index < 2 ? 500 : 200, 40);
    stand.request(b, 0);
    const { pools, balancer } = stand.sampler.take();
    expect(balancer).toBe("fra-1");
    expect(pools[0]).toMatchObject({ name: "main", isPanicking: false, queued: 0, maxWaiting: 1_024 });
    expect(pools[0]?.upstreams).toMatchObject([
      { id: "a", status: "passing", fit: true, requests: 8, errors: 2, probePassed: true },
      { id: "b", weight: 3, requests: 1, errors: 1 },
      { id: "c", backup: true, fit: false, requests: 0, p95Ms: null },
    ]);
    expect(pools[0]?.upstreams[0]?.errorsByReason()).toEqual({ status_500: 2 });
    expect(pools[0]?.upstreams[1]?.errorsByReason()).toEqual({ connect_refused: 1 });
    expect(pools[0]?.upstreams[0]?.p95Ms).toBeWithin(36, 44);
    // A pool has its own percentile when all of its upstreams have had their turn.
    stand.sampler.take();
    expect(stand.sampler.take().pools[0]?.p95Ms).toBeWithin(36, 44);
  });

  test("percentiles of a thousand upstreams take ten turns", () => {
    const names = Array.from({ length: 1_000 }, (_, index) => `u${index}@10.0.${index >> 8}.${index & 255}`);
    const stand = samplerStand(`main: ${names.join(" ")}`);
    probed(stand);
    for (const upstream of stand.registry.pools[0]?.upstreams ?? []) stand.request(upstream);
    const known = () => stand.sampler.take().pools[0]?.upstreams.filter(({ p95Ms }) => p95Ms !== null).length;
    const turns = Array.from({ length: 11 }, known);
    expect(turns.slice(0, 3)).toEqual([100, 200, 300]);
    expect(turns.slice(9)).toEqual([1_000, 1_000]);
  });

  test("tells what clients got from what retries hid", () => {
    const stand = samplerStand("main: a b");
    const meter = stand.metrics.ofPool("main");
    stand.metrics.retried("main", { reason: "connect_refused" });
    stand.metrics.retried("main", { reason: "rescued" });
    stand.metrics.retried("main", { reason: "hedged" });
    stand.metrics.notRetried("main", undefined, "retry_budget");
    stand.metrics.notRetried("main", undefined, "method_not_idempotent");
    stand.metrics.refused("main", { reason: "queue_full", status: 503 }, 0);
    stand.metrics.refused("main", { reason: "queue_timeout", status: 503 }, 0);
    stand.metrics.refused("main", { reason: "no_upstream", status: 503 }, 0);
    stand.metrics.refused("main", { reason: "rate_limited", status: 429 }, 0);
    expect(meter.turnedAway.requests).toBe(4);
    expect(stand.sampler.take().pools[0]).toMatchObject({
      ...{ retries: 2, budgetRefusals: 1, queueRefusals: 2, otherRefusals: 1 },
      ...{ turnedAway: 4, turnedAwayErrors: 3 },
    });
  });

  test("counts all routes, and labels the ones without a name by host and path", () => {
    const routes = routeConfigs([
      { name: "pay", pool: "main", path: "/pay" },
      { host: "shop.example", path: "/cart", pool: "main" },
      { split: { pools: { main: 9, api: 1 } } },
    ]);
    const stand = samplerStand("", configOf("main: a | api: b", { routes }));
    stand.metrics.routeEnded("pay", 200, 5);
    stand.metrics.routeEnded("pay", 503, 5);
    stand.metrics.routeEnded("pay", 0, 5);
    stand.metrics.routeEnded("shop.example/cart", 500, 5);
    expect(stand.sampler.take().routes).toEqual([
      { label: "pay", pools: ["main"], requests: 3, errors: 1 },
      { label: "shop.example/cart", pools: ["main"], requests: 1, errors: 1 },
      { label: "/", pools: ["main", "api"], requests: 0, errors: 0 },
    ]);
  });

  test("of real attempts opens the problem of the upstream that differs, and that it is slow", () => {
    const stand = samplerStand("main: a b c d e f g h i j k l");
    probed(stand);
    const list = new ProblemList({ random: seededRandom(1) });
    const opened: string[] = [];
    for (let second = 0; second < 140; second++) {
      stand.time.now += 1_000;
      for (const upstream of stand.registry.pools[0]?.upstreams ?? [])
        for (let index = 0; index < 10; index++) {
          const isBad = upstream.id === "a" && index < 3;
          stand.request(upstream, isBad ? 500 : 200, upstream.id === "b" ? 400 : 20);
        }
      for (const { change, problem } of list.observe(stand.sampler.take()))
        opened.push(`${change} ${problem.title}`);
    }
    expect(opened).toEqual([
      "opened a answers 30 % of its requests with 500",
      expect.stringMatching(/^opened b is (19|20|21) times slower than its peers$/),
    ]);
  });
});

describe("what is usual", () => {
  const [, , minutes] = resolutions;
  const hourMs = 3_600_000;
  const dayMs = 24 * hourMs;

  /** Points of one hour on each of some days before. */
  function withHistory(days: number, p95Ms: number) {
    const stand = samplerStand("main: a");
    const hour = Math.floor((samplerEpoch + stand.time.now) / hourMs) * hourMs;
    const points = Array.from({ length: days }, (_, day) => hour - (day + 1) * dayMs).flatMap((from) =>
      Array.from({ length: 60 }, (_, minute) => from + (minute + 1) * 60_000),
    );
    const point = {
      spanMs: 60_000,
      requests: 600,
      errors: 6,
      retries: 0,
      rescues: 0,
      queued: 0,
      inFlight: 1,
    };
    stand.history.write(
      points.map((at) => ({
        series: { pool: "main", upstream: null },
        resolution: minutes,
        point: { ...point, at, p50Ms: 1, p95Ms, p99Ms: p95Ms },
      })),
    );
    return stand;
  }

  test("is the median of the same hour of the last days, and the busiest minute of the week", () => {
    const stand = withHistory(6, 80);
    expect(stand.sampler.take().pools[0]?.usual).toBeNull();
    // It was asked for then, and is read in the next second.
    expect(stand.sampler.take().pools[0]?.usual).toEqual({
      p95Ms: 80,
      errorShare: 0.01,
      perSecond: 10,
      peakPerSecond: 10,
    });
    expect(stand.errors).toEqual([]);
  });

  test("is not known without half an hour of traffic", () => {
    const stand = samplerStand("main: a");
    for (let turn = 0; turn < 3; turn++) stand.sampler.take();
    expect(stand.sampler.take().pools[0]?.usual).toBeNull();
  });

  test("a store that cannot be read is reported once an hour, and nothing is usual then", () => {
    const stand = withHistory(6, 80);
    stand.history.close();
    for (let turn = 0; turn < 5; turn++) expect(stand.sampler.take().pools[0]?.usual).toBeNull();
    expect(stand.errors.length).toBe(1);
  });
});

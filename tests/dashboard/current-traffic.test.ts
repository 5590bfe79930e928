import { describe, expect, test } from "bun:test";
import { currentLegends, currentTraffic } from "../../src/dashboard/overview/current-traffic.ts";
import { queryOf, viewOf } from "../../src/dashboard/view.ts";
import { columnsOf } from "../../src/history/point.ts";
import { pool, snapshotOf, traffic, upstream, wavesUntil } from "../support/fake-admin-api.ts";

const one = pool({
  name: "one",
  upstreams: [upstream("a", { inFlight: 3 }), upstream("b", { inFlight: 4 })],
  traffic: traffic({ requests: 100, errors: 5, requestsPerSecond: 30, errorShare: 0.1, p95Ms: 40 }),
  ...{ queued: 2, retries: 7 },
});
const other = pool({
  name: "other",
  upstreams: [upstream("c")],
  traffic: traffic({ requests: 10, requestsPerSecond: 10, p95Ms: 90 }),
});
const columns = columnsOf(wavesUntil(60_000, { spanMs: 3_000, stepMs: 1_000, since: 0 }));
const retrying = (rate: number) => ({ ...columns, retriesPerSecond: columns.at.map(() => rate) });
const state = {
  snapshot: { ...snapshotOf(one, other), inFlight: 12 },
  trends: [
    { pool: "one", upstream: null, columns: retrying(2) },
    { pool: "other", upstream: null, columns: retrying(1) },
  ],
};

describe("the numbers of now", () => {
  test("of all pools are added, and percentiles are those of the slowest", () => {
    expect(currentTraffic(state, undefined)).toMatchObject({
      ...{ requestsPerSecond: 40, errorsPerSecond: 3, errorShare: 3 / 40, requests: 110, errors: 5 },
      ...{ p95Ms: 90, queued: 2, retries: 7, retriesPerSecond: 3, isOfSlowest: true },
      // Those of the rows: a request that waits is in the queue, and a tunnel takes no slot.
      ...{ inFlight: 7, maxInFlight: 3 * 256, maxQueued: 2 * 1_024, clients: 24 },
    });
  });

  test("of one pool are its own; of an unknown one, those of all", () => {
    expect(currentTraffic(state, "one")).toMatchObject({
      ...{ requestsPerSecond: 30, errorShare: 0.1, p95Ms: 40, inFlight: 7, retriesPerSecond: 2 },
      ...{ isOfSlowest: false, maxInFlight: 512, maxQueued: 1_024 },
    });
    expect(currentTraffic(state, "one")?.clients).toBeUndefined();
    expect(currentTraffic(state, "none")).toEqual(currentTraffic(state, undefined));
    expect(currentTraffic({ ...state, snapshot: undefined }, "one")).toBeUndefined();
  });

  test("have limits only where all have one, of what is available", () => {
    const limited = (change: object) => {
      const upstreams = [upstream("a", { inFlight: 9, tunnels: 4, streams: 2, ...change }), upstream("b")];
      return currentTraffic({ ...state, snapshot: snapshotOf(pool({ upstreams })) }, undefined);
    };
    expect(limited({})).toMatchObject({ inFlight: 3, maxInFlight: 512, tunnels: 4, streams: 2 });
    expect(limited({ fit: false })?.maxInFlight).toBe(256);
    expect(limited({ maxInFlight: null })?.maxInFlight).toBeNull();
    // An older balancer tells neither.
    const { clients: _, ...older } = snapshotOf({ ...one, maxQueued: undefined as never });
    const traffic = currentTraffic({ ...state, snapshot: older as never }, undefined);
    expect([traffic?.maxQueued, traffic?.clients]).toEqual([undefined, undefined]);
  });

  test("stand in the legends of charts that end now", () => {
    expect(currentLegends(currentTraffic(state, undefined))).toEqual({
      values: {
        requestsPerSecond: "40.0",
        errorsPerSecond: "3.0",
        p50Ms: "–",
        p95Ms: "90\u00a0ms",
        p99Ms: "–",
      },
      notes: { "Requests/s": "", "Errors/s": "7.5\u00a0% of all", Latency: "slowest pool" },
    });
    const usual = { requestsPerSecond: 20, errorShare: null, p95Ms: null, peakRequestsPerSecond: null };
    const known = { ...state, snapshot: snapshotOf({ ...one, usual }, { ...other, usual }) };
    expect(currentLegends(currentTraffic(known, undefined)).notes["Requests/s"]).toBe("usual 40.0");
  });
});

test("a view keeps the time and the pool of the charts in its links", () => {
  const query = { sort: "p99", dir: "down", from: "-6h", to: "now", pool: "one", tz: "local" };
  expect(Object.fromEntries(new URLSearchParams(queryOf(viewOf(query))))).toEqual(query);
  expect(viewOf({ from: "x".repeat(300), to: " " })).toEqual(viewOf({}));
});

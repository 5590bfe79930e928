import { describe, expect, test } from "bun:test";
import { rowsOf } from "../../src/dashboard/charts/data-table.tsx";
import { latestOf, peakOf, trendOf } from "../../src/dashboard/charts/sparkline.tsx";
import {
  afterClick,
  arranged,
  fairSharesOf,
  openIn,
  plainView,
  queryOf,
  viewOf,
  withPool,
} from "../../src/dashboard/view.ts";
import { windows } from "../../src/history/store.ts";
import { columnsOf } from "../../src/history/point.ts";
import { pool, traffic, upstream, wavesUntil } from "../support/fake-admin-api.ts";

const members = pool({
  upstreams: [
    upstream("api-10", { status: "passing", traffic: traffic({ errorShare: 0.1 }) }),
    upstream("api-2", { status: "failing", fit: false }),
    upstream("web-1", {
      status: "draining",
      weight: 3,
      effectiveWeight: 3,
      traffic: traffic({ errorShare: 0.2 }),
    }),
  ],
});
const idsIn = (query: Record<string, string>) => arranged(members, viewOf(query)).map(({ id }) => id);

describe("a view", () => {
  const table: ReadonlyArray<readonly [query: Record<string, string>, ids: readonly string[]]> = [
    [{}, ["api-10", "api-2", "web-1"]],
    [{ sort: "name" }, ["api-2", "api-10", "web-1"]],
    [{ sort: "name", dir: "down" }, ["web-1", "api-10", "api-2"]],
    [{ sort: "errors" }, ["web-1", "api-10", "api-2"]],
    [{ sort: "errors", dir: "up" }, ["api-2", "api-10", "web-1"]],
    [{ sort: "errors", dir: "sideways" }, ["web-1", "api-10", "api-2"]],
    [{ sort: "weight" }, ["web-1", "api-10", "api-2"]],
    [{ sort: "p99" }, ["api-10", "api-2", "web-1"]],
    [{ filter: " API " }, ["api-10", "api-2"]],
    [{ filter: "failing", sort: "name" }, ["api-2"]],
    [{ filter: "nothing like it" }, []],
    [{ sort: "worst" }, ["api-10", "api-2", "web-1"]],
    [{ sort: "colour", dir: "down" }, ["api-10", "api-2", "web-1"]],
  ];
  for (const [query, ids] of table) {
    test(`of ${JSON.stringify(query)}`, () => expect(idsIn(query)).toEqual([...ids]));
  }

  test("survives a round trip through the address", () => {
    for (const query of [
      {},
      { sort: "in-flight", dir: "up" },
      { filter: 'a&b="c" ü' },
      { sort: "p95", dir: "down", filter: "x" },
    ]) {
      const view = viewOf(query);
      expect(viewOf(Object.fromEntries(new URLSearchParams(queryOf(view))))).toEqual(view);
    }
    expect(queryOf(plainView)).toBe("");
  });

  test("sorts by the worst values, then by the best, then has the worst upstreams first", () => {
    const first = afterClick(plainView, "errors");
    expect(first.sort).toEqual({ by: "errors", direction: "down" });
    const second = afterClick(first, "errors");
    expect(second.sort).toEqual({ by: "errors", direction: "up" });
    expect(afterClick(second, "errors").sort).toBeUndefined();
    expect(afterClick(second, "name").sort).toEqual({ by: "name", direction: "up" });
  });

  test("sorts uptimes by the share of time, the shortest first and unknown ones last", () => {
    const shared = (id: string, share: number | null) =>
      upstream(id, { uptime: { state: "up", since: 0, share, countedMs: 1 } });
    const upstreams = [shared("new", null), shared("good", 1), shared("bad", 0.2)];
    const view = afterClick(plainView, "uptime");
    expect(arranged(pool({ upstreams }), view).map(({ id }) => id)).toEqual(["bad", "good", "new"]);
  });

  test("opens and closes pools one by one; of very many, the latest count", () => {
    const closed = withPool(viewOf({ open: "*,a" }), "a", "closed");
    expect([openIn(closed, "a"), openIn(closed, "b")]).toEqual([false, true]);
    expect(openIn(withPool(closed, "a", "default"), "a")).toBe(true);
    expect(openIn(withPool(viewOf({ close: "*" }), "a", "open"), "a")).toBe(true);
    const names = Array.from({ length: 25 }, (_, index) => `pool-${index}`);
    const many = names.reduce((view, name) => withPool(view, name, "open"), plainView);
    const read = viewOf(Object.fromEntries(new URLSearchParams(queryOf(many))));
    expect([openIn(read, "pool-24"), openIn(read, "pool-0")]).toEqual([true, undefined]);
  });

  test("has the fair share of available upstreams", () => {
    expect(members.upstreams.map(fairSharesOf(members))).toEqual([0.25, 0, 0.75]);
  });
});

describe("a trend", () => {
  const point = { spanMs: 1_000, errors: 0, retries: 0, rescues: 0, queued: 0, p95Ms: null, p99Ms: null };
  const one = columnsOf([
    { ...point, at: 1_000, requests: 10, inFlight: 1, p50Ms: 5 },
    { ...point, at: 2_000, requests: 20, inFlight: 2, p50Ms: null },
  ]);
  const other = columnsOf([
    { ...point, at: 2_000, requests: 1, inFlight: 4, p50Ms: 9 },
    { ...point, at: 3_000, requests: 2, inFlight: 8, p50Ms: 1 },
  ]);

  test("of several pools adds counts up, and takes the worst of percentiles", () => {
    expect(trendOf([one, other], "requestsPerSecond")).toEqual({
      at: [1_000, 2_000, 3_000],
      values: [10, 21, 2],
    });
    expect(trendOf([one, other], "p50Ms").values).toEqual([5, 9, 1]);
    expect(trendOf([], "p50Ms").values).toEqual([]);
  });

  test("has its latest and highest value", () => {
    expect(latestOf(trendOf([one], "p50Ms"))).toBe(5);
    expect(peakOf(trendOf([one], "p50Ms"))).toBe(5);
    expect(latestOf(trendOf([one], "p95Ms"))).toBeNull();
    expect(latestOf({ at: [], values: [5, ...Array<null>(9).fill(null)] })).toBe(5);
    expect(latestOf({ at: [], values: [5, ...Array<null>(10).fill(null)] })).toBeNull();
  });
});

describe("the numbers of a chart", () => {
  test("are ten rows, newest first, of means and worst percentiles", () => {
    const columns = columnsOf(wavesUntil(1_800_000_000_000, { ...windows["5m"], since: 0 }));
    const rows = rowsOf(columns, 300_000);
    expect(rows).toHaveLength(10);
    expect(rows[0]?.to).toBe(1_800_000_000_000);
    const first = columns.p99Ms.slice(-30).map((value) => value ?? 0);
    expect(rows[0]?.p99Ms).toBe(Math.max(...first));
    const rates = columns.requestsPerSecond.slice(-30).map((value) => value ?? 0);
    expect(rows[0]?.requestsPerSecond).toBeCloseTo(rates.reduce((sum, rate) => sum + rate) / 30);
  });

  test("leave out what was not measured", () => {
    expect(rowsOf(columnsOf([]), 300_000)).toEqual([]);
    const columns = columnsOf(wavesUntil(1_800_000_000_000, { spanMs: 40_000, stepMs: 1_000, since: 0 }));
    expect(rowsOf(columns, 300_000)).toHaveLength(2);
  });
});

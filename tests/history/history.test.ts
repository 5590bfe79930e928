import { describe, expect, test } from "bun:test";
import { readdirSync, statSync, writeFileSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";

import { History, type HistoryQuery } from "../../src/history/history.ts";
import { type HistoryStore, rangeStep, resolutions, type StoredSeries } from "../../src/history/store.ts";
import { historyFileOf, openHistory } from "../../src/history/sqlite-store.ts";
import { Metrics } from "../../src/metrics/metrics.ts";
import { policyEntry } from "../../src/policy/policies.ts";
import { Attempt } from "../../src/pool/attempt.ts";
import { httpResponseClassifier } from "../../src/proxy/response-class.ts";
import { failure, rescued, completed } from "../../src/pool/outcome.ts";
import { Pool } from "../../src/pool/pool.ts";
import type { Upstream } from "../../src/pool/upstream.ts";
import { FakeTime } from "../support/fake-time.ts";
import { temporaryFolder } from "../support/folder.ts";
import { testLimits, upstreamOf } from "../support/upstreams.ts";

const inFolder = temporaryFolder("history");

const always = { after: 0, until: Number.MAX_SAFE_INTEGER };

/** A full minute, so that what happens first does not cross a boundary. */
const epoch = 1_800_000_000_000;

function memoryStore(): HistoryStore {
  return openHistory(":memory:", () => epoch);
}

interface FixtureOptions {
  readonly store?: HistoryStore;
  readonly upstreams?: readonly Upstream[];
  readonly time?: FakeTime;
}

/** A history of one pool on a fake clock; a test makes the requests. */
function fixture({
  store = memoryStore(),
  upstreams = [upstreamOf("a"), upstreamOf("b")],
  time = new FakeTime(),
}: FixtureOptions = {}) {
  const metrics = new Metrics(time.clock);
  const policy = policyEntry("first").create({ random: () => 0, clock: time.clock });
  const pool = new Pool({ name: "main", policy, upstreams, random: () => 0, clock: time.clock });
  const pools = [pool];
  const queue = { size: 0 };
  const failures: [error: unknown, lost: number][] = [];
  const wallClock = () => epoch + time.clock();
  const history = new History({
    pools: () => pools,
    queuedIn: () => queue.size,
    metrics,
    store,
    clock: time.clock,
    wallClock,
    schedule: time.schedule,
    onFailure: (error, lost) => void failures.push([error, lost]),
  });
  let now = 0;
  const attempt = new Attempt(() => now, metrics, httpResponseClassifier);
  return {
    history,
    time,
    failures,
    pools,
    queue,
    metrics,
    /** One request that took this long; a negative time fails instead. */
    request(upstream: Upstream, latencyMs: number) {
      attempt.start(upstream);
      now += Math.abs(latencyMs);
      if (latencyMs >= 0) attempt.responseStarted(200);
      attempt.end(latencyMs >= 0 ? completed : failure("connect", "connect_refused"));
    },
    columns(query: HistoryQuery) {
      const columns = history.read(query)?.series[0]?.columns;
      if (!columns) throw new Error("no such series");
      return columns;
    },
  };
}

describe("history", () => {
  test("has a point for every second, with the percentiles of that second", async () => {
    const a = upstreamOf("a");
    const { history, time, request, columns } = fixture({ upstreams: [a] });
    history.start();
    for (const latencyMs of [10, 1_000, 100]) {
      for (let i = 0; i < 20; i++) request(a, latencyMs);
      await time.advance(1_000);
    }
    const { at, requestsPerSecond, p50Ms, p99Ms } = columns({ upstream: "a", window: "5m" });
    expect(at).toEqual([1_000, 2_000, 3_000].map((ms) => epoch + ms));
    expect(requestsPerSecond).toEqual([20, 20, 20]);
    for (const [index, exact] of [10, 1_000, 100].entries()) {
      for (const column of [p50Ms, p99Ms])
        expect(Math.abs((column[index] ?? 0) / exact - 1)).toBeLessThan(0.1);
    }
  });

  test("computes percentiles of a pool from all its responses, and never averages them", async () => {
    const [a, b] = [upstreamOf("a"), upstreamOf("b")];
    const { history, time, request, columns } = fixture({ upstreams: [a, b] });
    history.start();
    for (let i = 0; i < 99; i++) request(a, 10);
    for (let i = 0; i < 99; i++) request(b, 1_000);
    request(b, -5);
    await time.advance(1_000);
    const { requestsPerSecond, errorsPerSecond, p50Ms, p95Ms } = columns({ pool: "main", window: "5m" });
    expect(requestsPerSecond).toEqual([199]);
    expect(errorsPerSecond).toEqual([1]);
    expect(p50Ms[0]).toBeLessThan(11);
    expect(p95Ms[0]).toBeGreaterThan(950);
  });

  test("counts retries, and the maximum in flight", async () => {
    const a = upstreamOf("a");
    const { history, time, metrics, columns } = fixture({ upstreams: [a] });
    history.start();
    a.inFlight = 7;
    metrics.retried("main", failure("connect", "connect_refused"));
    await time.advance(1_000);
    a.inFlight = 2;
    await time.advance(9_000);
    expect(columns({ pool: "main", window: "5m" }).retriesPerSecond.slice(0, 2)).toEqual([1, 0]);
    expect(columns({ pool: "main", window: "1h" })).toMatchObject({ retriesPerSecond: [0.1], inFlight: [7] });
  });

  test("counts rejected requests among the requests and errors of a pool", async () => {
    const a = upstreamOf("a");
    const { history, time, metrics, request, columns } = fixture({ upstreams: [a] });
    history.start();
    request(a, 5);
    for (let i = 0; i < 3; i++) metrics.refused("main", { reason: "no_upstream", status: 503 }, 0);
    await time.advance(2_000);
    const ofPool = columns({ pool: "main", window: "5m" });
    expect(ofPool.requestsPerSecond).toEqual([4, 0]);
    expect(ofPool.errorsPerSecond).toEqual([3, 0]);
    expect(columns({ upstream: "a", window: "5m" }).requestsPerSecond).toEqual([1, 0]);
  });

  test("counts rescues among the retries, and the longest queue", async () => {
    const { history, time, metrics, queue, columns } = fixture();
    history.start();
    queue.size = 5;
    metrics.retried("main", rescued);
    metrics.retried("main", failure("connect", "connect_refused"));
    await time.advance(1_000);
    queue.size = 2;
    await time.advance(9_000);
    const fine = columns({ pool: "main", window: "5m" });
    expect(fine.retriesPerSecond.slice(0, 2)).toEqual([2, 0]);
    expect(fine.rescuesPerSecond.slice(0, 2)).toEqual([1, 0]);
    expect(fine.queued.slice(0, 2)).toEqual([5, 2]);
    expect(columns({ pool: "main", window: "1h" })).toMatchObject({ rescuesPerSecond: [0.1], queued: [5] });
    expect(columns({ upstream: "a", window: "5m" }).queued[0]).toBe(0);
  });

  test("migrates a file from before rescues and queues were stored", () => {
    const file = inFolder("version-1.db");
    const old = new DatabaseSync(file);
    old.exec(`
      CREATE TABLE series (id INTEGER PRIMARY KEY, pool TEXT NOT NULL, upstream TEXT NOT NULL,
        last_at INTEGER NOT NULL, UNIQUE (pool, upstream)) STRICT;
      CREATE TABLE point (series INTEGER NOT NULL, step_ms INTEGER NOT NULL, slot INTEGER NOT NULL,
        at INTEGER NOT NULL, span_ms INTEGER NOT NULL, requests INTEGER NOT NULL, errors INTEGER NOT NULL,
        retries INTEGER NOT NULL, in_flight INTEGER NOT NULL, p50_us INTEGER, p95_us INTEGER, p99_us INTEGER,
        PRIMARY KEY (series, step_ms, slot)) STRICT, WITHOUT ROWID;
      INSERT INTO series VALUES (1, 'main', '', ${epoch});
      INSERT INTO point VALUES (1, 10000, 1, ${epoch}, 10000, 70, 3, 2, 9, 12000, 34000, NULL);
      PRAGMA user_version = 1`);
    old.close();
    const series = { pool: "main", upstream: null };
    const counts = { at: epoch, spanMs: 10_000, requests: 70, errors: 3, retries: 2, rescues: 0, queued: 0 };
    const past = { ...counts, inFlight: 9, p50Ms: 12, p95Ms: 34, p99Ms: null };
    const next = { ...past, at: epoch + 10_000, rescues: 4, queued: 8 };
    const migrated = openHistory(file, () => epoch);
    expect(migrated.read(series, resolutions[1], always)).toEqual([past]);
    migrated.write([{ series, resolution: resolutions[1], point: next }]);
    migrated.close();
    const again = openHistory(file, () => epoch);
    expect(again.read(series, resolutions[1], always)).toEqual([past, next]);
    again.close();
  });

  test("becomes coarser with age, in every resolution from all responses of the interval", async () => {
    const a = upstreamOf("a");
    const { history, time, request, columns } = fixture({ upstreams: [a] });
    history.start();
    for (let second = 0; second < 120; second++) {
      for (let i = 0; i < 10; i++) request(a, second % 10 === 9 ? 500 : 5);
      await time.advance(1_000);
    }
    const tens = columns({ upstream: "a", window: "1h" });
    expect(tens.at).toHaveLength(12);
    expect(new Set(tens.requestsPerSecond)).toEqual(new Set([10]));
    expect(tens.p50Ms.every((value) => (value ?? 0) < 6)).toBe(true);
    expect(tens.p95Ms.every((value) => (value ?? 0) > 450)).toBe(true);
    const minutes = columns({ upstream: "a", window: "24h" });
    expect(minutes.at).toEqual([60_000, 120_000].map((ms) => epoch + ms));
    expect(minutes.requestsPerSecond).toEqual([10, 10]);
    expect(columns({ upstream: "a", window: "7d" }).at).toEqual([epoch + 120_000]);
  });

  test("adds finer points that are newer than the points of a window, so that no chart is empty at first", async () => {
    const { history, time, columns } = fixture();
    history.start();
    await time.advance(73_000);
    const ages = columns({ pool: "main", window: "24h" }).at.map((at) => (at - epoch) / 1_000);
    expect(ages).toEqual([60, 70, 71, 72, 73]);
  });

  test("keeps no more points than its retention", async () => {
    const { history, time, columns } = fixture({ upstreams: [] });
    history.start();
    await time.advance(resolutions[0].retentionMs + 60_000);
    expect(columns({ pool: "main", window: "5m" }).at).toHaveLength(300);
    expect(
      columns({ pool: "main", window: "5m", since: epoch + resolutions[0].retentionMs + 57_000 }).at,
    ).toHaveLength(3);
  });

  test("includes pools and upstreams that were added later, and no unknown ones", async () => {
    const { history, time, pools } = fixture({ upstreams: [upstreamOf("a")] });
    history.start();
    const late = policyEntry("first").create({ random: () => 0, clock: time.clock });
    pools.push(
      new Pool({
        name: "late",
        policy: late,
        upstreams: [upstreamOf("z")],
        random: () => 0,
        clock: time.clock,
      }),
    );
    await time.advance(1_000);
    expect(history.read({ window: "5m" })?.series.map(({ pool }) => pool)).toEqual(["main", "late"]);
    expect(history.read({ upstream: "z", window: "5m" })?.series[0]?.columns.at).toHaveLength(1);
    expect(history.read({ upstream: "y", window: "5m" })).toBeUndefined();
    expect(history.read({ pool: "y", window: "5m" })).toBeUndefined();
  });

  test("survives a restart, and merges an interval that it split", async () => {
    const file = inFolder("new/state-history.db");
    const time = new FakeTime();
    for (const requests of [30, 50]) {
      const a = upstreamOf("a");
      const store = openHistory(file, () => epoch);
      const { history, request } = fixture({ upstreams: [a], store, time });
      history.start();
      for (let i = 0; i < requests; i++) request(a, 10);
      await time.advance(4_500);
      history.stop();
      store.close();
    }
    const store = openHistory(file, () => epoch);
    const { columns } = fixture({ upstreams: [upstreamOf("a")], store, time });
    for (const window of ["5m", "1h", "24h"] as const) {
      const { at, requestsPerSecond, p50Ms } = columns({ upstream: "a", window });
      expect(at).toEqual([epoch + 9_000]);
      expect(requestsPerSecond[0]).toBeCloseTo(80 / 9, 2);
      expect(p50Ms[0]).toBeGreaterThan(9);
    }
    store.close();
  });

  test("shows downtime of the process as a gap", async () => {
    const store = memoryStore();
    const time = new FakeTime();
    for (let run = 0; run < 2; run++) {
      const { history } = fixture({ upstreams: [], store, time });
      history.start();
      await time.advance(20_000);
      history.stop();
      await time.advance(60_000);
    }
    const { history } = fixture({ upstreams: [], store, time });
    const columns = history.read({ pool: "main", window: "1h" })?.series[0]?.columns;
    expect(columns?.at.map((at) => Math.round((at - epoch) / 1_000))).toEqual([10, 20, 30, 90, 100]);
    expect(columns?.requestsPerSecond).toEqual([0, 0, null, 0, 0]);
  });

  test("has the uptime of each upstream, also from before a restart", async () => {
    const [store, time, a] = [memoryStore(), new FakeTime(), upstreamOf("a")];
    a.activeHealth.record(true);
    const first = fixture({ upstreams: [a], store, time });
    first.history.start();
    await time.advance(30_000);
    for (let i = 0; i < testLimits.fall; i++) a.activeHealth.record(false);
    await time.advance(10_000);
    for (let i = 0; i < testLimits.rise; i++) a.activeHealth.record(true);
    await time.advance(20_000);
    const [pool] = first.pools;
    if (!pool) throw new Error("no pool");
    const before = first.history.uptimeOf(pool, a);
    expect(before).toMatchObject({ state: "up", since: epoch + 41_000 });
    expect(before.share).toBeCloseTo(49 / 59, 2);
    first.history.stop();

    await time.advance(5_000);
    const restarted = upstreamOf("a");
    const { history } = fixture({ upstreams: [restarted], store, time });
    history.start();
    await time.advance(1_000);
    expect(history.uptimeOf(pool, restarted)).toMatchObject({ state: "up", since: epoch + 41_000 });
    restarted.activeHealth.record(true);
    await time.advance(10_000);
    expect(history.uptimeOf(pool, restarted)).toMatchObject({ state: "up", since: epoch + 41_000 });
    expect(history.uptimeOf(pool, restarted).countedMs).toBeGreaterThan(before.countedMs);
    history.stop();
  });

  test("restarts the uptime for another server with the same name", async () => {
    const [a, other] = [upstreamOf("a"), upstreamOf("a")];
    for (const each of [a, other]) each.activeHealth.record(true);
    const { history, time, pools } = fixture({ upstreams: [a] });
    history.start();
    await time.advance(30_000);
    const [pool] = pools;
    pool?.setUpstreams([other]);
    await time.advance(5_000);
    if (!pool) throw new Error("no pool");
    expect(history.uptimeOf(pool, other)).toMatchObject({ since: epoch + 31_000, countedMs: 4_000 });
    history.stop();
  });

  test("writes a few points at a time, and all of them before the next ones are due", async () => {
    const working = memoryStore();
    const batches: { at: number; size: number }[] = [];
    const store: HistoryStore = {
      read: working.read.bind(working),
      uptime: () => "",
      busiest: () => 0,
      close: () => working.close(),
      write(points: readonly StoredSeries[]) {
        batches.push({ at: time.clock(), size: points.length });
        working.write(points);
      },
    };
    const upstreams = Array.from({ length: 1_000 }, (_, index) => upstreamOf(`u${index}`));
    const { history, time } = fixture({ upstreams, store });
    history.start();
    await time.advance(20_000);
    expect(Math.max(...batches.map(({ size }) => size))).toBeLessThanOrEqual(50);
    expect(new Set(batches.map(({ at }) => at)).size).toBe(batches.length);
    const first = batches.filter(({ at }) => at < 20_000);
    expect(first.reduce((sum, { size }) => sum + size, 0)).toBe(1_001);
    expect(batches[0]?.at).toBeGreaterThanOrEqual(10_000);
    expect(first.at(-1)?.at).toBeLessThan(11_000);
    history.stop();
    expect(time.waits).toEqual([]);
  });

  test("continues while the store fails, buffers a bounded number of points, and writes them later", async () => {
    const working = memoryStore();
    let broken = true;
    const written: number[] = [];
    const store: HistoryStore = {
      read: working.read.bind(working),
      uptime: () => "",
      busiest: () => 0,
      close: () => working.close(),
      write(points: readonly StoredSeries[]) {
        if (broken) throw new Error("disk full");
        written.push(points.length);
        working.write(points);
      },
    };
    const { history, time, failures } = fixture({ upstreams: [upstreamOf("a")], store });
    history.start();
    await time.advance(25_000);
    expect(failures.length).toBeGreaterThan(10);
    expect(String(failures[0]?.[0])).toContain("disk full");
    broken = false;
    await time.advance(1_000);
    expect(written).toEqual([4]);
    broken = true;
    await time.advance(5_000);
    history.stop();
    expect(time.waits).toEqual([]);
  });
});

describe("the history file", () => {
  const point = {
    spanMs: 1,
    requests: 1,
    errors: 0,
    retries: 0,
    rescues: 0,
    queued: 0,
    inFlight: 0,
    p50Ms: null,
    p95Ms: 1.5,
    p99Ms: 2,
  };
  const series = { pool: "main", upstream: null };

  test("never has more points than the retention of a resolution", () => {
    const store = memoryStore();
    const [, resolution] = resolutions;
    const count = resolution.retentionMs / resolution.stepMs;
    const points = Array.from({ length: count + 500 }, (_, index) => ({
      series,
      resolution,
      point: { ...point, at: epoch + index * resolution.stepMs },
    }));
    store.write(points);
    const stored = store.read(series, resolution, always);
    expect(stored).toHaveLength(count);
    expect(stored[0]?.at).toBe(epoch + 500 * resolution.stepMs);
    expect(stored[0]).toMatchObject({ requests: 1, p50Ms: null, p95Ms: 1.5 });
    store.close();
    store.close();
  });

  test("deletes upstreams that have been gone for longer than the longest retention", () => {
    const file = inFolder("gone.db");
    let now = epoch;
    for (const upstream of ["old", "new"]) {
      const store = openHistory(file, () => now);
      store.write([
        { series: { pool: "main", upstream }, resolution: resolutions[2], point: { ...point, at: now } },
      ]);
      store.close();
      now += resolutions[3].retentionMs - 1_000;
    }
    const store = openHistory(file, () => now);
    expect(store.read({ pool: "main", upstream: "old" }, resolutions[2], always)).toEqual([]);
    expect(store.read({ pool: "main", upstream: "new" }, resolutions[2], always)).toHaveLength(1);
    store.close();
  });

  test("deletes them in parts while it is open, so that upstreams that come and go do not fill it", () => {
    const file = inFolder("come-and-go.db");
    let now = epoch;
    const store = openHistory(file, () => now);
    const [, , , resolution] = resolutions;
    const rows = () => {
      const reader = new DatabaseSync(file, { readOnly: true });
      const count = Number(reader.prepare("SELECT count(*) AS n FROM point").get()?.["n"]);
      const series = Number(reader.prepare("SELECT count(*) AS n FROM series").get()?.["n"]);
      reader.close();
      return { count, series };
    };
    const gone = Array.from({ length: 2_500 }, (_, index) => ({
      series: { pool: "main", upstream: "old" },
      resolution,
      point: { ...point, at: now + index * resolution.stepMs },
    }));
    store.write(gone);
    now += gone.length * resolution.stepMs + resolution.retentionMs;
    const counts: number[] = [];
    for (let i = 0; i < 4; i++) {
      store.write([{ series, resolution, point: { ...point, at: now + i * resolution.stepMs } }]);
      counts.push(rows().count);
    }
    expect(counts).toEqual([1_501, 502, 3, 4]);
    expect(rows().series).toBe(1);
    // An upstream that comes back starts with an empty series.
    store.write([{ series: { pool: "main", upstream: "old" }, resolution, point: { ...point, at: now } }]);
    expect(store.read({ pool: "main", upstream: "old" }, resolution, always)).toHaveLength(1);
    store.close();
  });

  test("migrates an old file completely or not at all", () => {
    const file = inFolder("half.db");
    const old = new DatabaseSync(file);
    old.exec(`CREATE TABLE series (id INTEGER PRIMARY KEY, pool TEXT, upstream TEXT, last_at INTEGER);
      CREATE TABLE point (series INTEGER, queued INTEGER); PRAGMA user_version = 1`);
    old.close();
    expect(() => openHistory(file, () => epoch)).toThrow("Cannot use the history file: duplicate column");
    const reader = new DatabaseSync(file, { readOnly: true });
    const columns = reader.prepare("PRAGMA table_info(point)").all();
    expect(columns.map(({ name }) => name)).toEqual(["series", "queued"]);
    reader.close();
  });

  test("stores the uptime of an upstream, and migrates a file of version 2", () => {
    const file = inFolder("uptime.db");
    const key = { pool: "main", upstream: "a" };
    const old = new DatabaseSync(file);
    old.exec(`CREATE TABLE series (
        id INTEGER PRIMARY KEY, pool TEXT NOT NULL, upstream TEXT NOT NULL, last_at INTEGER NOT NULL,
        UNIQUE (pool, upstream)) STRICT;
      CREATE TABLE point (
        series INTEGER NOT NULL, step_ms INTEGER NOT NULL, slot INTEGER NOT NULL,
        at INTEGER NOT NULL, span_ms INTEGER NOT NULL, requests INTEGER NOT NULL, errors INTEGER NOT NULL,
        retries INTEGER NOT NULL, in_flight INTEGER NOT NULL, p50_us INTEGER, p95_us INTEGER, p99_us INTEGER,
        rescues INTEGER NOT NULL DEFAULT 0, queued INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY (series, step_ms, slot)) STRICT, WITHOUT ROWID;
      INSERT INTO series VALUES (1, 'main', 'a', ${epoch});
      PRAGMA user_version = 2`);
    old.close();
    const migrated = openHistory(file, () => epoch);
    expect(migrated.uptime(key)).toBe("");
    migrated.write([
      { series: key, resolution: resolutions[2], point: { ...point, at: epoch }, uptime: "1 2 3" },
    ]);
    migrated.close();
    const again = openHistory(file, () => epoch);
    expect(again.uptime(key)).toBe("1 2 3");
    expect(again.uptime({ pool: "main", upstream: "b" })).toBe("");
    again.close();
  });

  test("runs checkpoints often, so that none of them is long", () => {
    const file = inFolder("log/state-history.db");
    const store = openHistory(file, () => epoch);
    const sizes: number[] = [];
    for (let batch = 0; batch < 200; batch++) {
      const points = Array.from({ length: 50 }, (_, index) => ({
        series: { pool: "main", upstream: `u${batch % 20}-${index}` },
        resolution: resolutions[1],
        point: { ...point, at: epoch + batch * 10_000 },
      }));
      store.write(points);
      sizes.push(statSync(`${file}-wal`).size);
    }
    expect(Math.max(...sizes)).toBeLessThan(2 * 2 ** 20);
    store.close();
  });

  test("rolls back a batch that fails halfway", () => {
    const store = memoryStore();
    const wrong = { ...point, at: epoch + 20_000, requests: 0.5 };
    const batch = [{ ...point, at: epoch + 10_000 }, wrong].map((each) => ({
      series,
      resolution: resolutions[1],
      point: each,
    }));
    expect(() => store.write(batch)).toThrow();
    expect(store.read(series, resolutions[1], always)).toEqual([]);
    store.write(batch.slice(0, 1));
    expect(store.read(series, resolutions[1], always)).toHaveLength(1);
    store.close();
  });

  test("is next to the state file", () => {
    expect(historyFileOf("/var/lib/evenkeel/state.db")).toBe("/var/lib/evenkeel/state-history.db");
    expect(historyFileOf("state")).toBe("state-history");
    expect(historyFileOf(":memory:")).toBe(":memory:");
  });

  test("reports a damaged file in one sentence", () => {
    const file = inFolder("damaged.db");
    writeFileSync(file, "this is not a database, but it is long enough that its header is read. ".repeat(20));
    expect(() => openHistory(file, () => epoch)).toThrow(
      /^Cannot use the history file: .* \(received .*damaged\.db\)$/,
    );
    expect(readdirSync(inFolder())).toContain("damaged.db");
  });
});

describe("a range of the past", () => {
  /** Two requests a second for so long, of which one fails in each minute's last second. */
  async function busy(ms: number) {
    const { history, time, request, ...rest } = fixture();
    const [a] = rest.pools[0]?.upstreams ?? [];
    if (!a) throw new Error("an upstream is expected");
    history.start();
    for (let second = 0; second < ms / 1_000; second++) {
      request(a, 5);
      request(a, second % 60 === 59 ? -5 : 5);
      await time.advance(1_000);
    }
    const read = (from: number, to: number, more: { upstream?: string; maxPoints?: number } = {}) => {
      const found = history.readRange({ pool: "main", from: epoch + from, to: epoch + to, ...more });
      if (!found?.series[0]) throw new Error("a series is expected");
      const { at, requestsPerSecond, errorsPerSecond } = found.series[0].columns;
      return { ...found, at, requestsPerSecond, errorsPerSecond };
    };
    return { history, read };
  }

  test("has points of a second while memory has them, then of ten seconds, within its ends", async () => {
    const { read } = await busy(1_500_000);
    const recent = read(1_200_000, 1_260_000);
    expect(recent).toMatchObject({ window: null, stepMs: 1_000, coarsestMs: 1_000 });
    expect(recent.at[0]).toBe(epoch + 1_201_000);
    expect(recent.at.at(-1)).toBe(epoch + 1_260_000);
    expect(recent.requestsPerSecond.every((rate) => rate === 2)).toBe(true);
    const older = read(120_000, 300_000);
    expect(older).toMatchObject({ coarsestMs: 10_000 });
    expect(older.at[0]).toBe(epoch + 130_000);
    expect(older.at.at(-1)).toBe(epoch + 300_000);
    // Across the border, the finer ones follow the coarser ones without a gap.
    const both = read(600_000, 1_400_000);
    expect(both.coarsestMs).toBe(10_000);
    expect(both.requestsPerSecond.includes(null)).toBe(false);
  });

  test("counts the same errors at every step", async () => {
    const { read } = await busy(1_500_000);
    const errorsOf = (maxPoints: number) => {
      const { at, errorsPerSecond } = read(0, 1_200_000, { maxPoints });
      const ends = [epoch, ...at];
      return at.reduce(
        (sum, end, i) => sum + (errorsPerSecond[i] ?? 0) * ((end - (ends[i] ?? 0)) / 1_000),
        0,
      );
    };
    expect([1_500, 120, 20, 4].map((points) => Math.round(errorsOf(points)))).toEqual([20, 20, 20, 20]);
  });

  test("that ended before there was any history is empty, and an unknown pool is none", async () => {
    const { history, read } = await busy(30_000);
    expect(read(-7_200_000, -3_600_000)).toMatchObject({ coarsestMs: 0, at: [] });
    expect(history.readRange({ pool: "none", from: epoch, to: epoch + 1_000 })).toBeUndefined();
  });

  test.each([
    [60_000, 1_500, 1_000, 1_000],
    [1_500_000, 1_500, 1_000, 1_000],
    [1_501_000, 1_500, 10_000, 10_000],
    [4 * 3_600_000, 1_500, 10_000, 10_000],
    [24 * 3_600_000, 1_500, 60_000, 60_000],
    [7 * 86_400_000, 1_500, 600_000, 300_000],
    [31 * 86_400_000, 1_500, 1_800_000, 300_000],
    [24 * 3_600_000, 288, 300_000, 300_000],
  ])("of %p ms with at most %p points has steps of %p ms", (spanMs, points, stepMs, resolutionMs) =>
    expect(rangeStep(spanMs, points)).toEqual({ stepMs, resolutionMs }),
  );
});

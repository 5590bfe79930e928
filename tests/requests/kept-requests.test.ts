import { describe, expect, test } from "bun:test";
import { readFileSync, statSync } from "node:fs";

import { defaultKeptRequests, type KeptRequestsConfig } from "../../src/config/kept-requests.ts";
import type { AttemptRecord, RequestRecord } from "../../src/proxy/record.ts";
import { KeptRequests } from "../../src/requests/kept-requests.ts";
import type { StoredRequest } from "../../src/requests/recent-requests.ts";
import { matchesRequest, requestOutcomeOf, type RecordFilter } from "../../src/requests/request-filter.ts";
import { mergeGroups, type UpstreamGroup } from "../../src/requests/request-groups.ts";
import type { RequestStore } from "../../src/requests/request-store.ts";
import { openRequests, requestsFileOf } from "../../src/requests/sqlite-requests.ts";
import { FakeTime } from "../support/fake-time.ts";
import { temporaryFolder } from "../support/folder.ts";
import { completedAttempt, goodRecord, refusedAttempt } from "../support/records.ts";

const inFolder = temporaryFolder("kept-requests");
const epoch = Date.UTC(2026, 10, 28, 3, 0);

let seq = 0;
const requestOf = (change: Partial<RequestRecord> = {}): StoredRequest => {
  seq += 1;
  return { ...goodRecord, requestId: `r${seq}`, at: epoch, durationMs: 10, ...change, seq };
};
const on = (upstream: string, change: Partial<AttemptRecord> = {}) => [
  { ...completedAttempt, upstream, ...change },
];
const failedOn = (upstream: string, at: number, more: Partial<RequestRecord> = {}) =>
  requestOf({ at, status: 500, attempts: on(upstream, { status: 500 }), ...more });

function fixture(change: Partial<KeptRequestsConfig> = {}, store: RequestStore = openRequests(":memory:")) {
  const time = new FakeTime();
  const failures: [error: unknown, lost: number][] = [];
  const kept = new KeptRequests({
    ...defaultKeptRequests,
    ...change,
    store,
    clock: time.clock,
    wallClock: () => epoch + time.clock(),
    schedule: time.schedule,
    onFailure: (error, lost) => void failures.push([error, lost]),
  });
  const ids = (filter: RecordFilter = {}) =>
    kept.search({ filter, limit: 500 }).map(({ requestId }) => requestId);
  return { time, kept, store, failures, ids };
}

describe("the outcome of a request", () => {
  test.each<[Partial<RequestRecord>, string]>([
    [{ status: 500 }, "failed"],
    [{ status: 503, reason: "queue_full", attempts: [] }, "failed"],
    [{ status: 0, reason: "total_timeout" }, "failed"],
    [{ status: 200, reason: "body_truncated" }, "failed"],
    [{ status: 502, isClientGone: true, reason: "upstream_reset" }, "failed"],
    [{ status: 404, reason: "no_route", attempts: [] }, "refused"],
    [{ status: 429, reason: "rate_limited", attempts: [] }, "refused"],
    [{ status: 404 }, "sampled"],
    [{ status: 308, reason: "redirected", attempts: [] }, "sampled"],
    [{ status: 0, isClientGone: true }, "sampled"],
    [{ status: 200, retried: ["connect_refused"] }, "retried"],
    [{ status: 502, retried: ["connect_refused"] }, "failed"],
    [{ status: 200, durationMs: 1_000 }, "slow"],
    [{ status: 200, durationMs: 999 }, "sampled"],
    [{ status: 200 }, "sampled"],
    [{ status: 600 }, "sampled"],
  ])("%p is %s", (change, expected) => expect(requestOutcomeOf(requestOf(change)) as string).toBe(expected));
});

describe("kept requests", () => {
  test("are written a second later in one batch, and found before that too", async () => {
    const { time, kept, store, ids } = fixture();
    const request = requestOf();
    kept.accept(request);
    expect(store.count({}).counts.sampled).toBe(0);
    await time.advance(1_000);
    expect(store.count({}).counts.sampled).toBe(1);
    const next = requestOf();
    kept.accept(next);
    expect(ids()).toEqual([next.requestId, request.requestId]);
    expect(time.waits).toEqual([1_000]);
  });

  test("are found again by the next process, with their numbers, in a file for the owner alone", () => {
    const file = requestsFileOf(inFolder("state.db"));
    expect(file).toEndWith("state-requests.db");
    const first = fixture({}, openRequests(file));
    const request = failedOn("api-1", epoch);
    first.kept.accept(request);
    first.kept.stop();
    first.store.close();
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const second = fixture({}, openRequests(file));
    expect(second.kept.size).toBe(1);
    expect(second.kept.lastSeq).toBe(request.seq);
    expect(second.kept.find(request.requestId)).toMatchObject({ status: 500, seq: request.seq, key: null });
    second.store.close();
  });

  test("have no query and no hash key, unless the configuration says so", () => {
    const file = inFolder("privacy.db");
    const request = requestOf({
      target: "/reset?token=hunter2",
      key: "session-4711",
      user: "ann",
      clientAddress: "203.0.113.77",
      peerAddress: "203.0.113.77",
    });
    const written = (change: Partial<KeptRequestsConfig>, name = file) => {
      const { kept, store } = fixture(change, openRequests(name));
      kept.accept(request);
      kept.stop();
      const found = kept.find(request.requestId);
      store.close();
      return { found, bytes: readFileSync(name).toString("latin1") };
    };
    const usual = written({});
    expect(usual.found).toMatchObject({
      target: "/reset",
      clientAddress: "203.0.113.77",
      user: "ann",
      key: null,
    });
    expect(usual.bytes).not.toContain("hunter2");
    expect(usual.bytes).not.toContain("session-4711");
    expect(written({ omit: [] }, inFolder("whole.db")).found).toMatchObject({
      target: "/reset?token=hunter2",
    });
    const least = written({ omit: ["query", "client", "user"] }, inFolder("least.db"));
    expect(least.found).toMatchObject({ target: "/reset", clientAddress: "", peerAddress: "", user: null });
    expect(least.bytes).not.toContain("203.0.113.77");
  });

  test("that are cleared leave nothing in the file", () => {
    const file = inFolder("cleared.db");
    const { kept, store } = fixture({}, openRequests(file));
    kept.accept(requestOf({ target: "/secret-path", requestId: "secret-id" }));
    kept.stop();
    store.clear();
    store.close();
    expect(readFileSync(file).toString("latin1")).not.toContain("secret-");
  });

  test("are bounded in each second, so that an outage fills no disk", () => {
    const { kept } = fixture();
    for (let i = 0; i < 1_000; i++) kept.accept(failedOn("api-1", epoch));
    for (let i = 0; i < 1_000; i++) kept.accept(requestOf());
    expect(kept.count({}).counts).toEqual({ failed: 50, refused: 0, retried: 0, slow: 0, sampled: 2 });
  });

  test("of a full ring lose the fullest minutes, and keep those of last night", async () => {
    const { time, kept, ids } = fixture({ maxRequests: 300 });
    const night = failedOn("api-1", epoch);
    kept.accept(night);
    await time.advance(3_600_000);
    // Ten minutes of an outage, 50 failures a second.
    const rare = requestOf({
      at: epoch + 3_600_500,
      status: 502,
      reason: "head_invalid",
      attempts: on("api-2"),
    });
    kept.accept(rare);
    for (let second = 0; second < 600; second++) {
      for (let i = 0; i < 50; i++) kept.accept(failedOn("api-1", epoch + 3_600_000 + second * 1_000 + i));
      await time.advance(1_000);
    }
    await time.advance(60_000);
    expect(kept.size).toBe(300);
    const found = ids();
    expect(found).toContain(night.requestId);
    // The most common failures are thinned out first.
    expect(found).toContain(rare.requestId);
    const perMinute = Array.from({ length: 10 }, (_, minute) => {
      const from = epoch + 3_600_000 + minute * 60_000;
      return ids({ from, to: from + 60_000 }).length;
    });
    expect(Math.min(...perMinute)).toBeGreaterThan(15);
    expect(Math.max(...perMinute)).toBeLessThan(60);
  });

  test("leave after their time", async () => {
    const { time, kept, ids } = fixture({ keepMs: 3_600_000 });
    const old = failedOn("api-1", epoch);
    kept.accept(old);
    await time.advance(3_590_000);
    expect(ids()).toEqual([old.requestId]);
    await time.advance(130_000);
    const fresh = failedOn("api-1", epoch + 3_720_000);
    kept.accept(fresh);
    await time.advance(2_000);
    expect(ids()).toEqual([fresh.requestId]);
    expect(kept.size).toBe(1);
  });

  test("wait in bounded memory while the store cannot be written, and follow later", async () => {
    const store = openRequests(":memory:");
    const { time, kept, failures, ids } = fixture({}, store);
    const write = store.write.bind(store);
    store.write = () => {
      throw new Error("database or disk is full");
    };
    for (let second = 0; second < 60; second++) {
      for (let i = 0; i < 50; i++) kept.accept(failedOn("api-1", epoch + second * 1_000));
      await time.advance(1_000);
    }
    expect(failures.length).toBeGreaterThan(50);
    expect(failures.some(([, lost]) => lost > 0)).toBe(true);
    store.write = write;
    await time.advance(10_000);
    expect(store.count({}).counts.failed).toBe(2_000);
    expect(ids({ outcomes: ["failed"] })).toHaveLength(500);
  });
});

describe("a search", () => {
  const requests: readonly StoredRequest[] = [
    requestOf({ pool: "shop", route: "cart", target: "/cart/1", clientAddress: "203.0.113.1" }),
    requestOf({
      pool: "shop",
      route: "pay",
      status: 500,
      target: "/pay",
      attempts: on("api-1", { status: 500 }),
      at: epoch + 1_000,
    }),
    requestOf({
      pool: "shop",
      status: 504,
      reason: "head_timeout",
      at: epoch + 2_000,
      durationMs: 30_000,
      attempts: on("api-2"),
    }),
    requestOf({
      pool: null,
      route: null,
      status: 404,
      reason: "no_route",
      attempts: [],
      at: epoch + 3_000,
      method: "POST",
    }),
    requestOf({
      pool: "img",
      retried: ["connect_refused"],
      attempts: [refusedAttempt, ...on("img-1")],
      at: epoch + 4_000,
    }),
    requestOf({
      pool: "img",
      durationMs: 2_000,
      target: "/ümlaut?x=1",
      host: "img.example",
      at: epoch + 5_000,
    }),
    requestOf({ status: 0, isClientGone: true, at: epoch + 6_000, target: "http://other.example/x" }),
  ];
  const filters: readonly RecordFilter[] = [
    {},
    { pool: "shop" },
    { route: "pay" },
    { upstream: "api-2" },
    { upstream: "img-1" },
    { upstream: "api" },
    { status: "500" },
    { status: "5xx" },
    { status: "4xx,504" },
    { status: "0" },
    { reason: "head_timeout" },
    { reason: "connect_refused" },
    { client: "203.0.113.1" },
    { path: "/cart" },
    { path: "/ümlaut" },
    { path: "img.example/ümlaut" },
    { path: "shop.example" },
    { path: "http://other" },
    { path: "/100%_'" },
    { method: "POST" },
    { outcomes: ["failed"] },
    { outcomes: ["refused", "slow"] },
    { from: epoch + 5_000 },
    { to: epoch + 5_000 },
    { from: epoch + 30_000, to: epoch + 40_000 },
    { from: epoch, to: epoch + 1_010, pool: "shop" },
    { requestId: requests[2]?.requestId ?? "" },
  ];

  test.each(filters)("with %j finds the same on disk as in memory", (filter) => {
    const { kept } = fixture({ omit: [] });
    for (const request of requests) kept.accept(request);
    const expected = requests
      .filter((request) => matchesRequest(request, filter))
      .toSorted((left, right) => right.at + right.durationMs - left.at - left.durationMs)
      .map(({ requestId }) => requestId);
    expect(kept.search({ filter, limit: 50 }).map(({ requestId }) => requestId)).toEqual(expected);
    const { counts, routes } = kept.count(filter);
    const sumOf = (each: typeof counts) => Object.values(each).reduce((sum, count) => sum + count, 0);
    expect(sumOf(counts)).toBe(expected.length);
    expect(routes.reduce((sum, each) => sum + sumOf(each.counts), 0)).toBe(expected.length);
  });

  test("counts a request for the time at which it ended, as charts do", () => {
    const { kept, ids } = fixture();
    const late = requestOf({ at: epoch, durationMs: 30_000, status: 504, reason: "head_timeout" });
    kept.accept(late);
    expect(ids({ from: epoch + 29_000, to: epoch + 31_000 })).toEqual([late.requestId]);
    expect(ids({ from: epoch, to: epoch + 1_000 })).toEqual([]);
  });

  test("is paged without a gap, also among requests of the same moment", async () => {
    const { time, kept } = fixture();
    for (let i = 0; i < 45; i++) kept.accept(failedOn("api-1", epoch));
    await time.advance(5_000);
    const seen: string[] = [];
    let cursor: { endedAt: number; seq: number } | undefined;
    for (;;) {
      const page = kept.search({ filter: {}, limit: 10, ...(cursor && { cursor }) });
      seen.push(...page.map(({ requestId }) => requestId));
      const last = page.at(-1);
      if (!last || page.length < 10) break;
      cursor = { endedAt: last.at + last.durationMs, seq: last.seq };
    }
    expect(seen).toHaveLength(45);
    expect(new Set(seen).size).toBe(45);
  });

  test("counts by route, the most first, and bounds the names", () => {
    const { kept } = fixture();
    for (let i = 0; i < 12; i++) kept.accept(failedOn("api-1", epoch, { route: `r${i}` }));
    for (let i = 0; i < 3; i++) kept.accept(failedOn("api-1", epoch, { route: "pay" }));
    kept.accept(requestOf({ route: "pay", attempts: on("api-1") }));
    kept.accept(failedOn("api-2", epoch, { route: "other" }));
    const { counts, routes, routeCount } = kept.count({ upstream: "api-1" });
    expect(counts).toEqual({ failed: 15, refused: 0, retried: 0, slow: 0, sampled: 1 });
    expect(routes[0]).toEqual({
      route: "pay",
      counts: { failed: 3, refused: 0, retried: 0, slow: 0, sampled: 1 },
    });
    expect([routes.length, routeCount]).toEqual([8, 13]);
    expect(kept.count({ upstream: "none" })).toMatchObject({ routes: [], routeCount: 0 });
  });

  test("over 50,000 requests takes a few milliseconds, whatever it asks", () => {
    const store = openRequests(inFolder("many.db"));
    for (let from = 0; from < 50_000; from += 500) {
      const batch = Array.from({ length: 500 }, (_, i) => {
        const request = failedOn(`api-${(from + i) % 60}`, epoch + (from + i) * 1_728);
        return { request, endedAt: request.at + 10, outcome: requestOutcomeOf(request) };
      });
      store.write(batch);
    }
    // Processor time: a busy machine makes a search wait, not work.
    const cost = (search: () => unknown) => {
      const costs = [1, 2, 3, 4, 5].map(() => {
        const before = process.cpuUsage();
        search();
        const { user, system } = process.cpuUsage(before);
        return (user + system) / 1_000;
      });
      return Math.min(...costs);
    };
    for (const filter of [{}, { upstream: "none" }, { reason: "none" }, { path: "none" }, { client: "::1" }])
      expect(cost(() => store.search({ filter, limit: 50 }))).toBeLessThan(50);
    expect(cost(() => store.groups({}))).toBeLessThan(200);
    expect(cost(() => store.count({ upstream: "api-1" }))).toBeLessThan(50);
    store.close();
  });
});

describe("requests that end alike", () => {
  const group = (
    upstream: string | null,
    count: number,
    more: Partial<UpstreamGroup> = {},
  ): UpstreamGroup => ({
    outcome: "failed",
    status: 500,
    reason: null,
    upstream,
    routes: ["routes[0]"],
    count,
    firstAt: epoch,
    lastAt: epoch + count,
    ...more,
  });
  const shown = (groups: readonly UpstreamGroup[]) =>
    mergeGroups(groups).map(({ count, upstreams, upstreamCount }) =>
      [count, upstreamCount, ...upstreams].join(" "),
    );

  test.each<[string, readonly UpstreamGroup[], readonly string[]]>([
    ["none are no group", [], []],
    [
      "one upstream that stands out is a group of its own",
      [group("a", 90), group("b", 1), group("c", 2), group("d", 1)],
      ["90 1 a", "4 3 c b d"],
    ],
    ["many upstreams alike are one group", [group("a", 5), group("b", 6), group("c", 4)], ["15 3 b a c"]],
    ["two upstreams are two groups", [group("a", 5), group("b", 6)], ["6 1 b", "5 1 a"]],
    [
      "another reason is another group",
      [group("a", 5), group("a", 7, { reason: "upstream_reset", status: 502 })],
      ["7 1 a", "5 1 a"],
    ],
    ["no upstream is a group", [group(null, 3, { reason: "queue_full", status: 503 })], ["3 0"]],
    [
      "the names are bounded",
      Array.from({ length: 40 }, (_, i) => group(`s${i}`, 1)),
      ["40 40 s0 s1 s2 s3 s4 s5 s6 s7"],
    ],
  ])("%s", (_, groups, expected) => expect(shown(groups)).toEqual([...expected]));

  test("are counted from the store, the sample as one group", () => {
    const { kept } = fixture();
    for (let i = 0; i < 5; i++) kept.accept(failedOn("api-1", epoch + i));
    kept.accept(requestOf({ attempts: on("api-1") }));
    kept.accept(requestOf({ attempts: on("api-2") }));
    expect(kept.groups({})).toEqual([
      { outcome: "failed", status: 500, reason: null, upstreams: ["api-1"], upstreamCount: 1, routes: ["routes[0]"], routeCount: 1, count: 5, firstAt: epoch + 10, lastAt: epoch + 14 },
      { outcome: "sampled", status: 0, reason: null, upstreams: [], upstreamCount: 0, routes: ["routes[0]"], routeCount: 1, count: 2, firstAt: epoch + 10, lastAt: epoch + 10 },
    ]); // prettier-ignore
  });
});

import { describe, expect, test } from "bun:test";

import type { AttemptRecord, RequestRecord } from "../../src/proxy/record.ts";
import { RecentRequests } from "../../src/requests/recent-requests.ts";

export const attempt = (upstream: string, more: Partial<AttemptRecord> = {}): AttemptRecord => ({
  upstream,
  startMs: 0,
  connectMs: null,
  headMs: 4,
  endMs: 5,
  status: 200,
  outcome: "response",
  phase: null,
  reason: null,
  rehearsed: false,
  ...more,
});

export const recordOf = (id: string, more: Partial<RequestRecord> = {}): RequestRecord => ({
  requestId: id,
  clientAddress: "127.0.0.1",
  peerAddress: "127.0.0.1",
  matchedPath: null,
  filter: null,
  route: "routes[0]",
  routeConditions: null,
  user: null,
  scheme: "http",
  listener: "main",
  protocol: "http/1.1",
  status: 200,
  bytesIn: 80,
  bytesOut: 200,
  isClientGone: false,
  at: 1_000,
  durationMs: 5,
  method: "GET",
  target: "/",
  host: "shop.example",
  pool: "main",
  key: null,
  reason: null,
  complaint: null,
  notRetried: null,
  retried: [],
  queuedMs: 0,
  attempts: [attempt("a")],
  choices: [],
  traceId: null,
  ...more,
});

const ids = (list: readonly RequestRecord[]) => list.map(({ requestId }) => requestId);

describe("recent requests", () => {
  test("are listed newest first, page by page", () => {
    const recent = new RecentRequests(() => 2_000);
    for (let i = 1; i <= 5; i++) recent.accept(recordOf(`r${i}`));
    const page = recent.select({ which: "recent", limit: 2 });
    expect(ids(page)).toEqual(["r5", "r4"]);
    const before = page.at(-1)?.seq ?? 0;
    expect(ids(recent.select({ which: "recent", limit: 9, before }))).toEqual(["r3", "r2", "r1"]);
  });

  test("are bounded, but a flood of good ones displaces no failed and no slow one", () => {
    const recent = new RecentRequests(() => 2_000);
    recent.accept(recordOf("failed", { status: 503, reason: "no_upstream" }));
    recent.accept(recordOf("slow", { durationMs: 9_000 }));
    for (let i = 0; i < 10_000; i++) recent.accept(recordOf(`good ${i}`));
    const stored = recent.select({ which: "recent", limit: 100_000 });
    expect(stored.map(({ seq }) => seq)).toEqual(Array.from({ length: 1_000 }, (_, i) => 12_002 - i));
    expect(ids(recent.select({ which: "failed", limit: 9 }))).toEqual(["failed"]);
    expect(ids(recent.select({ which: "slowest", limit: 1 }))).toEqual(["slow"]);
    expect(recent.select({ which: "slowest", limit: 100_000 })).toHaveLength(100);
    for (const id of ["failed", "slow", "good 9999", "good 9000"])
      expect(recent.find(id)?.requestId).toBe(id);
    expect(recent.find("good 8999")).toBeUndefined();
  });

  test("that were slow are dropped after ten minutes", () => {
    const now = { ms: 2_000 };
    const recent = new RecentRequests(() => now.ms);
    recent.accept(recordOf("slow", { durationMs: 9_000, at: 1_000 }));
    now.ms = 611_000;
    expect(recent.select({ which: "slowest", limit: 9 })).toEqual([]);
  });

  for (const [filter, found] of [
    [{ pool: "main" }, ["a", "b"]],
    [{ upstream: "x" }, ["b"]],
    [{ method: "POST" }, ["b"]],
    [{ status: "2xx" }, ["a"]],
    [{ status: "502" }, ["b"]],
    [{ path: "/cart" }, ["a", "b"]],
    [{ path: "/cart/7" }, ["a"]],
    [{ reason: "connect_refused" }, ["b"]],
    [{ reason: "retry_budget" }, ["b"]],
    [{ pool: "main", method: "POST", status: "2xx" }, []],
  ] as const) {
    test(`filtered by ${JSON.stringify(filter)} are ${found.join(" and ") || "none"}`, () => {
      const recent = new RecentRequests(() => 2_000);
      recent.accept(recordOf("a", { target: "/cart/7" }));
      recent.accept(
        recordOf("b", {
          method: "POST",
          target: "/cart",
          status: 502,
          reason: "connect_refused",
          notRetried: "retry_budget",
          attempts: [attempt("x", { reason: "connect_refused" })],
        }),
      );
      recent.accept(recordOf("c", { pool: "other", status: 404, target: "/", attempts: [] }));
      expect(ids(recent.select({ which: "recent", limit: 9, ...filter })).toSorted()).toEqual([...found]);
    });
  }

  test("are passed to a watcher until it stops", () => {
    const recent = new RecentRequests(() => 2_000);
    const seen: string[] = [];
    const end = recent.watch(({ requestId }) => void seen.push(requestId));
    recent.accept(recordOf("one"));
    end();
    recent.accept(recordOf("two"));
    expect(seen).toEqual(["one"]);
  });
});

describe("the slowest requests", () => {
  const slowest = (recent: RecentRequests) => ids(recent.select({ which: "slowest", limit: 200 }));

  test("of an hour ago do not displace newer ones, even if the list was not read since", () => {
    let now = 0;
    const recent = new RecentRequests(() => now);
    for (let i = 0; i < 100; i++) recent.accept(recordOf(`old ${i}`, { at: 0, durationMs: 30_000 }));
    now = 3_600_000;
    recent.accept(recordOf("new", { at: now - 1_000, durationMs: 1_000 }));
    expect(slowest(recent)).toEqual(["new"]);
  });

  test("expire by their end: one that took an hour is listed for ten minutes", () => {
    let now = 3_600_000;
    const recent = new RecentRequests(() => now);
    recent.accept(recordOf("long", { at: 0, durationMs: 3_600_000 }));
    expect(slowest(recent)).toEqual(["long"]);
    now += 600_001;
    expect(slowest(recent)).toEqual([]);
  });

  test("do not include WebSockets, which are meant to be open for hours", () => {
    const recent = new RecentRequests(() => 2_000);
    recent.accept(recordOf("tunnel", { status: 101, durationMs: 900_000 }));
    recent.accept(recordOf("slow", { durationMs: 900 }));
    expect(slowest(recent)).toEqual(["slow"]);
  });
});

import { describe, expect, test } from "bun:test";

import { problemSpansIn } from "../../src/client/decoders.ts";
import { neighboursOf, pointAt, sumColumns, totalsOf } from "../../src/dashboard/history/columns.ts";
import { marksAround, marksOf } from "../../src/dashboard/history/marks.ts";
import { renderHistoryPage } from "../../src/dashboard/history/page.tsx";
import {
  carriedQuery,
  fixedAddress,
  movedRange,
  parsePageRange,
  rangeAddress,
  rangeWords,
} from "../../src/dashboard/page-range.ts";
import { columnsOf, type Point } from "../../src/history/point.ts";
import type { RequestGroup } from "../../src/requests/request-store.ts";
import type { BalancerEvent } from "../../src/state/event.ts";
import { endingText } from "../../src/wording/request-outcome.ts";

const now = Date.parse("2026-11-29T14:26:00Z");
const minuteMs = 60_000;
const range = (query: Readonly<Record<string, string>>) => parsePageRange(query, now);
const queryIn = (address: string) => Object.fromEntries(new URL(address, "http://x").searchParams);

const pointOf = (at: number, change: Partial<Point> = {}): Point => ({
  at,
  spanMs: 10_000,
  requests: 100,
  errors: 0,
  retries: 0,
  rescues: 0,
  queued: 0,
  inFlight: 4,
  p50Ms: 10,
  p95Ms: 20,
  p99Ms: 30,
  ...change,
});

describe("the range of a page", () => {
  test("is the last hour without an address, and live", () => {
    expect(range({})).toMatchObject({ from: now - 60 * minuteMs, to: now, isLive: true, problems: [] });
    expect(rangeAddress("/history", range({}))).toBe("/history?from=-1h&to=now");
  });

  test("names each part of an address that cannot be used, and takes the default for it", () => {
    const given = range({ from: "lately", at: "noon", compare: "-9y", pool: "shop" });
    expect(given).toMatchObject({
      from: now - 60 * minuteMs,
      at: undefined,
      compareMs: undefined,
      pool: "shop",
    });
    expect(given.problems).toHaveLength(3);
  });

  test("is kept whole in its own address, and carried on without the moment", () => {
    const query = { from: "2026-11-28T03:04:00Z", to: "2026-11-28T03:24:00Z", at: "2026-11-28T03:12:40Z", pool: "shop", route: "pay", compare: "-7d", tz: "local" }; // prettier-ignore
    expect(queryIn(rangeAddress("/history", range(query)))).toEqual(query);
    expect(queryIn(`?${carriedQuery(range({ ...query, upstream: "a" }))}`)).toEqual({
      from: query.from,
      to: query.to,
      pool: "shop",
      route: "pay",
      tz: "local",
    });
  });

  test("has fixed times in a link that is copied", () => {
    expect(queryIn(fixedAddress("/requests", range({ from: "-15m" }), { outcome: "failed" }))).toEqual({
      from: "2026-11-29T14:11:00Z",
      to: "2026-11-29T14:26:00Z",
      outcome: "failed",
    });
  });

  test.each([
    ["earlier", { from: "-1h" }, -90, -30, false],
    ["later", { from: "-3h", to: "-2h" }, -150, -90, false],
    ["later", { from: "-80m", to: "-20m" }, -60, 0, true],
    ["out", { from: "-90m", to: "-60m" }, -120, -30, false],
    ["out", { from: "-30m", to: "now" }, -90, 0, true],
    ["out", { from: "-31d" }, -31 * 24 * 60, 0, true],
  ] as const)("moves %s from %p", (move, query, from, to, isLive) =>
    expect(movedRange(range(query), move)).toMatchObject({
      from: now + from * minuteMs,
      to: now + to * minuteMs,
      isLive,
    }),
  );

  test.each([
    [{}, "The last hour"],
    [{ from: "-15m" }, "The last 15 minutes"],
    [{ from: "-24h" }, "The last 24 hours"],
    [{ from: "-7d" }, "The last 7 days"],
    [{ from: "2026-11-28T03:04", to: "2026-11-28T03:24" }, "2026-11-28 03:04 – 03:24"],
    [{ from: "2026-11-28T23:04", to: "2026-11-29T00:24" }, "2026-11-28 23:04 – 2026-11-29 00:24"],
  ])("%p reads %p", (query, expected) => expect(rangeWords(range(query))).toBe(expected));
});

describe("the columns of a range", () => {
  const columns = columnsOf([
    pointOf(now - 30_000),
    pointOf(now - 20_000, { errors: 20, retries: 5, queued: 7, p95Ms: 900 }),
    pointOf(now - 10_000, { p50Ms: null, p95Ms: null, p99Ms: null, requests: 0 }),
  ]);

  test("of several pools are added, and latency is that of the slowest", () => {
    const other = columnsOf([pointOf(now - 20_000, { requests: 50, p95Ms: 40 })]);
    const sum = sumColumns([columns, other]);
    expect(sum?.at).toEqual(columns.at);
    expect(sum?.requestsPerSecond).toEqual([10, 15, 0]);
    expect(sum?.p95Ms).toEqual([20, 900, null]);
    expect(sumColumns([])).toBeUndefined();
  });

  test("have the point whose interval a moment is in, and its neighbours", () => {
    const point = pointAt(columns, now - 25_000, 10_000);
    expect(point).toMatchObject({ from: now - 30_000, to: now - 20_000, errorsPerSecond: 2, queued: 7 });
    expect(neighboursOf(columns, now - 25_000)).toEqual({ before: now - 30_000, after: now - 10_000 });
    expect(pointAt(columns, now, 10_000)).toBeUndefined();
    expect(pointAt(columns, now - 600_000, 10_000)).toBeUndefined();
  });

  test("are totalled: counts over the measured time, and the worst of the rest", () => {
    expect(totalsOf(columns, { stepMs: 10_000 })).toMatchObject({
      requests: 200,
      errors: 20,
      retries: 5,
      worst: { queued: 7, p95Ms: 900, p50Ms: 10 },
    });
    expect(totalsOf(columns, { stepMs: 10_000 }).requestsPerSecond).toBeCloseTo(200 / 30);
    expect(totalsOf(undefined, { stepMs: 10_000 })).toMatchObject({ requests: 0, requestsPerSecond: null });
  });

  test("count a point after a pause, or after the start, for no more than it measured", () => {
    // The balancer was down for 20 minutes; a point of the new process has 4 seconds of traffic.
    const broken = columnsOf([
      pointOf(now - 30 * minuteMs),
      pointOf(now - 10 * minuteMs, { spanMs: 4_000, requests: 40 }),
    ]);
    const stepMs = 300_000;
    expect(totalsOf(broken, { stepMs })).toMatchObject({ measuredMs: 2 * stepMs });
    const startedAt = now - 10 * minuteMs - 4_000;
    expect(totalsOf(broken, { stepMs, startedAt })).toMatchObject({ measuredMs: stepMs + 4_000 });
    const fresh = columnsOf([pointOf(now, { spanMs: 4_000, requests: 40 })]);
    expect(totalsOf(fresh, { stepMs, startedAt: now - 4_000 })).toMatchObject({
      ...{ requests: 40, measuredMs: 4_000, requestsPerSecond: 10 },
    });
  });
});

const eventOf = (offsetMs: number, change: Partial<BalancerEvent> = {}): BalancerEvent => ({
  ...{
    seq: now + offsetMs,
    at: now + offsetMs,
    kind: "outlier",
    pool: "shop",
    upstream: "a",
    from: "passing",
  },
  ...{ to: "ejected", reason: "", by: "balancer", detail: "", ...change },
});

describe("the marks of events", () => {
  test("are numbered in the order of time, of the subject and of the whole balancer", () => {
    const events = [
      eventOf(0),
      eventOf(1, { pool: "img", upstream: "b" }),
      eventOf(2, { kind: "reload", pool: null, upstream: null, from: "", to: "applied" }),
      eventOf(3, { kind: "login", pool: null, upstream: null }),
    ];
    const texts = (subject: Parameters<typeof marksOf>[1]) =>
      marksOf(events, subject).map(({ number, text, tone }) => `${number} ${text} ${tone}`);
    expect(texts({})).toEqual([
      "1 a: passing → ejected bad",
      "2 b: passing → ejected bad",
      "3 Reload: applied calm",
    ]);
    expect(texts({ pool: "img" })).toEqual(["1 b: passing → ejected bad", "2 Reload: applied calm"]);
  });

  test("say of a problem what its title says, and whether it is over", () => {
    const problem = {
      kind: "problem",
      from: "",
      to: "warning",
      detail: "p-k7m2x: a refuses connections",
    } as const;
    const events = [
      eventOf(0, problem),
      eventOf(1, { ...problem, from: "warning", to: "critical" }),
      eventOf(2, { ...problem, to: "closed", detail: "p-k7m2x (api.example.com): It ended at 09:14" }),
    ];
    expect(marksOf(events, {}).map(({ text, tone }) => `${text} ${tone}`)).toEqual([
      "a refuses connections warn",
      "a refuses connections bad",
      "Over: It ended at 09:14 good",
    ]);
  });

  test("around a moment are the nearest on both sides", () => {
    const marks = marksOf(
      Array.from({ length: 20 }, (_, index) => eventOf(index)),
      {},
    );
    const numbers = (moment: number | undefined) => marksAround(marks, moment, 3).map(({ number }) => number);
    expect(numbers(undefined)).toEqual([18, 19, 20]);
    expect(numbers(now + 9)).toEqual([7, 8, 9, 10, 11, 12, 13, 14]);
    expect(numbers(now - 5)).toEqual([1, 2, 3, 4]);
    expect(numbers(now + 99)).toEqual([17, 18, 19, 20]);
  });
});

test.each<[Partial<RequestGroup>, string]>([
  [{ outcome: "failed", status: 500 }, "500 from the server"],
  [{ outcome: "failed", status: 502, reason: "connect_refused" }, "Connection refused"],
  [{ outcome: "failed", status: 0 }, "No response"],
  [{ outcome: "refused", status: 403, reason: "new_reason" }, "new reason"],
  [{ outcome: "retried", status: 200 }, "Response of a second attempt"],
  [{ outcome: "slow", status: 200 }, "Took over 1.5\u00a0s"],
  [{ outcome: "sampled", status: 0 }, "Ended as usual"],
])("a group of %p reads %p", (group, expected) =>
  expect(endingText({ outcome: "failed", status: 0, reason: null, ...group }, 1_500)).toBe(expected),
);

test("problems are bands from their beginning to their end, and a list", () => {
  const problems = problemSpansIn({
    problems: [
      {
        id: "p-1",
        title: "checkout-07 fails",
        level: "critical",
        since: "2026-11-29T13:56:00Z",
        closedAt: null,
      },
      {
        id: "p-2",
        title: "was full",
        level: "warning",
        since: "2026-11-29T13:41:00Z",
        closedAt: "2026-11-29T13:56:00Z",
      },
      { id: "p-3", title: "no time", level: "warning", since: "soon", closedAt: null },
      "nonsense",
    ],
  });
  expect(problems).toHaveLength(2);
  expect(problemSpansIn({})).toBeUndefined();
  const text = renderHistoryPage({
    range: range({}),
    history: {
      value: { window: null, from: now - 3_600_000, to: now, stepMs: 10_000, coarsestMs: 10_000, series: [] },
    },
    before: undefined,
    strip: undefined,
    marks: [],
    problems: problems ?? [],
    eventsError: undefined,
    requests: {
      from: 0,
      to: 1,
      result: { error: { reason: "unreachable", message: "away" } },
      names: new Map(),
    },
    pools: ["shop"],
  });
  expect(text).toContain('class="problem-band" data-level="critical" x="50.00%" width="50.00%"');
  expect(text).toContain('class="problem-band" data-level="warning" x="25.00%" width="25.00%"');
  expect(text).toContain("checkout-07 fails");
  expect(text).toContain("until now");
});

/** What the small charts of problems show, without a browser. */

import { expect, test } from "bun:test";

import { problemTrends } from "../../src/dashboard/overview/problem-chart.tsx";
import { renderLive } from "../../src/dashboard/overview/page.tsx";
import { plainView } from "../../src/dashboard/view.ts";
import { type Columns, columnsOf } from "../../src/history/point.ts";
import type { ServiceProblem } from "../../src/problems/problem.ts";
import { nextDashboardState } from "../../src/wording/verdict.ts";
import { snapshotOf } from "../support/fake-admin-api.ts";
import { noticeProblem, poolOf, problemOf, slowProblem } from "../support/problem-fixture.ts";

const minuteMs = 60_000;

/** An hour of one upstream with these errors in each minute. */
function hour(errorsPerMinute: (minute: number) => number): Columns {
  const now = Date.now();
  const points = Array.from({ length: 60 }, (_, minute) => ({
    ...{
      at: now - (59 - minute) * minuteMs,
      spanMs: minuteMs,
      requests: 3_000,
      errors: errorsPerMinute(minute),
    },
    ...{ retries: 0, rescues: 0, queued: 0, inFlight: 3, p50Ms: 18, p95Ms: 96, p99Ms: 141 },
  }));
  return columnsOf(points);
}

const stateOf = (problems: readonly ServiceProblem[], trends: ReadonlyMap<string, Columns>) =>
  nextDashboardState(undefined, {
    ...{ at: Date.now(), adminUrl: "http://127.0.0.1:8091", trends: [], problemTrends: trends },
    reading: { snapshot: { ...snapshotOf(poolOf("checkout", 8)), problems } },
    listenerCheck: { url: "", reachable: true, status: 200, detail: "", latencyMs: 1, checkedAt: Date.now() },
  });

const chartsIn = (html: string) =>
  [...html.matchAll(/<div class="problem-chart">(.*?)<\/div>/gs)].map(([, chart = ""]) => chart);

test("a problem shows the last hour of what it is about, and when it began", () => {
  const problems = [problemOf(), slowProblem(), problemOf({ id: "p-q", kind: "shedding" })];
  const failing = hour((minute) => (minute < 46 ? 0 : 930));
  const trends = new Map([
    ["p-k7m2x", failing],
    ["p-s10w", hour(() => 0)],
  ]);
  const [errors = "", slow = "", ...others] = chartsIn(renderLive(stateOf(problems, trends)));
  expect(errors).toContain("<dt>Errors, 1 h</dt>");
  expect(errors).toContain('aria-label="Errors of the last hour: at most 15.5/s, 15.5/s last"');
  expect(errors).toContain('class="k-problem line"');
  expect(errors).toContain('class="line mark"');
  expect(slow).toContain("<dt>p95, 1 h</dt>");
  expect(others).toEqual([]);
});

test("its place is there before it was read, and what a page has is not sent again", () => {
  const problems = [problemOf()];
  const [empty = ""] = chartsIn(renderLive(stateOf(problems, new Map())));
  expect(empty).toMatch(/<dd id="problem-line-[^"]+"><\/dd>/);
  const trends = new Map([["p-k7m2x", hour(() => 9)]]);
  const [seen, state] = [stateOf(problems, trends), stateOf(problems, trends)];
  const [kept = ""] = chartsIn(renderLive(state, plainView, { seen }));
  expect(kept).toMatch(/<dd id="problem-line-[^"]+" data-kept><\/dd>/);
});

test("zero draws no red, and what has not begun within the hour has no mark", () => {
  const since = new Date(Date.now() - 3 * 60 * minuteMs).toISOString();
  const state = stateOf([problemOf({ since })], new Map([["p-k7m2x", hour(() => 0)]]));
  const [chart = ""] = chartsIn(renderLive(state));
  expect(chart).toContain("k-rate line");
  expect(chart).not.toContain("k-problem");
  expect(chart).not.toContain("line mark");
});

test("only the problems that are shown in full are read: of an upstream, else of a pool", () => {
  const { subject } = problemOf();
  const pool = problemOf({ id: "p-pool", kind: "pool_errors", subject: { ...subject, upstream: null } });
  const many = Array.from({ length: 9 }, (_, index) => problemOf({ id: `p-${index}` }));
  const wanted = problemTrends.subjects({ ...snapshotOf(), problems: [noticeProblem(), pool, ...many] });
  expect(wanted).toHaveLength(5);
  expect(wanted.slice(0, 2)).toEqual([
    { key: "p-pool", query: { pool: "checkout" } },
    { key: "p-0", query: { upstream: "checkout-07" } },
  ]);
});

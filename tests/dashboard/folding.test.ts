import { expect, test } from "bun:test";
import { isFolding, shownTable } from "../../src/dashboard/overview/folding.ts";
import { plainView, queryOf, viewOf } from "../../src/dashboard/view.ts";
import type { Snapshot } from "../../src/snapshot/snapshot.ts";
import { pool, snapshotOf, upstream } from "../support/fake-admin-api.ts";
import { routesByPool } from "../../src/wording/routes.ts";
import { routeReport } from "../support/route-reports.ts";
import { incidentSnapshot, poolOf, problemOf, slowProblem } from "../support/problem-fixture.ts";

const tableOf = (snapshot: Snapshot, query: Record<string, string> = {}, { problems } = snapshot) =>
  shownTable({ snapshot, problems, view: viewOf(query), now: snapshot.at });

/** "search open: search-03, 1 + 15": the first rows, all rows and what is left out. */
const textOf = (query: Record<string, string> = {}, problems = incidentSnapshot().problems) =>
  tableOf({ ...incidentSnapshot(), problems }, query).pools.map(({ pool, isOpen, shown, folded, usual }) =>
    [
      `${pool.name} ${isOpen ? "open" : "closed"}:`,
      ...shown.slice(0, 2).map(({ upstream }) => `${upstream.id},`),
      `${shown.length} + ${folded.length}${usual.length > 0 ? `, ${usual.length} usual` : ""}`,
    ].join(" "),
  );

test("pools with something to say are open, the worst first, and large ones show only that", () => {
  expect(textOf()).toEqual([
    "checkout open: checkout-07, checkout-01, 12 + 0, 11 usual",
    "search open: search-03, 1 + 15",
    "web open: web-11, 1 + 23",
    "media closed: 0 + 0",
  ]);
});

test("pools are in the order of their worst problems", () => {
  const [first] = textOf({}, [slowProblem({ level: "critical" }), problemOf({ level: "warning" })]);
  expect(first).toBe("search open: search-03, 1 + 15");
});

test("the address opens and closes pools, one by one or all", () => {
  expect(textOf({ open: "media" })[3]).toBe("media open: media-01, media-02, 8 + 0");
  expect(textOf({ open: "search", close: "checkout" }).slice(0, 2)).toEqual([
    "checkout closed: 0 + 0",
    "search open: search-03, search-01, 16 + 0",
  ]);
  expect(textOf({ open: "*" }).every((text) => text.endsWith(" + 0"))).toBe(true);
  expect(textOf({ close: "*", open: "media" }).map((text) => text.split(":")[0])).toEqual([
    ...["checkout closed", "search closed", "web closed", "media open"],
  ]);
});

const leadsTo = (pool: string) => ({ kind: "pool", words: pool, pools: [pool] }) as const;

test("a filter finds upstreams in all pools, by their name, pool, address or route", () => {
  expect(textOf({ filter: "MEDIA-08" })).toEqual(["media open: media-08, 1 + 0"]);
  expect(textOf({ filter: "media" })).toEqual(["media open: media-01, media-02, 8 + 0"]);
  expect(textOf({ filter: "nothing like it" })).toEqual([]);
  const routes = routesByPool({
    routes: [routeReport({ route: "www.example.com/img", change: { leadsTo: leadsTo("media") } })],
  });
  expect(routes.get("media")?.find).toBe("www.example.com/img");
  const snapshot = incidentSnapshot();
  const found = shownTable({
    snapshot,
    problems: [],
    view: viewOf({ filter: "example.com/IMG" }),
    now: 0,
    routes,
  });
  expect(found.pools.map(({ pool, shown }) => [pool.name, shown.length])).toEqual([["media", 8]]);
});

test("problems alone are what serves less than it could, not what an operator took out", () => {
  expect(textOf({ show: "problems" })).toEqual([
    "checkout open: checkout-07, 1 + 0",
    "search open: search-03, 1 + 0",
  ]);
  const { total, troubled } = tableOf(incidentSnapshot());
  expect([total, troubled]).toEqual([60, 2]);
  expect(tableOf(snapshotOf(poolOf("main", 3)), { show: "problems" }).pools).toEqual([]);
});

test("a pool of which all fail alike is open without a row of its own", () => {
  const problem = problemOf({
    kind: "pool_errors",
    subject: { ...problemOf().subject, pool: "media", upstream: null },
  });
  expect(textOf({}, [problem])[0]).toBe("media open: media-01, media-02, 8 + 0, 8 usual");
  expect(tableOf({ ...incidentSnapshot(), problems: [problem] }).pools[0]?.tone).toBe("bad");
});

test("parts of a problem of a pool are rows with a problem", () => {
  const problem = problemOf({
    kind: "upstream_down",
    title: "3 of 24 web upstreams refuse connections",
    subject: { ...problemOf().subject, pool: "web", upstream: null },
    parts: ["web-02", "web-03", "web-05"].map((id) => ({
      ...{ id: `p-${id}`, kind: "upstream_down", level: "warning", since: "", upstream: id },
      title: `${id} refuses connections`,
    })) as never,
  });
  expect(textOf({}, [problem])[0]).toBe("web open: web-02, web-03, 4 + 20");
});

test("few upstreams are shown whole", () => {
  const few = snapshotOf(poolOf("main", 12));
  expect(isFolding(few)).toBe(false);
  expect(tableOf(few).pools[0]?.shown).toHaveLength(12);
  expect(isFolding(snapshotOf(poolOf("main", 13)))).toBe(true);
});

test("the worst come first, unless the viewer sorts otherwise", () => {
  const upstreams = [
    upstream("good"),
    upstream("drained", { mode: "draining", status: "draining", fit: false }),
    upstream("failing", { status: "failing", fit: false }),
  ];
  const idsIn = (query: Record<string, string>) =>
    tableOf(snapshotOf(pool({ upstreams })), query).pools[0]?.shown.map(({ upstream: { id } }) => id);
  expect(idsIn({})).toEqual(["failing", "drained", "good"]);
  expect(idsIn({ sort: "name", dir: "down" })).toEqual(["good", "failing", "drained"]);
});

test("what is shown survives a round trip through the address", () => {
  const view = viewOf({ show: "problems", open: "a,b", close: "*", sort: "p95", dir: "up" });
  expect(viewOf(Object.fromEntries(new URLSearchParams(queryOf(view))))).toEqual(view);
  expect(queryOf(plainView)).toBe("");
});

import { expect, test } from "bun:test";
import { isFolding, shownPools } from "../../src/dashboard/overview/folding.ts";
import { plainView, queryOf, viewOf } from "../../src/dashboard/view.ts";
import { snapshotOf } from "../support/fake-admin-api.ts";
import { incidentSnapshot, poolOf, problemOf, slowProblem } from "../support/problem-fixture.ts";

const incident = incidentSnapshot();
const textOf = (query: Record<string, string>, problems = incident.problems) =>
  shownPools(incident, problems, viewOf(query)).map(({ pool, shown, folded }) =>
    [pool.name, ...shown.slice(0, 3).map(({ id }) => id), `${shown.length} + ${folded.length}`].join(" "),
  );

test("of many upstreams only those with something to say are shown, the worst pool first", () => {
  expect(textOf({})).toEqual([
    "checkout checkout-07 1 + 11",
    "search search-03 1 + 15",
    "media 0 + 8",
    "web web-11 1 + 23",
  ]);
});

test("pools are in the order of their worst problems", () => {
  const [first] = textOf({}, [slowProblem({ level: "critical" }), problemOf({ level: "warning" })]);
  expect(first).toBe("search search-03 1 + 15");
});

test("a pool that the address opens, or a filter, shows all upstreams", () => {
  expect(textOf({ open: "media" })[2]).toBe("media media-01 media-02 media-03 8 + 0");
  expect(textOf({ open: "*" }).map((text) => text.slice(-2))).toEqual([" 0", " 0", " 0", " 0"]);
  expect(textOf({ filter: "media-08" })[2]).toBe("media media-08 1 + 0");
});

test("few upstreams are shown unless only problems are asked for", () => {
  const few = snapshotOf(poolOf("main", 12));
  expect(isFolding(few)).toBe(false);
  expect(shownPools(few, [], plainView)[0]?.shown).toHaveLength(12);
  expect(shownPools(few, [], viewOf({ show: "problems" }))[0]?.shown).toHaveLength(0);
  expect(isFolding(snapshotOf(poolOf("main", 13)))).toBe(true);
});

test("what is shown survives a round trip through the address", () => {
  const view = viewOf({ show: "problems", open: "a,b", sort: "p95-down" });
  expect(viewOf(Object.fromEntries(new URLSearchParams(queryOf(view))))).toEqual(view);
});

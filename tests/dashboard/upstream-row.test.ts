import { expect, test } from "bun:test";
import { rowOf, rowSince, wholeRow } from "../../src/dashboard/overview/upstream-row.tsx";
import { plainView } from "../../src/dashboard/view.ts";
import { traffic, upstream } from "../support/fake-admin-api.ts";

const now = Date.now();
const still = { at: now, success: true, detail: "status 200", latencyMs: 1 };
const row = (change: Parameters<typeof upstream>[1] = {}) =>
  rowOf({
    upstream: upstream("api-1", {
      lastProbe: still,
      statusSince: now - 7_200_000,
      uptime: { state: "up", since: now - 7_200_000, share: 1, countedMs: 7_200_000 },
      ...change,
    }),
    state: { words: "Serves", tone: "good", detail: "" },
    problem: undefined,
    pool: "main",
    trend: undefined,
    ...{ share: 0.5, fairShare: 0.5, isUsual: false, view: plainView, now },
  });

test("an unchanged row is sent as a marker", () => {
  expect(rowSince(row(), row())).toBe('<tr id="upstream-api-1" data-kept></tr>');
});

test("only the changed cells of a row are sent", () => {
  const seen = row();
  const changed = row({ inFlight: 7, traffic: traffic({ p50Ms: 12 }) });
  const html = rowSince(changed, seen);
  expect(html.match(/<t[dh] data-kept/g)).toHaveLength(12);
  expect(html).toContain(">7</td>");
  expect(html).toContain(">12\u00a0ms</td>");
  expect(html).not.toContain("form");
  expect(html.length).toBeLessThan(wholeRow(changed).length / 3);
});

test("changed attributes of a row are sent even if no cell has changed", () => {
  const changed = row();
  const seen = { ...changed, attributes: { ...changed.attributes, "data-tone": "bad" } };
  expect(rowSince(changed, seen)).toStartWith('<tr role="row" id="upstream-api-1" data-tone="good"');
});

test("a new viewer gets the complete row", () => {
  expect(rowSince(row(), undefined)).toBe(wholeRow(row()));
});

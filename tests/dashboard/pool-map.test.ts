import { expect, test } from "bun:test";
import { shownTable } from "../../src/dashboard/overview/folding.ts";
import { PoolMap } from "../../src/dashboard/overview/pool-map.tsx";
import { plainView } from "../../src/dashboard/view.ts";
import { snapshotOf, withUpstream } from "../support/fake-admin-api.ts";
import { poolOf } from "../support/problem-fixture.ts";

/** A pool of which the second upstream fails. */
function mapOf(size: number): string {
  const snapshot = withUpstream(snapshotOf(poolOf("web", size)), "web-02", { status: "failing", fit: false });
  const [pool] = shownTable({ snapshot, problems: [], view: plainView, now: snapshot.at }).pools;
  return PoolMap({ upstreams: pool?.all ?? [], text: `${size - 1} of ${size} serve` }) as string;
}

const marksIn = (html: string) => html.match(/<i /g)?.length ?? 0;

test("has one mark for each upstream, in the order of the configuration, and a text", () => {
  const html = mapOf(40);
  expect(html).toStartWith('<span class="map" role="img" aria-label="39 of 40 serve">');
  expect(marksIn(html)).toBe(40);
  expect(html).toContain('</i><i data-tone="warn" title="web-02: Fails its check: 200"></i><i');
});

test("has narrow marks from 41 upstreams on", () => {
  expect(mapOf(41)).toStartWith('<span class="map fine"');
  expect(marksIn(mapOf(120))).toBe(120);
});

test("is a bar in parts from 121 upstreams on, the worst part first", () => {
  const html = mapOf(200);
  expect(marksIn(html)).toBe(0);
  expect(
    [...html.matchAll(/data-tone="(\w+)" x="([\d.]+)%" width="([\d.]+)%"/g)].map((part) => part.slice(1)),
  ).toEqual([
    ["warn", "0.00", "0.50"],
    ["good", "0.50", "99.50"],
  ]);
});

import { expect, test } from "bun:test";
import {
  TrendReader,
  type TrendReaderOptions,
  upstreamTrends,
} from "../../../src/dashboard/live/trend-reader.ts";
import type { RangeQuery } from "../../../src/history/history.ts";
import { columnsOf } from "../../../src/history/point.ts";
import { snapshotOf, wavesUntil, withUpstream } from "../../support/fake-admin-api.ts";
import { poolOf, problemOf } from "../../support/problem-fixture.ts";
import { until } from "../../support/wait.ts";

const minuteMs = 60_000;

function setUp(more: Partial<TrendReaderOptions> = {}) {
  const scene = { now: 0, source: "a", isAway: false, asked: [] as string[], ranges: [] as RangeQuery[] };
  const columns = columnsOf(wavesUntil(30 * minuteMs, { spanMs: 30 * minuteMs, stepMs: minuteMs, since: 0 }));
  const reader = new TrendReader({
    ...upstreamTrends,
    clock: () => scene.now,
    source: () => scene.source,
    admin: {
      async historyRange(query) {
        scene.asked.push(query.upstream ?? "");
        scene.ranges.push(query);
        if (scene.isAway) return { error: { reason: "unreachable", message: "connection refused" } };
        const series = [{ pool: "web", upstream: query.upstream ?? "", columns }];
        return { value: { window: null, from: 0, to: 0, stepMs: minuteMs, coarsestMs: minuteMs, series } };
      },
    },
    ...more,
  });
  return { scene, reader };
}

const snapshot = snapshotOf(poolOf("web", 3));

test("the last half hour of each upstream is read in the background, one point a minute", async () => {
  const { scene, reader } = setUp();
  expect(reader.of(snapshot).size).toBe(0);
  await until(() => reader.of(snapshot).size === 3, "the trends");
  expect(scene.asked).toEqual(["web-01", "web-02", "web-03"]);
  expect(scene.ranges[0]).toMatchObject({
    ...{ from: snapshot.at - 30 * minuteMs, to: snapshot.at, maxPoints: 30 },
  });
});

test("it is read once a minute for any number of viewers, and the same until then", async () => {
  const { scene, reader } = setUp();
  reader.of(snapshot);
  await until(() => reader.of(snapshot).size === 3, "the trends");
  const first = reader.of(snapshot);
  scene.now = minuteMs - 1;
  expect(reader.of(snapshot)).toBe(first);
  expect(scene.asked).toHaveLength(3);
  scene.now = minuteMs;
  expect(reader.of(snapshot)).toBe(first);
  await until(() => reader.of(snapshot) !== first, "the next trends");
  expect(scene.asked).toHaveLength(6);
});

test("of many upstreams the ones with a problem come first, then the ones that are out", async () => {
  const { scene, reader } = setUp();
  const many = {
    ...withUpstream(snapshotOf(poolOf("web", 300)), "web-250", { status: "failing", fit: false }),
    problems: [problemOf({ subject: { ...problemOf().subject, upstream: "web-299" } })],
  };
  reader.of(many);
  await until(() => reader.of(many).size === 100, "the trends");
  expect(scene.asked.slice(0, 3)).toEqual(["web-299", "web-250", "web-01"]);
});

test("what nobody has asked for yet does not wait for the next minute", async () => {
  const { scene, reader } = setUp({ newSubjectMs: 5_000 });
  reader.of(snapshot);
  await until(() => reader.of(snapshot).size === 3, "the trends");
  const more = snapshotOf(poolOf("web", 4));
  scene.now = 4_999;
  reader.of(more);
  expect(scene.asked).toHaveLength(3);
  scene.now = 5_000;
  await until(() => reader.of(more).size === 4, "the new one");
  scene.now = 15_000;
  reader.of(more);
  expect(scene.asked).toHaveLength(7);
});

test("trends of before a pause, or of another balancer, are not shown", async () => {
  const { scene, reader } = setUp();
  reader.of(snapshot);
  await until(() => reader.of(snapshot).size === 3, "the trends");
  scene.isAway = true;
  scene.now = 4 * minuteMs;
  expect(reader.of(snapshot).size).toBe(0);
  await until(() => scene.asked.length === 4, "the reading that fails");
  scene.isAway = false;
  scene.source = "b";
  reader.of(snapshot);
  await until(() => reader.of(snapshot).size === 3, "the trends of the other balancer");
  scene.source = "c";
  expect(reader.of(snapshot).size).toBe(0);
});

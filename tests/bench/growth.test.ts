import { expect, test } from "bun:test";

import { drawCurves } from "./growth-chart.ts";
import { type Curve, growthOf, tooSteep } from "./growth-verdict.ts";

const curve = (costOf: (x: number) => number, workOf?: (x: number) => number): Curve => ({
  title: "Upstreams",
  axis: "upstreams",
  points: [3, 30, 300, 3_000].map((x) => ({ x, costs: [costOf(x), costOf(x), costOf(x)], idleMs: 0 })),
  ...(workOf && { workOf }),
});

test("a cost that grows by a fifth in each decade is no growth", () => {
  expect(tooSteep([curve((x) => 20 * 1.2 ** Math.log10(x))])).toEqual([]);
});

test("a cost that follows the work is no growth", () => {
  const work = (x: number) => 1 + x / 100;
  expect(tooSteep([curve((x) => 20 * work(x), work)])).toEqual([]);
  expect(tooSteep([curve((x) => 20 * work(x))])).not.toEqual([]);
});

test("the point from which cost grows is named", () => {
  const scan = curve((x) => 20 + x / 100);
  expect(growthOf(scan).map((growth) => growth.toFixed(1))).toEqual(["1.0", "1.0", "1.1", "2.2"]);
  expect(tooSteep([scan])).toEqual([
    "Upstreams: cost grows faster than work at 3000 upstreams, 2.17 × in a decade",
  ]);
});

test("one disturbed round is ignored", () => {
  const { points, ...rest } = curve(() => 20);
  const disturbed = points.map((point) => (point.x === 300 ? { ...point, costs: [20, 90, 20] } : point));
  expect(tooSteep([{ ...rest, points: disturbed }])).toEqual([]);
});

test("the drawing has a dot for each point and a label for each axis, also for a curve that begins at 0", () => {
  const bodies = { ...curve((x) => 20 + x), title: "Body & size", axis: "bytes" };
  const points = bodies.points.map((point, index) => (index === 0 ? { ...point, x: 0 } : point));
  const svg = drawCurves([{ ...bodies, points }], "wire engine");
  expect(svg.match(/<circle/g)).toHaveLength(4);
  expect(svg).toContain(">bytes</text>");
  expect(svg).toContain(">Body &amp; size</text>");
  expect(svg).not.toContain("NaN");
});

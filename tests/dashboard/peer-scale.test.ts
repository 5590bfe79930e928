import { describe, expect, test } from "bun:test";

import { dotsOf, placeOn, topOf } from "../../src/dashboard/upstream/peer-scale.ts";

describe("the scale beside peers", () => {
  test.each([
    [0.3, 0.04, 0.4],
    [0.0002, 0.04, 0.04],
    [130, 4, 200],
    [1_900, 4, 2_000],
    [200, 4, 200],
    [Number.NaN, 4, 1],
    [0, 0, 1],
  ])("of %p, at least %p, ends at %p", (highest, least, top) =>
    expect(topOf(highest, least)).toBeCloseTo(top, 9),
  );

  test("has every value inside", () => {
    expect([-1, 0, 5, 20, Number.POSITIVE_INFINITY].map((value) => placeOn(value, 10))).toEqual([
      0, 0, 0.5, 1, 0,
    ]);
  });

  test("shows equal values above each other, and no more of a thousand than have room", () => {
    expect(dotsOf([2, 2, 8], 10)).toEqual([
      { place: 0.2, row: 0 },
      { place: 0.2, row: 1 },
      { place: 0.8, row: 0 },
    ]);
    const many = dotsOf(
      Array.from({ length: 1_000 }, (_, index) => index / 100),
      10,
    );
    expect(many.length).toBeLessThanOrEqual(3 * 68);
    expect(Math.max(...many.map(({ row }) => row))).toBe(2);
  });
});

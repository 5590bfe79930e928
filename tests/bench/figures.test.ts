import { expect, test } from "bun:test";

import { ratios, withSpread } from "./figures.ts";

test("a spread is the median with the quartiles, and of few rounds with the extremes", () => {
  expect(withSpread([9, 1, 2, 3, 4, 5, 6, 7, 8], 0)).toBe("5 (3–7)");
  expect(withSpread([3, 1, 2], 1)).toBe("2.0 (1.0–3.0)");
  expect(withSpread([4], 0)).toBe("4");
});

test("what was not measured has no figure", () => {
  expect(withSpread([], 2)).toBe("–");
  expect(withSpread(ratios([1, 2, 3], []), 2)).toBe("–");
});

test("ratios are those within a round", () => {
  expect(ratios([20, 40], [10, 10])).toEqual([2, 4]);
});

import { describe, expect, test } from "bun:test";

import { formatSize, parseSize } from "../../src/lib/units.ts";

describe("a size", () => {
  for (const [text, bytes] of [
    ["0B", 0],
    ["512B", 512],
    ["64KiB", 65_536],
    ["1.5MB", 1_500_000],
    ["2GiB", 2_147_483_648],
  ] as const) {
    test(`${text} is ${bytes} bytes`, () => expect(parseSize(text)).toBe(bytes));
  }
  for (const text of ["", "5", "1k", "1kb", "1iB", "-1B", "1 MB", "MB"]) {
    test(`"${text}" is rejected`, () => expect(parseSize(text)).toBeUndefined());
  }
  test("is formatted so that it parses to the same value", () => {
    for (const bytes of [0, 1, 1_000, 1_024, 1_500, 65_536, 10_000_000, 3_221_225_472]) {
      expect(parseSize(formatSize(bytes))).toBe(bytes);
    }
  });
});

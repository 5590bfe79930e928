import { describe, expect, test } from "bun:test";

import {
  formatLength,
  momentText,
  parseMoment,
  parseMomentOf,
  parseRange,
  parseShift,
  rangeQuery,
} from "../../src/lib/time-range.ts";

const now = Date.parse("2026-11-29T14:26:00.000Z");
const at = (text: string) => Date.parse(text);

describe("a moment", () => {
  test.each([
    ["now", now],
    ["-1h", now - 3_600_000],
    ["-90m", now - 5_400_000],
    ["-1h30m", now - 5_400_000],
    ["-30s", now - 30_000],
    ["-7d", now - 7 * 86_400_000],
    ["-1w", now - 7 * 86_400_000],
    ["now-15m", now - 900_000],
    ["2026-11-28T03:12:40Z", at("2026-11-28T03:12:40Z")],
    ["2026-11-28t03:12:40z", at("2026-11-28T03:12:40Z")],
    ["2026-11-28T03:12:40.5Z", at("2026-11-28T03:12:40.500Z")],
    ["2026-11-28T03:12:40.123456Z", at("2026-11-28T03:12:40.123Z") + 0.456],
    ["2026-11-28T04:12:40+01:00", at("2026-11-28T03:12:40Z")],
    ["2026-11-28T04:12:40 01:00", at("2026-11-28T03:12:40Z")],
    ["2026-11-27T22:12:40-05:00", at("2026-11-28T03:12:40Z")],
    ["2026-11-28T03:12", at("2026-11-28T03:12:00Z")],
    ["2026-11-28 03:12", at("2026-11-28T03:12:00Z")],
    ["2026-11-28", at("2026-11-28T00:00:00Z")],
    ["2028-02-29", at("2028-02-29T00:00:00Z")],
  ])("%s", (text, expected) => expect(parseMoment(text, now)).toBeCloseTo(expected, 0));

  test.each([
    ..."|yesterday|1h|+1h|-1|-h|-1y|now+1h|--1h|03:12|2026-13-01|2026-02-30|2026-11-28T25:00Z".split("|"),
    ..."2026-11-28T03:60Z|2026-11-28T03:12:40+99:00|20261128|2026-11-28T|1764299560000|Infinity".split("|"),
    ...["-1h\n", "<script>", `-${"9".repeat(400)}d`],
  ])("is not %j", (text) => expect(parseMoment(text, now)).toBeUndefined());
});

describe("a range", () => {
  const limits = { now, defaultMs: 3_600_000 };
  const range = (from?: string, to?: string) => parseRange({ from, to }, limits);

  test.each([
    [undefined, undefined, -3_600_000, 0, true],
    ["", "", -3_600_000, 0, true],
    ["-15m", undefined, -900_000, 0, true],
    ["-15m", "now", -900_000, 0, true],
    ["-2h", "-1h", -7_200_000, -3_600_000, false],
    ["2026-11-29T14:12:00Z", "2026-11-29T14:26:00Z", -840_000, 0, false],
    ["2026-11-29T14:12:00Z", "now", -840_000, 0, true],
    [undefined, "-1h", -7_200_000, -3_600_000, false],
  ] as const)("from %p to %p", (from, to, begin, end, isLive) =>
    expect(range(from, to)).toEqual({ from: now + begin, to: now + end, isLive }),
  );

  test("has no less than a second, so that every zoom shows something", () =>
    expect(range("2026-11-29T14:12:00.000Z", "2026-11-29T14:12:00.010Z")).toMatchObject({
      from: at("2026-11-29T14:11:59.010Z"),
    }));

  test.each([
    [
      "lately",
      undefined,
      'Cannot use from: expected a time such as 2026-11-28T03:12:00Z, -1h or now (received "lately").',
    ],
    [
      "-1h",
      "soon",
      'Cannot use to: expected a time such as 2026-11-28T03:12:00Z, -1h or now (received "soon").',
    ],
    ["now", "-1h", 'Cannot use from: expected a time before the end of the range (received "now").'],
    ["-32d", "now", 'Cannot use from: expected a range of at most 31 days (received "-32d").'],
    [
      "2024-01-01",
      "2024-01-02",
      'Cannot use from: expected a time of the last year (received "2024-01-01").',
    ],
  ])("from %p to %p is refused with a sentence", (from, to, expected) =>
    expect(range(from, to)).toBe(expected),
  );

  test("is refused without repeating a text that would fill the page", () =>
    expect(String(range("x".repeat(10_000))).length).toBeLessThan(180));

  test("stays the same through an address", () => {
    for (const given of [
      range("-90m"),
      range("-2h", "-1h"),
      range("2026-11-28", "2026-11-28T03:12:40.25Z"),
    ]) {
      if (typeof given === "string") throw new Error(given);
      const { from, to } = rangeQuery(given);
      expect(range(from, to)).toEqual(given);
    }
  });
});

describe("the pinned moment and the comparison", () => {
  test("are read like a moment and a shift", () => {
    expect(parseMomentOf("at", "2026-11-29T14:00:00Z", now)).toBe(at("2026-11-29T14:00:00Z"));
    expect(parseMomentOf("at", "noon", now)).toBe('Cannot use at: expected a time such as 2026-11-28T03:12:00Z, -1h or now (received "noon").'); // prettier-ignore
    expect(parseShift("-7d")).toBe(7 * 86_400_000);
    expect(parseShift("-1d12h")).toBe(36 * 3_600_000);
    for (const text of ["7d", "-0d", "-40d", "a week ago", ""]) expect(parseShift(text)).toBeUndefined();
  });
});

test("lengths and moments have short texts", () => {
  expect([1_000, 90_000, 900_000, 5_400_000, 86_400_000, 10].map(formatLength)).toEqual([
    "1s",
    "90s",
    "15m",
    "90m",
    "1d",
    "1s",
  ]);
  expect(momentText(at("2026-11-28T03:12:00Z"))).toBe("2026-11-28T03:12:00Z");
  expect(momentText(at("2026-11-28T03:12:00.25Z"))).toBe("2026-11-28T03:12:00.250Z");
});

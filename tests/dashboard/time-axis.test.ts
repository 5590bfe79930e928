import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";

interface Tick {
  readonly at: number;
  readonly text: string;
}

interface Flag {
  readonly x: number;
  readonly text: string;
  readonly tone: string;
}

interface TimeAxis {
  readonly minDistance: number;
  ticks(from: number, to: number, width: number, isLocal?: boolean): readonly Tick[];
  lines(top: number): readonly number[];
  topOf(peak: number, least: number): number;
  clock(at: number, isLocal: boolean, form?: string): string;
  mergeMarks(
    marks: readonly { at: number; number: number; tone: string }[],
    placeOf: (at: number) => number,
  ): readonly Flag[];
}

/** The script of the page, as the browser runs it. */
function loadTimeAxis(): TimeAxis {
  const text = readFileSync(join(import.meta.dirname, "../../public/time-axis.js"), "utf8");
  const scope: { timeAxis?: TimeAxis } = {};
  new Function("globalThis", text)(scope);
  if (!scope.timeAxis) throw new Error("the script defines timeAxis");
  return scope.timeAxis;
}

const axis = loadTimeAxis();
const saturday = Date.parse("2026-11-28T03:04:00Z");
const [secondMs, minuteMs, hourMs, dayMs] = [1_000, 60_000, 3_600_000, 86_400_000];
const texts = (spanMs: number, width = 860, from = saturday) =>
  axis.ticks(from, from + spanMs, width).map(({ text }) => text);

describe("labels of a time axis", () => {
  test("are at least 72 px apart at every range and width, on round times, inside the range", () => {
    for (const spanMs of [
      ...[10, 30, 60, 119, 120, 300, 900, 1_200].map((seconds) => seconds * secondMs),
      ...[1, 3, 6, 12, 24, 35, 37].map((hours) => hours * hourMs),
      ...[2, 3, 7, 9, 10, 14, 31].map((days) => days * dayMs),
    ])
      for (const width of [160, 280, 390, 600, 860, 1_300, 2_500]) {
        const ticks = axis.ticks(saturday, saturday + spanMs, width);
        for (const [index, { at }] of ticks.entries()) {
          expect(at).toBeGreaterThanOrEqual(saturday);
          expect(at).toBeLessThanOrEqual(saturday + spanMs);
          const before = ticks[index - 1];
          if (before) expect(((at - before.at) / spanMs) * width).toBeGreaterThanOrEqual(axis.minDistance);
          expect(at % secondMs).toBe(0);
        }
        if (width >= 280) expect(ticks.length).toBeGreaterThan(0);
        expect(ticks.length).toBeLessThanOrEqual(Math.floor(width / axis.minDistance) + 1);
        if (spanMs < dayMs) expect(new Set(ticks.map(({ text }) => text)).size).toBe(ticks.length);
      }
  });

  test.each<[string, number, readonly string[]]>([
    [
      "under 2 min seconds",
      60 * secondMs,
      ["03:04:00", "03:04:10", "03:04:20", "03:04:30", "03:04:40", "03:04:50", "03:05:00"],
    ],
    [
      "20 min",
      20 * minuteMs,
      ["03:04", "03:06", "03:08", "03:10", "03:12", "03:14", "03:16", "03:18", "03:20", "03:22", "03:24"],
    ],
    [
      "24 h, with the day once at midnight",
      24 * hourMs,
      ["06:00", "09:00", "12:00", "15:00", "18:00", "21:00", "Sun 29", "03:00"],
    ],
    ["7 d", 7 * dayMs, ["Sun 29", "Mon 30", "Tue 1", "Wed 2", "Thu 3", "Fri 4", "Sat 5"]],
    ["14 d", 14 * dayMs, ["29 Nov", "1 Dec", "3 Dec"]],
  ])("%s", (_, spanMs, expected) => expect(texts(spanMs).slice(0, expected.length)).toEqual([...expected]));

  test("of ten days and more are days of months, two weeks of them on Mondays", () => {
    expect(texts(31 * dayMs, 160)).toEqual(["7 Dec", "21 Dec"]);
    for (const text of texts(10 * dayMs)) expect(text).toMatch(/^\d{1,2} (Nov|Dec)$/);
  });

  test("are none for an empty range or no width", () => {
    expect(axis.ticks(saturday, saturday, 860)).toEqual([]);
    expect(axis.ticks(saturday, saturday + 1, 0)).toEqual([]);
  });
});

describe("lines of a value axis", () => {
  test("are at most three, at round values from 0, with at least one", () => {
    for (const top of [0.001, 0.3, 1, 1.1, 2.2, 3.9, 7, 9.99, 10, 55, 99, 700, 1_126, 4_400, 123_456, 9e9]) {
      const lines = axis.lines(top);
      expect(lines.length).toBeGreaterThanOrEqual(1);
      expect(lines.length).toBeLessThanOrEqual(3);
      for (const value of lines) {
        expect(value).toBeGreaterThan(0);
        expect(value).toBeLessThanOrEqual(top);
        expect(String(Number((lines[0] ?? 0).toExponential().split("e")[0]))).toMatch(/^[125]$/);
      }
    }
    expect(axis.lines(0)).toEqual([]);
    expect(axis.lines(704)).toEqual([200, 400, 600]);
  });

  test("never end below what next to nothing may look like", () => {
    expect(axis.topOf(0, 1)).toBe(1);
    expect(axis.topOf(0.02, 1)).toBe(1);
    expect(axis.topOf(100, 1)).toBeCloseTo(110);
  });
});

describe("marks", () => {
  const mark = (at: number, number: number, tone = "calm") => ({ at, number, tone });
  const merged = (...marks: ReturnType<typeof mark>[]) =>
    axis.mergeMarks(marks, (at) => at).map(({ x, text, tone }) => `${x} ${text} ${tone}`);

  test("nearer than 16 px become one, with its numbers and its worst tone", () => {
    expect(merged()).toEqual([]);
    expect(merged(mark(10, 1), mark(26, 2))).toEqual(["10 1 calm", "26 2 calm"]);
    expect(merged(mark(10, 1), mark(25.9, 2, "bad"))).toEqual(["10 1–2 bad"]);
    expect(merged(mark(10, 1, "bad"), mark(12, 2, "good"), mark(14, 3), mark(90, 4))).toEqual([
      "10 1–3 bad",
      "90 4 calm",
    ]);
  });

  test("of a storm never overlap and lose no number", () => {
    const storm = Array.from({ length: 200 }, (_, index) => mark(index * 3, index + 1));
    const flags = axis.mergeMarks(storm, (at) => at);
    for (const [index, flag] of flags.entries()) {
      const before = flags[index - 1];
      if (before) expect(flag.x - before.x).toBeGreaterThanOrEqual(16);
    }
    expect(flags[0]?.text.startsWith("1–")).toBe(true);
    expect(flags.at(-1)?.text.endsWith("200")).toBe(true);
  });
});

test("the script shows moments in the forms of the server", async () => {
  const { formatMoment } = await import("../../src/dashboard/history/moment.tsx");
  for (const form of ["time", "short", "stamp", "day", "long"] as const)
    for (const text of ["2026-11-28T03:12:40Z", "2026-11-29T00:00:00Z", "2027-01-01T23:59:00Z"])
      expect(axis.clock(Date.parse(text), false, form)).toBe(formatMoment(Date.parse(text), form));
});

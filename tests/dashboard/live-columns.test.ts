import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { columnsOf, downsample, type Point } from "../../src/history/point.ts";

type Columns = Record<string, (number | null)[]>;
type Second = Readonly<Record<string, number | null>>;

interface LiveColumns {
  secondsOf(series: readonly { readonly columns: Columns }[]): readonly Second[];
  append(columns: Columns, seconds: readonly Second[], stepMs: number): void;
  dropBefore(columns: Columns, from: number): void;
}

/** The script of the page, as the browser runs it; the part for the page itself is left out. */
function loadLiveColumns(): LiveColumns {
  const text = readFileSync(join(import.meta.dirname, "../../public/traffic.js"), "utf8");
  const [first = ""] = text.split("\n(() => {\n  const { secondsOf");
  const scope: { liveColumns?: LiveColumns } = {};
  new Function("globalThis", first)(scope);
  if (!scope.liveColumns) throw new Error("Cannot find liveColumns in traffic.js");
  return scope.liveColumns;
}

const { secondsOf, append, dropBefore } = loadLiveColumns();

const pointOf = (at: number, change: Partial<Point> = {}): Point => ({
  ...{ at, spanMs: 1_000, requests: 10, errors: 0, retries: 0, rescues: 0, queued: 0, inFlight: 1 },
  ...{ p50Ms: 10, p95Ms: 20, p99Ms: 30, ...change },
});
const asColumns = (points: readonly Point[]) => structuredClone(columnsOf(points)) as unknown as Columns;

/** Thirty seconds, each with other numbers, and one in which nothing ended. */
const seconds = Array.from({ length: 30 }, (_, index) =>
  pointOf((index + 1) * 1_000, {
    ...{ requests: index % 7, errors: index % 3, queued: index % 5, inFlight: 3 + (index % 4) },
    p95Ms: index === 12 ? null : 20 + ((index * 7) % 13),
  }),
);

describe("the columns of a live chart", () => {
  test.each([1_000, 10_000])("grow as the history of steps of %p ms would", (stepMs) => {
    for (const known of [0, 9, 10, 14, 29]) {
      const merged = (points: readonly Point[]) => downsample(points, stepMs);
      const columns = asColumns(merged(seconds.slice(0, known)));
      append(columns, secondsOf([{ columns: asColumns(seconds) }]), stepMs);
      const expected = asColumns(merged(seconds));
      expect(columns["at"]).toEqual(expected["at"]);
      for (const [name, values] of Object.entries(expected))
        for (const [index, value] of values.entries())
          if (value === null) expect(columns[name]?.[index]).toBeNull();
          else expect(columns[name]?.[index]).toBeCloseTo(value, 1);
    }
  });

  test("add several pools up, and have the percentiles of the slowest", () => {
    const [one, other] = [
      pointOf(1_000, { p95Ms: 80 }),
      pointOf(1_000, { requests: 5, queued: 2, p95Ms: null }),
    ];
    expect(secondsOf([one, other].map((point) => ({ columns: asColumns([point]) })))).toMatchObject([
      { at: 1_000, requestsPerSecond: 15, queued: 2, inFlight: 2, p95Ms: 80 },
    ]);
  });

  test("do not take a second twice, and keep one point before the begin of the chart", () => {
    const columns = asColumns(seconds);
    append(columns, secondsOf([{ columns: asColumns(seconds.slice(20)) }]), 1_000);
    expect(columns["at"]).toHaveLength(30);
    dropBefore(columns, 10_000);
    expect(columns["at"]?.[0]).toBe(10_000);
    expect(new Set(Object.values(columns).map(({ length }) => length))).toEqual(new Set([21]));
  });
});

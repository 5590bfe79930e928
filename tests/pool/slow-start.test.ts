import { describe, expect, test } from "bun:test";

import { SlowStart } from "../../src/pool/slow-start.ts";

describe("a slow start of 30 s", () => {
  const rows: readonly (readonly [afterMs: number, share: number])[] = [
    [0, 0.1],
    [3_333, 0.1],
    [3_334, 0.2],
    [10_000, 0.4],
    [20_000, 0.7],
    [29_999, 0.9],
    [30_000, 1],
    [90_000, 1],
  ];
  for (const [afterMs, share] of rows) {
    test(`gives ${share} of the weight after ${afterMs} ms`, () => {
      const slowStart = new SlowStart(30_000);
      slowStart.begin(7_000);
      slowStart.advance(7_000 + afterMs);
      expect(slowStart.share).toBe(share);
    });
  }

  test("is due every three seconds, at the same moments for all upstreams, and never after its end", () => {
    const slowStart = new SlowStart(30_000);
    expect(slowStart.dueAt(0)).toBe(Infinity);
    slowStart.begin(7_100);
    expect(slowStart.dueAt(7_100)).toBe(9_000);
    expect(slowStart.dueAt(9_000)).toBe(12_000);
    expect(slowStart.progress(22_100)).toBe(0.5);
    slowStart.advance(39_000);
    expect(slowStart.dueAt(39_000)).toBe(Infinity);
    expect(slowStart.progress(39_000)).toBeUndefined();
  });

  test("starts over when it begins again", () => {
    const slowStart = new SlowStart(30_000);
    slowStart.begin(0);
    slowStart.advance(25_000);
    slowStart.begin(26_000);
    expect(slowStart.share).toBe(0.1);
  });

  test("with length 0 ends at once", () => {
    const slowStart = new SlowStart(0);
    slowStart.begin(5);
    expect(slowStart.share).toBe(1);
    expect(slowStart.dueAt(5)).toBe(Infinity);
  });
});

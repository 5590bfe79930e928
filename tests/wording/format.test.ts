import { describe, expect, test } from "bun:test";
import { upstream } from "../support/fake-admin-api.ts";
import { joinList } from "../../src/lib/list-text.ts";
import {
  formatAgo,
  formatBrief,
  formatShort,
  formatCount,
  formatMs,
  formatRate,
  formatShare,
  formatSpan,
  formatTime,
  isoTime,
  timeLeft,
} from "../../src/wording/format.ts";

const plain = (text: string) => text.replaceAll("\u00a0", " ");

function rows<T>(
  name: string,
  format: (value: T) => string,
  table: ReadonlyArray<readonly [T, string]>,
): void {
  describe(name, () => {
    for (const [value, expected] of table) {
      test(`writes ${String(value)} as ${expected}`, () => expect(plain(format(value))).toBe(expected));
    }
  });
}

rows("formatCount", formatCount, [
  [0, "0"],
  [12_345, "12,345"],
  [9_999_999, "9,999,999"],
  [12_345_678, "12.3M"],
]);

rows("formatShort", formatShort, [
  [0, "0"],
  [987, "987"],
  [1_255, "1.3K"],
  [452_345, "452K"],
  [2_412_000, "2.4M"],
]);

rows("formatBrief", formatBrief, [
  [9_876, "9,876"],
  [45_200, "45.2K"],
]);

rows("formatRate", formatRate, [
  [0.04, "<0.1"],
  [0, "0"],
  [0.3, "0.3"],
  [87.52, "87.5"],
  [1_234.4, "1,234"],
]);

rows("formatShare", formatShare, [
  [0, "0 %"],
  [0.0004, "<0.1 %"],
  [0.025, "2.5 %"],
  [0.37, "37 %"],
  [0.9999, "99 %"],
  [1, "100 %"],
]);

rows<number | null>("formatMs", formatMs, [
  [null, "–"],
  [0.42, "0.4 ms"],
  [128.4, "128 ms"],
  [999.7, "1.0 s"],
  [1_240, "1.2 s"],
]);

rows("formatSpan", formatSpan, [
  [-5, "0 s"],
  [14_900, "14 s"],
  [200_000, "3 min"],
  [5 * 3_600_000, "5 h"],
  [3 * 86_400_000, "3 d"],
]);

rows("formatAgo", formatAgo, [
  [-40, "now"],
  [999, "now"],
  [14_000, "14 s ago"],
]);

rows("formatTime", formatTime, [[Date.UTC(2026, 0, 2, 14, 3, 12), "14:03:12 UTC"]]);

rows("isoTime", isoTime, [
  [0, "1970-01-01T00:00:00.000Z"],
  [Number.NaN, "1970-01-01T00:00:00.000Z"],
]);

rows<readonly string[]>("joinWords", joinList, [
  [[], ""],
  [["a"], "a"],
  [["a", "b"], "a and b"],
  [["a", "b", "c"], "a, b and c"],
]);

test("the time to a drain's deadline is never shown as 0 before it", () => {
  const leftAt = (now: number, deadline: number | null) => {
    const drain = { since: 0, deadline, inFlight: 1, drained: false, leaving: false };
    const text = timeLeft(upstream("a", { drain }), now);
    return text === undefined ? undefined : plain(text);
  };
  expect(leftAt(1_000, null)).toBeUndefined();
  expect(leftAt(1_000, 23_000)).toBe("22 s left");
  expect(leftAt(22_999, 23_000)).toBe("1 s left");
  expect(leftAt(28_000, 23_000)).toBe("5 s overdue");
});

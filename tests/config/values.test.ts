import { expect, test } from "bun:test";
import {
  formatTimeRange,
  timeRangeOf,
  delayProblem,
  durationProblem,
  timeRangeProblem,
} from "../../src/config/values.ts";

test.each([
  ["0", 0, 0, "0"],
  ["80ms", 80, 80, "80ms"],
  ["50-150ms", 50, 150, "50-150ms"],
  ["50ms-150ms", 50, 150, "50-150ms"],
  ["0-100ms", 0, 100, "0-100ms"],
  ["1-2s", 1000, 2000, "1-2s"],
  ["0.5-1.5s", 500, 1500, "500-1500ms"],
  ["500ms-1s", 500, 1000, "500ms-1s"],
])("the range %s is from %d to %d ms, and in short %s", (text, min, max, shortest) => {
  expect(timeRangeProblem(text)).toBeUndefined();
  expect(timeRangeOf(text)).toEqual({ min, max });
  expect(formatTimeRange({ min, max })).toBe(shortest);
  expect(timeRangeOf(shortest)).toEqual({ min, max });
});

const isNone = "expected a duration or a range such as 80ms or 50-150ms";
test.each([
  ["", isNone],
  ["5", isNone],
  ["50-150", isNone],
  ["-5ms", isNone],
  ["1-2-3ms", isNone],
  ["1s-", isNone],
  ["1d", isNone],
  ["2-1ms", "the first duration must not be longer than the second"],
  ["1s-20ms", "the first duration must not be longer than the second"],
  ["1-9999h", "expected a duration of at most 576h"],
])("%p is no range", (text, why) => expect(timeRangeProblem(text)).toBe(why));

test("a duration is at least a millisecond and at most what a timer can count; a delay may be 0", () => {
  expect(durationProblem("1ms")).toBeUndefined();
  expect(durationProblem("576h")).toBeUndefined();
  expect(durationProblem("577h")).toBe("expected a duration of at most 576h");
  expect(durationProblem("0s")).toBe("expected a duration of at least 1ms");
  expect(durationProblem("0.9ms")).toBe("expected a duration of at least 1ms");
  expect(delayProblem("0")).toBeUndefined();
  expect(delayProblem("0s")).toBeUndefined();
});

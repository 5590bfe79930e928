import { expect, test } from "bun:test";

import { RetryPace } from "../../src/lib/retry-pace.ts";

const delays = (pace: RetryPace, count: number) => Array.from({ length: count }, () => pace.failed());

test("a retry waits twice as long each time, up to the limit, and starts again after a success", () => {
  const pace = new RetryPace(() => 0, 10_000);
  expect(delays(pace, 6)).toEqual([1_000, 2_000, 4_000, 8_000, 10_000, 10_000]);
  expect(pace.failures).toBe(6);
  pace.succeeded();
  expect(delays(pace, 2)).toEqual([1_000, 2_000]);
});

test("a retry waits between half and all of that, by chance", () => {
  expect(delays(new RetryPace(() => 0.5, 10_000), 2)).toEqual([750, 1_500]);
  expect(delays(new RetryPace(() => 1, 10_000), 2)).toEqual([500, 1_000]);
});

test("a retry waits as long as the server asks for, within five minutes", () => {
  const pace = new RetryPace(() => 0, 10_000);
  expect([pace.failed(60_000), pace.failed(1), pace.failed(86_400_000)]).toEqual([60_000, 2_000, 300_000]);
});

test("a thousand failures do not overflow", () => {
  const pace = new RetryPace(() => 0, 10_000);
  expect(delays(pace, 2_000).at(-1)).toBe(10_000);
});

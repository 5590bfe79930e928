import { describe, expect, test } from "bun:test";

import { seededRandom } from "../../src/lib/random.ts";
import { SlidingWindowCounter } from "../../src/lib/rate.ts";

describe("a sliding-window counter", () => {
  test("drops what is older than its window, second by second", () => {
    const count = new SlidingWindowCounter(3_000);
    for (const now of [0, 500, 1_000, 2_999]) count.add(now);
    expect(count.sum(2_999)).toBe(4);
    expect(count.sum(3_000)).toBe(2);
    expect(count.sum(4_000)).toBe(1);
    expect(count.sum(5_000)).toBe(0);
  });

  test("agrees with a list of all moments, with pauses of any length", () => {
    const dice = seededRandom(3);
    const count = new SlidingWindowCounter(10_000);
    const moments: number[] = [];
    let now = 12_345;
    for (let i = 0; i < 5_000; i++) {
      now += dice() < 0.01 ? dice() * 30_000 : dice() * 300;
      count.add(now);
      moments.push(Math.floor(now / 1_000));
      const oldest = Math.floor(now / 1_000) - 10;
      expect(count.sum(now)).toBe(moments.filter((second) => second > oldest).length);
    }
  });

  test("is empty after it was cleared", () => {
    const count = new SlidingWindowCounter(1_000);
    count.add(10);
    count.clear();
    expect(count.sum(10)).toBe(0);
  });
});

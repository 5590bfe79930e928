import { describe, expect, test } from "bun:test";

import { formatDuration, parseDuration } from "../../src/lib/units.ts";
import { PeakEwma } from "../../src/lib/ewma.ts";
import { hashString } from "../../src/lib/hash.ts";
import { isLoopback } from "../../src/net/address.ts";
import { seededRandom } from "../../src/lib/random.ts";
import { rateLimit } from "../../src/lib/rate.ts";

describe("a duration", () => {
  for (const [text, ms] of [
    ["0", 0],
    ["250ms", 250],
    ["1.5s", 1_500],
    ["2m", 120_000],
    ["1h", 3_600_000],
  ] as const) {
    test(`${text} is ${ms} ms`, () => expect(parseDuration(text)).toBe(ms));
  }
  for (const text of ["", "5", "-1s", "1 s", "s", "1d", "1e3s", "0x5s"]) {
    test(`"${text}" is rejected`, () => expect(parseDuration(text)).toBeUndefined());
  }
  test("is formatted so that it parses to the same value", () => {
    for (const ms of [0, 1, 250, 1_000, 1_500, 59_000, 60_000, 90_000, 3_600_000, 5_400_000, 86_400_000]) {
      expect(parseDuration(formatDuration(ms))).toBe(ms);
    }
  });
});

describe("the peak EWMA", () => {
  test("rises at once and falls slowly", () => {
    const average = new PeakEwma(10_000);
    average.record(10, 0);
    average.record(100, 1);
    expect(average.read(1)).toBe(100);
    average.record(10, 2);
    expect(average.read(2)).toBeWithin(95, 100);
  });

  test("decays without new values", () => {
    const average = new PeakEwma(10_000);
    average.record(100, 0);
    expect(average.read(10_000)).toBeCloseTo(36.8, 1);
    expect(average.read(100_000)).toBeLessThan(0.01);
  });
});

describe("hashing", () => {
  test("spreads similar strings over the whole range", () => {
    const quarters = [0, 0, 0, 0];
    for (let i = 0; i < 4_000; i++) {
      const quarter = hashString(`user-${i}`) >>> 30;
      quarters[quarter] = (quarters[quarter] ?? 0) + 1;
    }
    for (const count of quarters) expect(count).toBeWithin(900, 1_100);
  });
});

describe("seeded randomness", () => {
  test("repeats with its seed and covers its range evenly", () => {
    const [one, other, different] = [seededRandom(4), seededRandom(4), seededRandom(5)];
    const drawn = Array.from({ length: 1_000 }, one);
    expect(Array.from({ length: 1_000 }, other)).toEqual(drawn);
    expect(different()).not.toBe(drawn[0]);
    expect(drawn.reduce((sum, value) => sum + value, 0) / 1_000).toBeWithin(0.45, 0.55);
  });
});

describe("a rate limit", () => {
  test("lets a few calls a second pass and counts the rest", () => {
    let now = 0;
    const pass = rateLimit(2, () => now);
    expect([pass(), pass(), pass(), pass()]).toEqual([0, 0, undefined, undefined]);
    now = 1_000;
    expect([pass(), pass()]).toEqual([2, 0]);
  });
});

describe("loopback", () => {
  for (const name of ["localhost", "a.localhost", "127.0.0.1", "127.9.9.9", "::1", "[::1]", "LOCALHOST"]) {
    test(`is ${name}`, () => expect(isLoopback(name)).toBe(true));
  }
  for (const name of ["", "0.0.0.0", "128.0.0.1", "127.0.0.1.evil.example", "localhost.evil.example", "::"]) {
    test(`is not "${name}"`, () => expect(isLoopback(name)).toBe(false));
  }
});

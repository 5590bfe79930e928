import { describe, expect, test } from "bun:test";

import { clockSkew, renewalTime, retryDelay, retryTimeAfterRestart } from "../../src/acme/schedule.ts";

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const dayMs = 24 * hourMs;

describe("a renewal", () => {
  const hosts = Array.from({ length: 1_000 }, (_, index) => `host-${index}.test`);

  for (const [life, lifeMs] of [
    ["90 days", 90 * dayMs],
    ["6 days", 6 * dayMs],
    ["20 seconds", 20_000],
  ] as const) {
    test(`of ${life} comes after two thirds, 5 % earlier or later`, () => {
      const shares = hosts.map((host) => renewalTime({ validFrom: 1_000, expiresAt: 1_000 + lifeMs }, host));
      const [first, last] = [Math.min(...shares), Math.max(...shares)].map((at) => (at - 1_000) / lifeMs);
      expect(first).toBeWithin(2 / 3 - 0.0501, 2 / 3 - 0.045);
      expect(last).toBeWithin(2 / 3 + 0.045, 2 / 3 + 0.0501);
    });
  }

  test("of one host is always at the same time", () => {
    const validity = { validFrom: 0, expiresAt: 90 * dayMs };
    expect(renewalTime(validity, "a.test")).toBe(renewalTime(validity, "a.test"));
    expect(renewalTime(validity, "a.test")).not.toBe(renewalTime(validity, "b.test"));
  });
});

describe("after a failure, the next order waits", () => {
  for (const [failures, expectedMs] of [
    [1, minuteMs],
    [2, 5 * minuteMs],
    [3, 30 * minuteMs],
    [4, 6 * hourMs],
    [5, 6 * hourMs],
    [1_000, 6 * hourMs],
    [0, minuteMs],
  ] as const) {
    test(`${expectedMs / minuteMs} min after ${failures}`, () => {
      expect(retryDelay({ failures }, () => 0.5)).toBe(expectedMs);
      expect(retryDelay({ failures }, () => 0)).toBe(Math.round(expectedMs * 0.9));
      expect(retryDelay({ failures }, () => 1)).toBe(Math.round(expectedMs * 1.1));
    });
  }

  for (const [retryAfterMs, expectedMs] of [
    [0, minuteMs],
    [30_000, minuteMs],
    [hourMs, hourMs],
    [30 * dayMs, 7 * dayMs],
  ] as const) {
    test(`${expectedMs / 1_000} s with a Retry-After of ${retryAfterMs / 1_000} s`, () => {
      expect(retryDelay({ failures: 1, retryAfterMs }, () => 0.5)).toBe(expectedMs);
    });
  }

  test("at least a minute after a restart, or for Retry-After", () => {
    expect(retryTimeAfterRestart(1_000)).toBe(1_000 + minuteMs);
    expect(retryTimeAfterRestart(1_000, hourMs)).toBe(1_000 + hourMs);
  });
});

describe("a new certificate shows a clock that is", () => {
  const validity = { validFrom: 100 * dayMs, expiresAt: 190 * dayMs };
  for (const [now, expected] of [
    [100 * dayMs, undefined],
    [100 * dayMs + hourMs, undefined],
    [100 * dayMs - 1, "behind"],
    [0, "behind"],
    [170 * dayMs, "ahead"],
    [190 * dayMs, "ahead"],
    [1_000 * dayMs, "ahead"],
  ] as const) {
    test(`${expected ?? "right"} on day ${now / dayMs}`, () => {
      expect(clockSkew(validity, "a.test", now)).toBe(expected);
    });
  }
});

import { describe, expect, test } from "bun:test";

import { LoginLimiter } from "../../src/access/login-limiter.ts";

function limit() {
  const time = { now: 0 };
  return { time, limit: new LoginLimiter(() => time.now) };
}

/** Tries until a pause; returns the number of tries and the pause. */
function guess(limited: LoginLimiter, name: (index: number) => string, address: (index: number) => string) {
  for (let tries = 0; ; tries++) {
    const waitMs = limited.begin({ name: name(tries), address: address(tries) });
    if (waitMs > 0) return { tries, waitMs };
  }
}

describe("guessing", () => {
  test("one name's password from many addresses pauses after five failures, each time longer, at most a minute", () => {
    const { time, limit: limited } = limit();
    const at = (index: number) => `10.0.${time.now % 256}.${index}`;
    const pauses: number[] = [];
    for (let round = 0; round < 9; round++) {
      const { tries, waitMs } = guess(limited, () => "ann", at);
      expect(tries).toBe(round === 0 ? 5 : 1);
      pauses.push(waitMs);
      time.now += waitMs;
    }
    expect(pauses).toEqual([1, 2, 4, 8, 16, 32, 60, 60, 60].map((seconds) => seconds * 1_000));
    expect(limited.begin({ name: "bob", address: "10.9.9.9" })).toBe(0);
  });

  test("many names' passwords from one address pauses after ten failures, at most 15 minutes", () => {
    const { time, limit: limited } = limit();
    const pauses: number[] = [];
    for (let round = 0; round < 12; round++) {
      const { tries, waitMs } = guess(limited, (index) => `${round}-${index}`, () => "10.0.0.1"); // prettier-ignore
      expect(tries).toBe(round === 0 ? 10 : 1);
      pauses.push(waitMs / 1_000);
      time.now += waitMs;
    }
    expect(pauses).toEqual([1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900]);
  });

  test("from one IPv6 network counts as one address", () => {
    const { limit: limited } = limit();
    const at = (index: number) => `2001:db8:0:7:${index.toString(16)}::1`;
    expect(guess(limited, (index) => `n${index}`, at).tries).toBe(10);
    expect(limited.begin({ name: "x", address: "2001:db8:0:8::1" })).toBe(0);
    expect(limited.begin({ name: "y", address: "2001:db8::7:0:0:0:1" })).toBe(0);
  });

  test("many times at once does not pass the limit: each attempt counts before its outcome is known", () => {
    const { limit: limited } = limit();
    const waits = Array.from({ length: 20 }, () => limited.begin({ name: "ann", address: "10.0.0.1" }));
    expect(waits.filter((waitMs) => waitMs === 0)).toHaveLength(5);
  });

  test("is forgotten for the name after a success, and entirely after an hour", () => {
    const { time, limit: limited } = limit();
    const ann = { name: "ann", address: "10.0.0.1" };
    for (let index = 0; index < 4; index++) limited.begin(ann);
    limited.begin(ann);
    limited.succeed(ann);
    // Four failures of the address still count.
    const second = guess(limited, (index) => `n${index}`, () => "10.0.0.1"); // prettier-ignore
    expect(second.tries).toBe(6);
    time.now = 3_600_000;
    expect(guess(limited, () => "ann", () => "10.0.0.1").tries).toBe(5); // prettier-ignore
  });

  test("with always new names and addresses uses bounded memory", () => {
    const { limit: limited } = limit();
    for (let index = 0; index < 30_000; index++) {
      limited.begin({ name: `${index}`.repeat(50), address: `10.${index}` });
    }
    expect(limited.size).toBeLessThanOrEqual(10_000);
  });
});

import { describe, expect, test } from "bun:test";

import { RateLimiter, TableSpace } from "../../src/filter/rate-limiter.ts";

interface Limit {
  readonly perSecond: number;
  readonly burst: number;
  readonly maxKeys?: number;
  readonly space?: TableSpace;
}

function setUp({ perSecond, burst, maxKeys = 1_024, space = new TableSpace() }: Limit) {
  const time = { now: 1_000 };
  const evictions = { count: 0 };
  const limiter = new RateLimiter({
    clock: () => time.now,
    perMs: perSecond / 1_000,
    burst,
    maxKeys,
    space,
    onEviction: () => void (evictions.count += 1),
  });
  /** Whether the request passes. */
  const ask = (key: string) => {
    if (limiter.waitMs(key) > 0) return false;
    limiter.take();
    return true;
  };
  return { limiter, time, evictions, ask };
}

describe("a rate limit", () => {
  test("lets the burst pass at once, then one request in each interval", () => {
    const { ask, time, limiter } = setUp({ perSecond: 2, burst: 3 });
    expect([1, 2, 3, 4].map(() => ask("a"))).toEqual([true, true, true, false]);
    expect(limiter.waitMs("a")).toBe(500);
    time.now += 499;
    expect(ask("a")).toBe(false);
    time.now += 1;
    expect([ask("a"), ask("a")]).toEqual([true, false]);
    time.now += 100_000;
    expect([1, 2, 3, 4].map(() => ask("a"))).toEqual([true, true, true, false]);
  });

  test("admits over any time no more than burst and rate allow, whatever the pattern", () => {
    const { ask, time } = setUp({ perSecond: 10, burst: 5 });
    let passed = 0;
    for (let i = 0; i < 10_000; i++) {
      time.now += (i * 7919) % 13;
      if (ask("a")) passed += 1;
    }
    const seconds = (time.now - 1_000) / 1_000;
    expect(passed).toBeLessThanOrEqual(5 + seconds * 10);
    expect(passed).toBeGreaterThan(seconds * 10 * 0.98);
  });

  test("counts each key alone, and a refused request costs nothing", () => {
    const { ask, time } = setUp({ perSecond: 1, burst: 1 });
    expect([ask("a"), ask("b"), ask("a")]).toEqual([true, true, false]);
    for (let i = 0; i < 50; i++) ask("a");
    time.now += 1_000;
    expect([ask("a"), ask("b")]).toEqual([true, true]);
  });

  test("tells what is left and when it is full", () => {
    const { ask, limiter } = setUp({ perSecond: 1, burst: 5 });
    ask("a");
    expect([limiter.left, limiter.fullInSeconds]).toEqual([4, 1]);
    ask("a");
    ask("a");
    expect([limiter.left, limiter.fullInSeconds]).toEqual([2, 3]);
  });

  test("looking a key up takes nothing", () => {
    const { limiter } = setUp({ perSecond: 1, burst: 1 });
    expect([1, 2, 3].map(() => limiter.waitMs("a"))).toEqual([0, 0, 0]);
  });
});

describe("the table of a rate limit", () => {
  test("keeps its size under a million keys, forgets those that have most left, and counts them", () => {
    const { limiter, ask, evictions, time } = setUp({ perSecond: 1, burst: 4, maxKeys: 65_536 });
    // This client has used all of its burst and goes on.
    for (let i = 0; i < 4; i++) ask("flooder");
    let flooderPassed = 0;
    for (let i = 0; i < 1_000_000; i++) {
      ask(`client ${i}`);
      if (i % 1_000 === 0 && ask("flooder")) flooderPassed += 1;
    }
    expect(flooderPassed).toBe(0);
    expect(limiter.places).toBe(65_536);
    expect(evictions.count).toBeGreaterThan(900_000);
    // Full buckets are no evictions.
    time.now += 60_000;
    const before = evictions.count;
    for (let i = 0; i < 10_000; i++) ask(`other ${i}`);
    expect(evictions.count).toBe(before);
  });

  test("grows only with the keys that it has, without losing one", () => {
    const { limiter, ask, evictions } = setUp({ perSecond: 1, burst: 1, maxKeys: 1_000_000 });
    expect(limiter.places).toBe(0);
    const keys = Array.from({ length: 20_000 }, (_, index) => `key ${index}`);
    expect(keys.every((key) => ask(key))).toBe(true);
    expect(keys.some((key) => ask(key))).toBe(false);
    expect(evictions.count).toBe(0);
    expect(limiter.places).toBeLessThanOrEqual(131_072);
  });

  test("a bucket that is full again gives its place away, and a later one of the same key counts", () => {
    const { limiter, ask, time } = setUp({ perSecond: 1, burst: 1, maxKeys: 16 });
    for (let round = 0; round < 200; round++) {
      expect([ask("a"), ask("a")]).toEqual([true, false]);
      for (let i = 0; i < 5; i++) ask(`${round} ${i}`);
      time.now += 1_000;
    }
    expect(limiter.places).toBe(16);
  });

  test("the tables of a process share their space, and give it back", () => {
    const space = new TableSpace(256);
    const first = setUp({ perSecond: 1, burst: 1, maxKeys: 65_536, space });
    for (let i = 0; i < 5_000; i++) first.ask(`key ${i}`);
    expect(first.limiter.places).toBe(256);
    expect(first.evictions.count).toBeGreaterThan(4_000);
    const second = setUp({ perSecond: 1, burst: 1, maxKeys: 65_536, space });
    // It works all the same, with the smallest table.
    expect([second.ask("a"), second.ask("a"), second.limiter.places]).toEqual([true, false, 64]);
    first.limiter.release();
    for (let i = 0; i < 1_000; i++) second.ask(`key ${i}`);
    expect(second.limiter.places).toBeGreaterThan(64);
  });
});

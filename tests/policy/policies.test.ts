import { describe, expect, test } from "bun:test";

import { create } from "../laws/policy-laws.ts";
import { countsOf, upstreamsOf } from "../support/upstreams.ts";

describe("least connections", () => {
  test("picks the least loaded upstream relative to its weight", () => {
    const [a, b, c] = upstreamsOf([1, 2, 1]);
    if (!a || !b || !c) throw new Error("three upstreams are expected");
    [a.inFlight, b.inFlight, c.inFlight] = [2, 3, 2];
    expect(create("least-connections").pick([a, b, c], "")).toBe(b);
  });

  test("alternates between tied upstreams", () => {
    const available = upstreamsOf([1, 1, 1]);
    const policy = create("least-connections");
    expect(countsOf(Array.from({ length: 30 }, () => policy.pick(available, "")))).toEqual({
      a: 10,
      b: 10,
      c: 10,
    });
  });
});

describe("random", () => {
  test("picks in proportion to weights", () => {
    const available = upstreamsOf([6, 3, 1]);
    const policy = create("random");
    const counts = countsOf(Array.from({ length: 10_000 }, () => policy.pick(available, "")));
    expect(counts["a"]).toBeWithin(5_800, 6_200);
    expect(counts["b"]).toBeWithin(2_800, 3_200);
    expect(counts["c"]).toBeWithin(850, 1_150);
  });
});

describe("p2c", () => {
  test("sends one request to an unmeasured upstream, not all", () => {
    const available = upstreamsOf([1, 1, 1]);
    const [fresh, ...measured] = available;
    if (!fresh) throw new Error("three upstreams are expected");
    for (const upstream of measured) upstream.latency.record(50, 0);
    const policy = create("p2c");
    let probing = 0;
    for (let i = 0; i < 300; i++) {
      const picked = policy.pick(available, "");
      picked.inFlight += 1;
      if (picked === fresh) probing += 1;
      else picked.inFlight -= 1;
    }
    expect(probing).toBe(1);
  });

  test("picks both upstreams of a pair equally often, and every pair", () => {
    const available = upstreamsOf([1, 1, 1, 1]);
    for (const upstream of available) upstream.latency.record(10, 0);
    const policy = create("p2c");
    const counts = countsOf(Array.from({ length: 12_000 }, () => policy.pick(available, "")));
    for (const { id } of available) expect(counts[id]).toBeWithin(2_700, 3_300);
  });

  test("never picks the most expensive upstream", () => {
    const available = upstreamsOf([1, 1, 1]);
    available.forEach((upstream, index) => upstream.latency.record((index + 1) * 10, 0));
    const policy = create("p2c");
    const counts = countsOf(Array.from({ length: 1_000 }, () => policy.pick(available, "")));
    expect(counts["c"]).toBeUndefined();
  });
});

describe("hash", () => {
  const keys = Array.from({ length: 4_000 }, (_, i) => `key-${i}`);

  test("sends a key to the same upstream each time, in any order of the list", () => {
    const available = upstreamsOf([1, 2, 3]);
    const [one, other] = [create("hash"), create("hash", undefined, 99)];
    for (const key of keys) expect(one.pick(available, key)).toBe(other.pick(available.toReversed(), key));
  });

  test("moves only the keys of a removed upstream", () => {
    const available = upstreamsOf([1, 1, 1, 1]);
    const policy = create("hash");
    const [gone, ...remaining] = available;
    for (const key of keys) {
      const before = policy.pick(available, key);
      if (before !== gone) expect(policy.pick(remaining, key)).toBe(before);
    }
  });

  test("spreads keys in proportion to weights", () => {
    const available = upstreamsOf([1, 1, 2]);
    const policy = create("hash");
    const counts = countsOf(keys.map((key) => policy.pick(available, key)));
    expect(counts["a"]).toBeWithin(880, 1_120);
    expect(counts["c"]).toBeWithin(1_880, 2_120);
  });
});

describe("first", () => {
  test("takes the first of the list", () => {
    const available = upstreamsOf([1, 9]);
    expect(create("first").pick(available, "")).toBe(available[0] as never);
  });
});

import { describe, expect, spyOn, test } from "bun:test";

import { seededRandom } from "../../src/lib/random.ts";
import { policyEntry } from "../../src/policy/policies.ts";
import { Pool } from "../../src/pool/pool.ts";
import { completed } from "../../src/pool/outcome.ts";
import type { Upstream } from "../../src/pool/upstream.ts";
import { createPoolFixture } from "../support/pool-fixture.ts";
import { countsOf, upstreamOf, upstreamsOf } from "../support/upstreams.ts";

function poolOf(upstreams: readonly Upstream[]): Pool {
  const random = seededRandom(5);
  const policy = policyEntry("round-robin").create({ random, clock: () => 0 });
  return new Pool({ name: "main", policy, upstreams, random, clock: () => 0 });
}

const ids = (upstreams: readonly Upstream[]) => upstreams.map(({ id }) => id).join("");

function passingPool(weights: readonly number[]): { pool: Pool; all: Upstream[] } {
  const all = upstreamsOf(weights);
  const pool = poolOf(all);
  for (const upstream of all) pool.recordProbe(upstream, true);
  return { pool, all };
}

describe("a pool", () => {
  test("lets unprobed upstreams serve only while no probe has passed", () => {
    const all = upstreamsOf([1, 1, 1]);
    const pool = poolOf(all);
    expect(ids(pool.available)).toBe("abc");
    pool.recordProbe(all[1] as Upstream, true);
    expect(ids(pool.available)).toBe("b");
  });

  test("does not let failing, draining, maintenance or zero-weight upstreams serve", () => {
    const { pool, all } = passingPool([1, 1, 1, 0, 1]);
    const [a, b, c] = all as [Upstream, Upstream, Upstream];
    for (let i = 0; i < 3; i++) pool.recordProbe(a, false);
    pool.setMode(b, "draining");
    pool.setMode(c, "maintenance");
    expect(ids(pool.available)).toBe("e");
  });

  test("uses backups when no primary is available, and returns to primaries", () => {
    const primary = upstreamOf("p");
    const backup = upstreamOf("b", 1, true);
    const pool = poolOf([backup, primary]);
    for (const upstream of [primary, backup]) pool.recordProbe(upstream, true);
    expect(ids(pool.available)).toBe("p");
    pool.setMode(primary, "draining");
    expect(ids(pool.available)).toBe("b");
    pool.setMode(primary, "ready");
    expect(ids(pool.available)).toBe("p");
  });

  test("returns the same list until a change", () => {
    const { pool, all } = passingPool([1, 1]);
    const { available } = pool;
    pool.recordProbe(all[0] as Upstream, true);
    expect(pool.setMode(all[0] as Upstream, "ready")).toBe(false);
    expect(pool.available).toBe(available);
    pool.setMode(all[0] as Upstream, "draining");
    expect(pool.available).not.toBe(available);
  });

  test("selects no upstream when none is available or all were tried", () => {
    const { pool, all } = passingPool([1, 1]);
    expect(pool.select("", all)).toBeUndefined();
    for (const upstream of all) pool.setMode(upstream, "maintenance");
    expect(pool.select("", [])).toBeUndefined();
  });

  test("passes policies a new list when weights or upstreams change, and only then", () => {
    const { pool, all } = passingPool([1, 1]);
    const [a, b] = all as [Upstream, Upstream];
    const { available } = pool;
    expect(pool.adjust(a, { weight: 1, backup: false })).toBe(false);
    expect(pool.available).toBe(available);
    expect(pool.adjust(a, { weight: 3, backup: false })).toBe(true);
    expect(pool.available).not.toBe(available);
    const picks = Array.from({ length: 8 }, () => pool.select("", []) as Upstream);
    expect(countsOf(picks)).toEqual({ a: 6, b: 2 });
    pool.adjust(a, { weight: 3, backup: true });
    expect(ids(pool.available)).toBe("b");
    pool.setUpstreams([a]);
    expect(pool.upstreams).toEqual([a]);
    expect(ids(pool.available)).toBe("a");
    pool.setUpstreams([b]);
    expect(ids(pool.available)).toBe("b");
  });

  test("sends retries to the less loaded for its weight", () => {
    const { pool, upstreams, startAttempt } = createPoolFixture({ weights: [1, 1, 4] });
    const [first, light, heavy] = upstreams as [Upstream, Upstream, Upstream];
    const retries = () => countsOf(Array.from({ length: 50 }, () => pool.select("", [first]) as Upstream));
    startAttempt(light);
    for (let i = 0; i < 3; i++) startAttempt(heavy);
    expect(retries()).toEqual({ c: 50 });
    for (let i = 0; i < 2; i++) startAttempt(heavy);
    expect(retries()).toEqual({ b: 50 });
  });

  test("counts the reduced weight of a slow start for retries", () => {
    const { pool, upstreams, startAttempt } = createPoolFixture();
    const [first, recovered, other] = upstreams as [Upstream, Upstream, Upstream];
    for (let i = 0; i < 3; i++) pool.recordProbe(recovered, false);
    for (let i = 0; i < 2; i++) pool.recordProbe(recovered, true);
    expect(recovered.effectiveWeight).toBeLessThan(1);
    startAttempt(recovered);
    for (let i = 0; i < 2; i++) startAttempt(other);
    for (let i = 0; i < 20; i++) expect(pool.select("", [first])).toBe(other);
  });

  test("sends retries and overflow of a hash key to its next choice, the same each time", () => {
    const { pool, upstreams, startAttempt } = createPoolFixture({
      weights: [1, 1, 1, 1, 1],
      policy: "hash",
      limits: { maxInFlight: 1 },
    });
    const seconds = new Set<string>();
    for (let i = 0; i < 200; i++) {
      const key = `key-${i}`;
      const first = pool.select(key, []) as Upstream;
      const second = pool.select(key, [first]) as Upstream;
      const third = pool.select(key, [first, second]) as Upstream;
      expect(new Set([first, second, third]).size).toBe(3);
      for (let again = 0; again < 3; again++) {
        expect(pool.select(key, [first])).toBe(second);
        expect(pool.select(key, [second, first])).toBe(third);
      }
      seconds.add(`${first.id}${second.id}`);
      const [filling, next] = [startAttempt(first), pool.select(key, [])];
      expect(next).toBe(second);
      filling.end(completed);
      pool.setMode(first, "draining");
      expect(pool.select(key, [])).toBe(second);
      pool.setMode(first, "ready");
    }
    // What one upstream cannot take spreads over all others.
    expect(seconds.size).toBe(20);
    expect(upstreams.every(({ inFlight }) => inFlight === 0)).toBe(true);
  });

  test("is asked whether it is down after each check without building its list", () => {
    const all = upstreamsOf(Array.from({ length: 50 }, () => 1));
    const pool = poolOf(all);
    const last = all.at(-1);
    if (!last) throw new Error("no upstream");
    const built = spyOn(last.slowStart, "advance");
    for (const upstream of all) {
      pool.recordProbe(upstream, upstream !== last);
      expect(pool.isDown).toBe(false);
    }
    expect(built).not.toHaveBeenCalled();
    for (const upstream of all) for (let i = 0; i < 3; i++) pool.recordProbe(upstream, false);
    expect(pool.isDown).toBe(true);
    pool.recordProbe(last, true);
    pool.setMode(last, "maintenance");
    expect(pool.isDown).toBe(true);
    pool.setMode(last, "ready");
    expect(pool.isDown).toBe(false);
  });

  test("uses a new policy from the next selection on", () => {
    const { pool } = passingPool([1, 1]);
    pool.setPolicy(policyEntry("first").create({ random: seededRandom(1), clock: () => 0 }));
    expect(ids([1, 2, 3].map(() => pool.select("", []) as Upstream))).toBe("aaa");
  });

  test("a retry takes no turn: with one dead upstream of three the other two get equal shares", () => {
    const { pool, all } = passingPool([1, 1, 1]);
    const [dead] = all as [Upstream];
    const served: Upstream[] = [];
    for (let i = 0; i < 3_000; i++) {
      const first = pool.select("", []) as Upstream;
      served.push(first === dead ? (pool.select("", [dead]) as Upstream) : first);
    }
    const counts = countsOf(served);
    expect(counts["a"]).toBeUndefined();
    expect(Math.abs((counts["b"] ?? 0) - (counts["c"] ?? 0))).toBeLessThan(150);
  });

  test("retries on the upstream with fewer requests in flight", () => {
    const { pool, all } = passingPool([1, 1, 1]);
    const [a, b, c] = all as [Upstream, Upstream, Upstream];
    b.inFlight = 9;
    for (let i = 0; i < 20; i++) expect(pool.select("", [a])).toBe(c);
  });
});

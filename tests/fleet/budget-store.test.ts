import { describe, expect, test } from "bun:test";

import type { BudgetAsk } from "../../src/filter/budget.ts";
import { StoredBudgets } from "../../src/fleet/budget-store.ts";
import { FleetStores } from "../support/fleet-store.ts";
import { hasRedis, RedisServer } from "../support/redis-server.ts";

/** So slow that no token comes during a test: an hour for each. */
const intervalMs = 3_600_000;

function askFor(key: string, { spent = 0, wanted = 0 }: { spent?: number; wanted?: number }): BudgetAsk {
  return { key, intervalMs, capacityMs: 10 * intervalMs, spent, wanted };
}

async function setUp(stores: FleetStores, redis: RedisServer) {
  const budgets = new StoredBudgets(await stores.open(redis.port), () => 3);
  /** Tokens that are granted, and those that are missing in the bucket afterwards. */
  const ask = async (...asks: BudgetAsk[]) =>
    (await budgets.exchange(asks)).answers.map(({ granted, fullInMs }) => [
      granted,
      Math.max(0, Math.ceil(fullInMs / intervalMs - 0.01)),
    ]);
  return { budgets, ask };
}

describe.if(hasRedis)("the buckets of shared limits", () => {
  test("grant what is there, take what was spent in any case, and take tokens back", async () => {
    await using redis = await RedisServer.start();
    using stores = new FleetStores();
    const { budgets, ask } = await setUp(stores, redis);
    expect(await ask(askFor("a", { wanted: 4 }), askFor("b", { wanted: 25 }))).toEqual([
      [4, 4],
      [10, 10],
    ]);
    // A debt, and what two processes ask for in one call.
    expect(await ask(askFor("a", { spent: 8, wanted: 3 }))).toEqual([[0, 12]]);
    expect(await ask(askFor("b", { spent: -3 }), askFor("b", { wanted: 5 }))).toEqual([
      [0, 7],
      [3, 10],
    ]);
    // More than there was taken is not in it.
    expect(await ask(askFor("b", { spent: -50 }), askFor("b", { wanted: 50 }))).toEqual([
      [0, 0],
      [10, 10],
    ]);
    expect((await budgets.exchange([])).peers).toBe(3);
  });

  test("end when they are full, and no debt is without bounds", async () => {
    await using redis = await RedisServer.start();
    using stores = new FleetStores();
    const { ask } = await setUp(stores, redis);
    await ask(askFor("a", { wanted: 2 }));
    const lifeMs = Number(redis.command("PTTL", "ek:{test}:rl:a"));
    expect(lifeMs).toBeGreaterThan(1.9 * intervalMs);
    expect(lifeMs).toBeLessThanOrEqual(2 * intervalMs + 1);
    await ask(askFor("a", { spent: -2 }));
    expect(redis.command("EXISTS", "ek:{test}:rl:a")).toBe("0");
    const [[, missing] = []] = await ask(askFor("a", { spent: 1_000_000 }));
    expect(missing).toBe(20);
  });

  test("are full after the store has lost them, or has rubbish in their place", async () => {
    await using redis = await RedisServer.start();
    using stores = new FleetStores();
    const { ask } = await setUp(stores, redis);
    const empty = () => ask(askFor("a", { wanted: 10 }));
    await empty();
    expect(await ask(askFor("a", { wanted: 1 }))).toEqual([[0, 10]]);
    redis.command("FLUSHALL");
    expect(await empty()).toEqual([[10, 10]]);
    for (const value of ["", "rubbish", "nan", "-inf", "1"]) {
      redis.command("SET", "ek:{test}:rl:a", value);
      expect(await empty()).toEqual([[10, 10]]);
    }
    redis.command("DEL", "ek:{test}:rl:a");
    redis.command("LPUSH", "ek:{test}:rl:a", "x");
    expect(await empty()).toEqual([[10, 10]]);
    // A time that is much too late closes the key no longer than twice its window.
    redis.command("SET", "ek:{test}:rl:a", "1e300");
    expect(await ask(askFor("a", { wanted: 1 }))).toEqual([[0, 20]]);
  });
});

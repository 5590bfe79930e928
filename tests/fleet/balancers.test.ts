import { describe, expect, test } from "bun:test";

import { hasRedis } from "../support/redis-server.ts";
import { TestFleet } from "../support/fleet.ts";
import { until } from "../support/wait.ts";

describe.if(hasRedis)("three balancers", () => {
  test("share an order, with the name of the balancer where it was given", async () => {
    await using fleet = await TestFleet.start();
    const [a, b, c] = ["a", "b", "c"].map((name) => fleet.get(name));
    if (!a || !b || !c) throw new Error("no members");
    const answer = await a.setMode("s1", "draining", "new disk");
    expect(answer).toMatchObject({ mode: "draining", shared: true });
    for (const other of [b, c]) {
      await until(async () => (await other.upstream("s1")).mode === "draining");
      const { modeSet } = await other.upstream("s1");
      expect(modeSet).toMatchObject({ by: "api at a", why: "new disk" });
    }
    await c.setMode("s1", "ready");
    await until(async () => (await a.upstream("s1")).mode === "ready");
    await until(async () => (await b.upstream("s1")).mode === "ready");
  });
});

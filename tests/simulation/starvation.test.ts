import { describe, expect, test } from "bun:test";

import { policyNames } from "../../src/policy/policies.ts";
import { well, World } from "./world.ts";

/** The share of each upstream over the next seconds. */
function sharesOf(world: World, perSecond: number, seconds: number): number[] {
  world.tally();
  world.load(perSecond, seconds);
  const counts = world.tally();
  const sum = counts.reduce((total, count) => total + count, 0);
  return counts.map((count) => count / sum);
}

describe("anti-starvation", () => {
  for (const policy of policyNames.filter((name) => name !== "first" && name !== "hash")) {
    for (const perSecond of [50, 500]) {
      test(`a killed server that comes back has its fair share again, under ${policy} at ${perSecond} a second`, () => {
        const world = new World({ servers: [well(20), well(20), well(20)], policy });
        world.load(perSecond, 10);
        world.kill(0);
        world.load(perSecond, 20);
        world.become(0, well(20));
        world.load(perSecond, 100);
        expect(world.upstreams[0]?.status).toBe("passing");
        expect(sharesOf(world, perSecond, 30)[0]).toBeWithin(0.28, policy === "p2c" ? 0.45 : 0.39);
        expect(world.errors).toEqual({});
      });
    }
  }

  for (const perSecond of [50, 500]) {
    test(`a server that was slow for a while has its fair share again, under p2c at ${perSecond} a second`, () => {
      const world = new World({ servers: [well(20), well(20), well(20)], policy: "p2c" });
      world.load(perSecond, 10);
      world.become(0, well(2_000));
      expect(sharesOf(world, perSecond, 30)[0]).toBeLessThan(0.1);
      world.become(0, well(20));
      world.load(perSecond, 60);
      expect(sharesOf(world, perSecond, 30)[0]).toBeWithin(0.28, 0.39);
    });
  }

  test("a new and unmeasured server gets its share from the start, and is not flooded", () => {
    const world = new World({ servers: [well(20), well(20), well(20)], policy: "p2c" });
    world.pool.setMode(world.upstreams[2] as never, "maintenance");
    world.load(500, 30);
    world.pool.setMode(world.upstreams[2] as never, "ready");
    expect(sharesOf(world, 500, 30)[2]).toBeWithin(0.25, 0.42);
  });
});

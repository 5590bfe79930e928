import { describe, expect, test } from "bun:test";

import { failure } from "../../src/pool/outcome.ts";
import { dead, resetting, well, World } from "./world.ts";

const healthy = (meanMs = 20) => [well(meanMs), well(meanMs), well(meanMs)];

describe("one of three killed under load", () => {
  for (const perSecond of [100, 1_000, 10_000]) {
    for (const meanMs of [5, 50]) {
      const seconds = perSecond === 10_000 ? 3 : 20;
      test(`costs no client an error at ${perSecond} requests a second of ${meanMs} ms, warm`, () => {
        const world = new World({ servers: healthy(meanMs), limits: { maxInFlight: 10_000 } });
        world.load(perSecond, seconds / 2);
        world.after(seconds * 200, () => world.kill(1));
        world.load(perSecond, seconds);
        world.run();
        expect(world.errors).toEqual({});
        expect(world.succeeded).toBe(world.requests);
        expect(world.attempts / world.requests).toBeLessThan(1.02);
      });

      test(`costs no client an error at ${perSecond} requests a second of ${meanMs} ms, within the first moments`, () => {
        for (const afterMs of [1, 10, 30, 100, 300]) {
          const limits = { maxInFlight: 10_000 };
          const world = new World({ servers: healthy(meanMs), seed: afterMs, limits });
          world.after(afterMs, () => world.kill(1));
          world.load(perSecond, 1);
          world.run();
          expect(world.errors).toEqual({});
        }
      });
    }
  }

  test("costs no client an error when idle clients come all at once and it died unseen", () => {
    // More would not fit into the two that are left, with 256 in flight each.
    for (const count of [3, 30, 300, 500]) {
      const world = new World({ servers: healthy() });
      world.kill(0);
      world.burst(count);
      world.run();
      expect(world.errors).toEqual({});
    }
  });

  test("costs no client an error when it dies with all that the others have room for, answered slowly", () => {
    const world = new World({ servers: healthy(2_000) });
    world.burst(500);
    world.after(100, () => world.kill(2));
    world.run();
    expect(world.errors).toEqual({});
  });

  test("costs no client an error when two die and only one of them may be ejected", () => {
    const world = new World({ servers: healthy(), retries: 2 });
    world.load(1_000, 5);
    world.kill(0);
    world.load(1_000, 0.2);
    world.become(1, dead);
    world.load(1_000, 5);
    world.run();
    expect(world.errors).toEqual({});
  });
});

describe("a retry storm", () => {
  /** Three a second are always allowed, for a minute and the ten seconds before it. */
  const always = 3 * 70;

  for (const [name, server] of [
    ["refuses", dead],
    ["resets", resetting],
    ["answers late and then resets", () => ({ afterMs: 500, end: failure("head", "upstream_reset") })],
  ] as const) {
    test(`does not come of one of three that ${name}: at most 1.2 attempts a request over the whole run`, () => {
      for (const perSecond of [20, 200, 2_000]) {
        const world = new World({ servers: [server, ...healthy().slice(1)] });
        world.load(perSecond, 60);
        world.run();
        expect(world.attempts / world.requests).toBeLessThanOrEqual(1.2);
        expect(world.errors).toEqual({});
      }
    });
  }

  test("does not come either where nobody may be ejected", () => {
    const world = new World({ servers: [resetting, ...healthy().slice(1)], maxEjectedShare: 0 });
    world.load(500, 60);
    world.run();
    expect(world.received).toBeLessThanOrEqual(1.2 * world.requests + always);
    expect(Object.keys(world.errors)).toEqual(["upstream_reset retry_budget"]);
  });

  test("does not come when everything fails: the budget holds with two retries as with one", () => {
    for (const retries of [1, 2]) {
      const world = new World({ servers: [resetting, resetting, resetting], retries, maxEjectedShare: 0 });
      world.load(1_000, 60);
      world.run();
      expect(world.received).toBeLessThanOrEqual(1.2 * world.requests + always);
      expect(world.errors["upstream_reset retry_budget"]).toBeGreaterThan(0.7 * world.requests);
    }
  });
});

describe("a budget", () => {
  test("lets pools with little traffic retry too: three a second", () => {
    const world = new World({ servers: [resetting, well(5)], maxEjectedShare: 0 });
    world.load(5, 60);
    world.run();
    expect(world.errors).toEqual({});
  });

  test("that is spent comes back as soon as upstreams are well again", () => {
    const world = new World({ servers: [resetting, resetting], maxEjectedShare: 0 });
    world.load(300, 20);
    expect(world.budget?.balance ?? 0).toBeLessThan(70);
    for (const index of [0, 1]) world.become(index, well(5));
    world.load(300, 11);
    expect(world.budget?.balance).toBeGreaterThan(500);
  });
});

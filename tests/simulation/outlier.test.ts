import { describe, expect, test } from "bun:test";

import { policyNames } from "../../src/policy/policies.ts";
import { failure } from "../../src/pool/outcome.ts";
import { dead, resetting, type Server, well, World } from "./world.ts";

const healthy = [well(20), well(20), well(20)];

/** Resets every second request. */
function flapping(): Server {
  let count = 0;
  const response = well(20);
  return (dice) => (count++ % 2 === 0 ? resetting(dice) : response(dice));
}

describe("an upstream that turns bad under load", () => {
  for (const [name, server] of [
    ["refuses", dead],
    ["resets", resetting],
    ["hangs until a timeout", () => ({ afterMs: 3_000, end: failure("head", "head_timeout") })],
  ] as const) {
    for (const policy of policyNames.filter((name) => name !== "first" && name !== "hash")) {
      test(`and ${name} is out within a few requests, under ${policy}`, () => {
        const world = new World({ servers: healthy, policy });
        world.load(300, 10);
        world.become(0, server);
        world.load(300, 5);
        // Latency-aware choices shun it after the first failure, so that five in a row may take their time.
        if (policy !== "p2c") expect(world.upstreams[0]?.status).toBe("ejected");
        world.tally();
        world.load(300, 20);
        expect(world.tally()[0]).toBeLessThanOrEqual(policy === "p2c" ? 5 : 0);
        world.run();
        expect(world.errors).toEqual({});
        expect(world.upstreams.every(({ inFlight }) => inFlight === 0)).toBe(true);
      });
    }
  }

  test("for good is asked once per ejection, and ever more seldom", () => {
    const world = new World({ servers: healthy });
    world.become(0, dead);
    const trials: number[] = [];
    for (let second = 0; second < 1_200; second++) {
      world.load(100, 1);
      if ((world.tally()[0] ?? 0) > 0) trials.push(second);
    }
    expect(trials.length).toBeLessThanOrEqual(11);
    const waits = trials.slice(1).map((second, i) => second - (trials[i] ?? 0));
    for (const [i, wait] of waits.entries()) expect(Math.abs(wait - 30 * (i + 1))).toBeLessThanOrEqual(1);
    expect(world.errors).toEqual({});
  });

  test("with half of its answers is out by ratio, though never five in a row", () => {
    const world = new World({ servers: healthy });
    world.load(300, 5);
    world.become(1, flapping());
    world.load(300, 15);
    expect(world.upstreams[1]?.outlier.reason).toBe("failure_ratio");
    expect(world.errors).toEqual({});
  });

  test("with one answer in ten stays, since retries hide that", () => {
    const world = new World({ servers: healthy });
    const response = well(20);
    world.become(1, (dice) => (dice() < 0.1 ? resetting(dice) : response(dice)));
    world.load(500, 120);
    expect(world.upstreams[1]?.status).toBe("passing");
    world.run();
    expect(world.errors).toEqual({});
    expect(world.succeeded).toBe(world.requests);
  });

  test("like all the others never empties the pool", () => {
    const world = new World({ servers: [well(5, 503), well(5, 503), well(5, 503), well(5, 503)] });
    for (let second = 0; second < 300; second++) {
      world.load(200, 1);
      const ejected = world.upstreams.filter(({ outlier }) => outlier.state === "ejected").length;
      expect(ejected).toBeLessThanOrEqual(2);
      expect(world.pool.available.length).toBeGreaterThanOrEqual(2);
    }
    world.run();
    expect(world.errors["no_upstream"]).toBeUndefined();
  });
});

describe("a slow start", () => {
  test("brings a recovered upstream from a tenth to its whole share within 30 s, and not faster", () => {
    const world = new World({ servers: healthy });
    world.load(600, 5);
    world.kill(0);
    world.load(600, 10);
    world.become(0, well(20));
    while (world.upstreams[0]?.status !== "passing") world.load(600, 0.1);
    world.tally();
    const shares: number[] = [];
    for (let second = 0; second < 36; second += 3) {
      world.load(600, 3);
      const counts = world.tally();
      shares.push((counts[0] ?? 0) / counts.reduce((sum, count) => sum + count, 0));
    }
    // 0.1 ÷ 2.1 at first, one third at the end.
    expect(shares[0]).toBeWithin(0.03, 0.1);
    for (let i = 1; i < 10; i++) expect(shares[i] ?? 0).toBeGreaterThan((shares[i - 1] ?? 0) - 0.005);
    expect(shares[5]).toBeWithin(0.18, 0.26);
    expect(shares.at(-1)).toBeWithin(0.32, 0.345);
    expect(world.errors).toEqual({});
  });
});

import { describe, expect, test } from "bun:test";

import { policyNames } from "../../src/policy/policies.ts";
import { failure } from "../../src/pool/outcome.ts";
import { dead, resetting, type Server, responsive, Simulation } from "./simulation.ts";

const healthy = [responsive(20), responsive(20), responsive(20)];

/** Resets every second request. */
function flapping(): Server {
  let count = 0;
  const response = responsive(20);
  return (dice) => (count++ % 2 === 0 ? resetting(dice) : response(dice));
}

describe("an upstream that starts to fail under load", () => {
  for (const [name, server] of [
    ["refuses connections", dead],
    ["resets connections", resetting],
    ["hangs until a timeout", () => ({ afterMs: 3_000, end: failure("head", "head_timeout") })],
  ] as const) {
    for (const policy of policyNames.filter((name) => name !== "first" && name !== "hash")) {
      test(`and ${name} is ejected within a few requests, under ${policy}`, () => {
        const simulation = new Simulation({ servers: healthy, policy });
        simulation.load(300, 10);
        simulation.setServer(0, server);
        simulation.load(300, 5);
        // Latency-aware policies avoid it after the first failure, so that five failures in a row take longer.
        if (policy !== "p2c") expect(simulation.upstreams[0]?.status).toBe("ejected");
        simulation.takeAttemptCounts();
        simulation.load(300, 20);
        expect(simulation.takeAttemptCounts()[0]).toBeLessThanOrEqual(policy === "p2c" ? 5 : 0);
        simulation.run();
        expect(simulation.errors).toEqual({});
        expect(simulation.upstreams.every(({ inFlight }) => inFlight === 0)).toBe(true);
      });
    }
  }

  test("permanently gets one request per ejection, after ever longer pauses", () => {
    const simulation = new Simulation({ servers: healthy });
    simulation.setServer(0, dead);
    const trials: number[] = [];
    for (let second = 0; second < 1_200; second++) {
      simulation.load(100, 1);
      if ((simulation.takeAttemptCounts()[0] ?? 0) > 0) trials.push(second);
    }
    expect(trials.length).toBeLessThanOrEqual(11);
    const waits = trials.slice(1).map((second, i) => second - (trials[i] ?? 0));
    for (const [i, wait] of waits.entries()) expect(Math.abs(wait - 30 * (i + 1))).toBeLessThanOrEqual(1);
    expect(simulation.errors).toEqual({});
  });

  test("with half of its responses is ejected by its failure ratio, without five failures in a row", () => {
    const simulation = new Simulation({ servers: healthy });
    simulation.load(300, 5);
    simulation.setServer(1, flapping());
    simulation.load(300, 15);
    expect(simulation.upstreams[1]?.outlier.reason).toBe("failure_ratio");
    expect(simulation.errors).toEqual({});
  });

  test("with one response in ten is not ejected, since retries hide that", () => {
    const simulation = new Simulation({ servers: healthy });
    const response = responsive(20);
    simulation.setServer(1, (dice) => (dice() < 0.1 ? resetting(dice) : response(dice)));
    simulation.load(500, 120);
    expect(simulation.upstreams[1]?.status).toBe("passing");
    simulation.run();
    expect(simulation.errors).toEqual({});
    expect(simulation.succeeded).toBe(simulation.requests);
  });

  test("like all the others is ejected only up to the maximum share", () => {
    const simulation = new Simulation({
      servers: [responsive(5, 503), responsive(5, 503), responsive(5, 503), responsive(5, 503)],
    });
    for (let second = 0; second < 300; second++) {
      simulation.load(200, 1);
      const ejected = simulation.upstreams.filter(({ outlier }) => outlier.state === "ejected").length;
      expect(ejected).toBeLessThanOrEqual(2);
      expect(simulation.pool.available.length).toBeGreaterThanOrEqual(2);
    }
    simulation.run();
    expect(simulation.errors["no_upstream"]).toBeUndefined();
  });
});

describe("a slow start", () => {
  test("raises a recovered upstream from a tenth to its full share within 30 s, and not faster", () => {
    const simulation = new Simulation({ servers: healthy });
    simulation.load(600, 5);
    simulation.kill(0);
    simulation.load(600, 10);
    simulation.setServer(0, responsive(20));
    while (simulation.upstreams[0]?.status !== "passing") simulation.load(600, 0.1);
    simulation.takeAttemptCounts();
    const shares: number[] = [];
    for (let second = 0; second < 36; second += 3) {
      simulation.load(600, 3);
      const counts = simulation.takeAttemptCounts();
      shares.push((counts[0] ?? 0) / counts.reduce((sum, count) => sum + count, 0));
    }
    // 0.1 ÷ 2.1 at first, one third at the end.
    expect(shares[0]).toBeWithin(0.03, 0.1);
    for (let i = 1; i < 10; i++) expect(shares[i] ?? 0).toBeGreaterThan((shares[i - 1] ?? 0) - 0.005);
    expect(shares[5]).toBeWithin(0.18, 0.26);
    expect(shares.at(-1)).toBeWithin(0.32, 0.345);
    expect(simulation.errors).toEqual({});
  });
});

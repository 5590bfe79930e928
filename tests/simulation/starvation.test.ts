import { describe, expect, test } from "bun:test";

import { policyNames } from "../../src/policy/policies.ts";
import { responsive, Simulation } from "./simulation.ts";

/** The share of attempts of each upstream over the next seconds. */
function sharesOf(simulation: Simulation, perSecond: number, seconds: number): number[] {
  simulation.takeAttemptCounts();
  simulation.load(perSecond, seconds);
  const counts = simulation.takeAttemptCounts();
  const sum = counts.reduce((total, count) => total + count, 0);
  return counts.map((count) => count / sum);
}

describe("anti-starvation", () => {
  for (const policy of policyNames.filter((name) => name !== "first" && name !== "hash")) {
    for (const perSecond of [50, 500]) {
      test(`a killed server that returns gets its fair share again, under ${policy} at ${perSecond} requests/s`, () => {
        const simulation = new Simulation({
          servers: [responsive(20), responsive(20), responsive(20)],
          policy,
        });
        simulation.load(perSecond, 10);
        simulation.kill(0);
        simulation.load(perSecond, 20);
        simulation.setServer(0, responsive(20));
        simulation.load(perSecond, 100);
        expect(simulation.upstreams[0]?.status).toBe("passing");
        expect(sharesOf(simulation, perSecond, 30)[0]).toBeWithin(0.28, policy === "p2c" ? 0.45 : 0.39);
        expect(simulation.errors).toEqual({});
      });
    }
  }

  for (const perSecond of [50, 500]) {
    test(`a server that was slow gets its fair share again, under p2c at ${perSecond} requests/s`, () => {
      const simulation = new Simulation({
        servers: [responsive(20), responsive(20), responsive(20)],
        policy: "p2c",
      });
      simulation.load(perSecond, 10);
      simulation.setServer(0, responsive(2_000));
      expect(sharesOf(simulation, perSecond, 30)[0]).toBeLessThan(0.1);
      simulation.setServer(0, responsive(20));
      simulation.load(perSecond, 60);
      expect(sharesOf(simulation, perSecond, 30)[0]).toBeWithin(0.28, 0.39);
    });
  }

  test("a new server without latency samples gets its share from the start, and is not flooded", () => {
    const simulation = new Simulation({
      servers: [responsive(20), responsive(20), responsive(20)],
      policy: "p2c",
    });
    simulation.pool.setMode(simulation.upstreams[2] as never, "maintenance");
    simulation.load(500, 30);
    simulation.pool.setMode(simulation.upstreams[2] as never, "ready");
    expect(sharesOf(simulation, 500, 30)[2]).toBeWithin(0.25, 0.42);
  });
});

import { describe, expect, test } from "bun:test";

import { failure } from "../../src/pool/outcome.ts";
import { dead, resetting, responsive, Simulation } from "./simulation.ts";

const healthy = (meanMs = 20) => [responsive(meanMs), responsive(meanMs), responsive(meanMs)];

describe("one of three servers killed under load", () => {
  for (const perSecond of [100, 1_000, 10_000]) {
    for (const meanMs of [5, 50]) {
      const seconds = perSecond === 10_000 ? 3 : 20;
      test(`costs no client an error at ${perSecond} requests/s of ${meanMs} ms, after a warm-up`, () => {
        const simulation = new Simulation({ servers: healthy(meanMs), limits: { maxInFlight: 10_000 } });
        simulation.load(perSecond, seconds / 2);
        simulation.after(seconds * 200, () => simulation.kill(1));
        simulation.load(perSecond, seconds);
        simulation.run();
        expect(simulation.errors).toEqual({});
        expect(simulation.succeeded).toBe(simulation.requests);
        expect(simulation.attempts / simulation.requests).toBeLessThan(1.02);
      });

      test(`costs no client an error at ${perSecond} requests/s of ${meanMs} ms, right after the start`, () => {
        for (const afterMs of [1, 10, 30, 100, 300]) {
          const limits = { maxInFlight: 10_000 };
          const simulation = new Simulation({ servers: healthy(meanMs), seed: afterMs, limits });
          simulation.after(afterMs, () => simulation.kill(1));
          simulation.load(perSecond, 1);
          simulation.run();
          expect(simulation.errors).toEqual({});
        }
      });
    }
  }

  test("costs no client an error when a burst arrives and its death was not yet detected", () => {
    // A larger burst would exceed the two remaining servers, with 256 in flight each.
    for (const count of [3, 30, 300, 500]) {
      const simulation = new Simulation({ servers: healthy() });
      simulation.kill(0);
      simulation.burst(count);
      simulation.run();
      expect(simulation.errors).toEqual({});
    }
  });

  test("costs no client an error when it dies with as many slow requests as the others have capacity for", () => {
    const simulation = new Simulation({ servers: healthy(2_000) });
    simulation.burst(500);
    simulation.after(100, () => simulation.kill(2));
    simulation.run();
    expect(simulation.errors).toEqual({});
  });

  test("costs no client an error when two die and only one of them may be ejected", () => {
    const simulation = new Simulation({ servers: healthy(), retries: 2 });
    simulation.load(1_000, 5);
    simulation.kill(0);
    simulation.load(1_000, 0.2);
    simulation.setServer(1, dead);
    simulation.load(1_000, 5);
    simulation.run();
    expect(simulation.errors).toEqual({});
  });
});

describe("a retry storm", () => {
  /** Three retries a second are always allowed, for a minute and the ten seconds before it. */
  const always = 3 * 70;

  for (const [name, server] of [
    ["refuses connections", dead],
    ["resets connections", resetting],
    ["resets connections after 500 ms", () => ({ afterMs: 500, end: failure("head", "upstream_reset") })],
  ] as const) {
    test(`is not caused by one of three that ${name}: at most 1.2 attempts per request over the whole run`, () => {
      for (const perSecond of [20, 200, 2_000]) {
        const simulation = new Simulation({ servers: [server, ...healthy().slice(1)] });
        simulation.load(perSecond, 60);
        simulation.run();
        expect(simulation.attempts / simulation.requests).toBeLessThanOrEqual(1.2);
        expect(simulation.errors).toEqual({});
      }
    });
  }

  test("is not caused either if no upstream may be ejected", () => {
    const simulation = new Simulation({ servers: [resetting, ...healthy().slice(1)], maxEjectedShare: 0 });
    simulation.load(500, 60);
    simulation.run();
    expect(simulation.received).toBeLessThanOrEqual(1.2 * simulation.requests + always);
    expect(Object.keys(simulation.errors)).toEqual(["upstream_reset retry_budget"]);
  });

  test("is not caused when everything fails: the budget holds with two retries as with one", () => {
    for (const retries of [1, 2]) {
      const simulation = new Simulation({
        servers: [resetting, resetting, resetting],
        retries,
        maxEjectedShare: 0,
      });
      simulation.load(1_000, 60);
      simulation.run();
      expect(simulation.received).toBeLessThanOrEqual(1.2 * simulation.requests + always);
      expect(simulation.errors["upstream_reset retry_budget"]).toBeGreaterThan(0.7 * simulation.requests);
    }
  });
});

describe("a retry budget", () => {
  test("lets pools with little traffic retry too, three times a second", () => {
    const simulation = new Simulation({ servers: [resetting, responsive(5)], maxEjectedShare: 0 });
    simulation.load(5, 60);
    simulation.run();
    expect(simulation.errors).toEqual({});
  });

  test("that is exhausted refills when upstreams recover", () => {
    const simulation = new Simulation({ servers: [resetting, resetting], maxEjectedShare: 0 });
    simulation.load(300, 20);
    expect(simulation.budget?.balance ?? 0).toBeLessThan(70);
    for (const index of [0, 1]) simulation.setServer(index, responsive(5));
    simulation.load(300, 11);
    expect(simulation.budget?.balance).toBeGreaterThan(500);
  });
});

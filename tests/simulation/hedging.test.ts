import { describe, expect, test } from "bun:test";

import { type Server, responsive, Simulation, type SimulationOptions } from "./simulation.ts";

/** Responds in 10 to 20 ms, occasionally in a second: a garbage collection, a cold cache, a lost packet. */
const withHiccups =
  (share: number): Server =>
  (dice) => ({ afterMs: dice() < share ? 1_000 : 10 + 10 * dice(), end: 200 });

const three = (server: Server) => [server, server, server];

function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((one, other) => one - other);
  return sorted[Math.floor(sorted.length * share)] ?? Number.NaN;
}

function runLoad(options: SimulationOptions, perSecond = 500, seconds = 30): Simulation {
  const simulation = new Simulation(options);
  simulation.load(perSecond, seconds);
  simulation.run();
  expect(simulation.errors).toEqual({});
  expect(simulation.succeeded).toBe(simulation.requests);
  expect(simulation.pool.upstreams.map(({ inFlight }) => inFlight)).toEqual([0, 0, 0]);
  return simulation;
}

const roomy = { maxInFlight: 10_000 };

const hedges = ({ metrics }: Simulation) => metrics.ofPool("main").hedges;
const hedgeCount = (simulation: Simulation) =>
  (hedges(simulation).get("won") ?? 0) + (hedges(simulation).get("lost") ?? 0);

describe("hedging", () => {
  test("after a fixed time cuts the 99th percentile from one second to that time plus one response time", () => {
    const servers = three(withHiccups(0.02));
    expect(percentile(runLoad({ servers }).latenciesMs, 0.99)).toBe(1_000);
    const hedged = runLoad({ servers, hedgeAfter: 50 });
    expect(percentile(hedged.latenciesMs, 0.99)).toBeLessThan(90);
    expect(hedged.attempts / hedged.requests).toBeLessThan(1.03);
    expect((hedges(hedged).get("won") ?? 0) / hedgeCount(hedged)).toBeGreaterThan(0.95);
  });

  test("after the pool's 99th percentile cuts the latency beyond it, for about 1 % more attempts", () => {
    const servers = three(withHiccups(0.005));
    expect(percentile(runLoad({ servers }).latenciesMs, 0.999)).toBe(1_000);
    const hedged = runLoad({ servers, hedgeAfter: "p99" });
    expect(percentile(hedged.latenciesMs, 0.999)).toBeLessThan(60);
    expect(hedgeCount(hedged) / hedged.requests).toBeLessThan(0.02);
  });

  test("does not hedge more and more, although superseded attempts never respond", () => {
    // A heavy tail (Pareto): a request that waited long would wait as long again, so second attempts mostly win.
    const heavy: Server = (dice) => ({ afterMs: Math.min(10 / (1 - dice()), 20_000), end: 200 });
    const hedged = runLoad({ servers: three(heavy), hedgeAfter: "p99", limits: roomy }, 200, 300);
    expect((hedges(hedged).get("won") ?? 0) / hedgeCount(hedged)).toBeGreaterThan(0.8);
    expect(hedgeCount(hedged) / hedged.requests).toBeGreaterThan(0.005);
    expect(hedgeCount(hedged) / hedged.requests).toBeLessThan(0.025);
  });

  test("stays within the retry budget when all upstreams become slow", () => {
    const seconds = 30;
    const simulation = new Simulation({ servers: three(responsive(20)), hedgeAfter: 100, limits: roomy });
    simulation.load(500, 20);
    for (const index of [0, 1, 2]) simulation.setServer(index, responsive(800));
    const [requests, attempts] = [simulation.requests, simulation.attempts];
    simulation.load(500, seconds);
    simulation.run();
    const [newAttempts, clientRequests] = [simulation.attempts - attempts, simulation.requests - requests];
    // The budget has saved a fifth of the requests of the ten seconds before.
    expect(newAttempts).toBeLessThan(1.2 * clientRequests + 3 * seconds + 0.2 * 5_000 + 30);
    expect(newAttempts).toBeGreaterThan(1.15 * clientRequests);
  });

  test("does not hedge before it has measured enough latencies", () => {
    const simulation = new Simulation({ servers: three(withHiccups(0.3)), hedgeAfter: "p99" });
    simulation.load(2, 30);
    simulation.run();
    expect(hedgeCount(simulation)).toBe(0);
  });

  test("does not hedge POSTs", () => {
    const simulation = runLoad({ servers: three(withHiccups(0.02)), hedgeAfter: 50, method: "POST" });
    expect(simulation.attempts).toBe(simulation.requests);
  });

  test("does not hedge if every other upstream is full", () => {
    const limits = { maxInFlight: 1 };
    const simulation = new Simulation({
      servers: three(() => ({ afterMs: 500, end: 200 })),
      hedgeAfter: 20,
      limits,
    });
    simulation.burst(3);
    simulation.run();
    expect([simulation.attempts, hedgeCount(simulation)]).toEqual([3, 0]);
  });
});

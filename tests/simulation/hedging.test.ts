import { describe, expect, test } from "bun:test";

import { type Server, well, World, type WorldOptions } from "./world.ts";

/** Answers in 10 to 20 ms, but now and then in a second: a collector's pause, a cold cache, a lost packet. */
const hiccuping =
  (share: number): Server =>
  (dice) => ({ afterMs: dice() < share ? 1_000 : 10 + 10 * dice(), end: 200 });

const three = (server: Server) => [server, server, server];

function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((one, other) => one - other);
  return sorted[Math.floor(sorted.length * share)] ?? Number.NaN;
}

function worldAfter(options: WorldOptions, perSecond = 500, seconds = 30): World {
  const world = new World(options);
  world.load(perSecond, seconds);
  world.run();
  expect(world.errors).toEqual({});
  expect(world.succeeded).toBe(world.requests);
  expect(world.pool.upstreams.map(({ inFlight }) => inFlight)).toEqual([0, 0, 0]);
  return world;
}

const roomy = { maxInFlight: 10_000 };

const hedges = ({ metrics }: World) => metrics.ofPool("main").hedges;
const made = (world: World) => (hedges(world).get("won") ?? 0) + (hedges(world).get("lost") ?? 0);

describe("hedging", () => {
  test("after a fixed time cuts the 99th percentile from a second to that time and an answer's", () => {
    const servers = three(hiccuping(0.02));
    expect(percentile(worldAfter({ servers }).latenciesMs, 0.99)).toBe(1_000);
    const hedged = worldAfter({ servers, hedgeAfter: 50 });
    expect(percentile(hedged.latenciesMs, 0.99)).toBeLessThan(90);
    expect(hedged.attempts / hedged.requests).toBeLessThan(1.03);
    expect((hedges(hedged).get("won") ?? 0) / made(hedged)).toBeGreaterThan(0.95);
  });

  test("after the pool's own 99th percentile cuts what lies beyond it, for one more attempt in a hundred", () => {
    const servers = three(hiccuping(0.005));
    expect(percentile(worldAfter({ servers }).latenciesMs, 0.999)).toBe(1_000);
    const hedged = worldAfter({ servers, hedgeAfter: "p99" });
    expect(percentile(hedged.latenciesMs, 0.999)).toBeLessThan(60);
    expect(made(hedged) / hedged.requests).toBeLessThan(0.02);
  });

  test("does not hedge more and more, although what is outrun is never answered", () => {
    // A heavy tail (Pareto): whoever has waited for long would wait for as long again, so that second attempts mostly win.
    const heavy: Server = (dice) => ({ afterMs: Math.min(10 / (1 - dice()), 20_000), end: 200 });
    const hedged = worldAfter({ servers: three(heavy), hedgeAfter: "p99", limits: roomy }, 200, 300);
    expect((hedges(hedged).get("won") ?? 0) / made(hedged)).toBeGreaterThan(0.8);
    expect(made(hedged) / hedged.requests).toBeGreaterThan(0.005);
    expect(made(hedged) / hedged.requests).toBeLessThan(0.025);
  });

  test("keeps to the retry budget when everybody becomes slow", () => {
    const seconds = 30;
    const world = new World({ servers: three(well(20)), hedgeAfter: 100, limits: roomy });
    world.load(500, 20);
    for (const index of [0, 1, 2]) world.become(index, well(800));
    const [requests, attempts] = [world.requests, world.attempts];
    world.load(500, seconds);
    world.run();
    const [more, asked] = [world.attempts - attempts, world.requests - requests];
    // A fifth of what was asked in ten seconds before is saved up.
    expect(more).toBeLessThan(1.2 * asked + 3 * seconds + 0.2 * 5_000 + 30);
    expect(more).toBeGreaterThan(1.15 * asked);
  });

  test("waits until it knows what is usual", () => {
    const world = new World({ servers: three(hiccuping(0.3)), hedgeAfter: "p99" });
    world.load(2, 30);
    world.run();
    expect(made(world)).toBe(0);
  });

  test("leaves POSTs alone", () => {
    const world = worldAfter({ servers: three(hiccuping(0.02)), hedgeAfter: 50, method: "POST" });
    expect(world.attempts).toBe(world.requests);
  });

  test("does nothing where every other upstream is full", () => {
    const limits = { maxInFlight: 1 };
    const world = new World({ servers: three(() => ({ afterMs: 500, end: 200 })), hedgeAfter: 20, limits });
    world.burst(3);
    world.run();
    expect([world.attempts, made(world)]).toEqual([3, 0]);
  });
});

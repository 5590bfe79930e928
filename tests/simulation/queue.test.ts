import { expect, test } from "bun:test";

import { responsive, Simulation } from "./simulation.ts";

const queue = { maxWaiting: 1_024, timeoutMs: 5_000, whenNoneFit: false };

test("a burst of ten times the capacity is served with a queue, and mostly refused without one", () => {
  const options = { servers: [responsive(20), responsive(20)], limits: { maxInFlight: 10 } };
  const queueing = new Simulation({ ...options, queue });
  queueing.burst(200);
  queueing.run();
  expect(queueing.errors).toEqual({});
  expect(queueing.succeeded).toBe(200);
  const unqueued = new Simulation(options);
  unqueued.burst(200);
  unqueued.run();
  expect(unqueued.errors).toEqual({ queue_full: 180 });
});

test("load beyond a pool's capacity is refused early and does not pile up in the queue", () => {
  const simulation = new Simulation({
    servers: [responsive(1_000)],
    limits: { maxInFlight: 1 },
    queue: { ...queue, maxWaiting: 3 },
  });
  simulation.load(20, 60);
  simulation.run();
  expect(simulation.queued).toBe(0);
  expect(simulation.succeeded).toBeGreaterThan(40);
  expect(simulation.errors["queue_full"]).toBeGreaterThan(1_000);
  expect(simulation.succeeded + simulation.refused).toBe(simulation.requests);
});

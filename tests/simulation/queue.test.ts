import { expect, test } from "bun:test";

import { well, World } from "./world.ts";

const queue = { maxWaiting: 1_024, timeoutMs: 5_000, whenNoneFit: false };

test("a burst of ten times what fits is served whole where it may wait, and refused for the most part where not", () => {
  const options = { servers: [well(20), well(20)], limits: { maxInFlight: 10 } };
  const waiting = new World({ ...options, queue });
  waiting.burst(200);
  waiting.run();
  expect(waiting.errors).toEqual({});
  expect(waiting.succeeded).toBe(200);
  const impatient = new World(options);
  impatient.burst(200);
  impatient.run();
  expect(impatient.errors).toEqual({ queue_full: 180 });
});

test("more than a pool can ever serve is refused early, not piled up", () => {
  const world = new World({
    servers: [well(1_000)],
    limits: { maxInFlight: 1 },
    queue: { ...queue, maxWaiting: 3 },
  });
  world.load(20, 60);
  world.run();
  expect(world.queued).toBe(0);
  expect(world.succeeded).toBeGreaterThan(40);
  expect(world.errors["queue_full"]).toBeGreaterThan(1_000);
  expect(world.succeeded + world.refused).toBe(world.requests);
});

import { expect, test } from "bun:test";

import { Drains } from "../../src/control/drains.ts";
import { FakeTime } from "../support/fake-time.ts";
import { upstreamOf } from "../support/upstreams.ts";

function setUp(keepsClients = true) {
  const time = new FakeTime();
  const upstream = upstreamOf("a");
  const calls: string[] = [];
  const drains = new Drains({
    clock: time.clock,
    wallClock: time.clock,
    schedule: time.schedule,
    keepsClients: () => keepsClients,
    onClientsMove: () => calls.push(`move ${time.clock()}`),
    onStage: (_, stage) => calls.push(`${stage} ${time.clock()}`),
  });
  return { time, upstream, calls, drains };
}

test("a drain of an idle upstream lasts until its clients have moved, a second before the deadline at most", async () => {
  const { time, upstream, calls, drains } = setUp();
  drains.begin(upstream, { waitMs: 30_000, isRemoval: false });
  const end = drains.wait(upstream, 30_000);
  await time.advance(28_900);
  expect([upstream.isDrainLate, calls]).toEqual([false, []]);
  await time.advance(200);
  expect([upstream.isDrainLate, calls]).toEqual([true, ["move 29000", "drained 29000"]]);
  expect(await end).toBe("drained");
});

test("a request that is in flight when the clients move may end until the deadline", async () => {
  const { time, upstream, calls, drains } = setUp();
  upstream.inFlight = 1;
  drains.begin(upstream, { waitMs: 1_000, isRemoval: false });
  await time.advance(950);
  expect(calls).toEqual(["move 900"]);
  await time.advance(100);
  expect(calls.map((call) => call.split(" ")[0])).toEqual(["move", "late"]);
  upstream.inFlight = 0;
  await time.advance(50);
  expect(calls.at(-1)).toStartWith("drained");
});

test("without sticky clients, or without a deadline, a drain ends when its upstream is idle", async () => {
  for (const [keepsClients, waitMs] of [
    [false, 30_000],
    [true, 0],
  ] as const) {
    const { time, upstream, calls, drains } = setUp(keepsClients);
    drains.begin(upstream, { waitMs, isRemoval: false });
    await time.advance(50);
    expect([upstream.isDrainLate, calls]).toEqual([false, ["drained 0"]]);
  }
});

test("a drain that is undone or begun again lets clients stay; one from before a restart does not", async () => {
  const { time, upstream, drains } = setUp();
  drains.begin(upstream, { waitMs: 100, isRemoval: false });
  await time.advance(200);
  expect(upstream.isDrainLate).toBe(true);
  drains.begin(upstream, { waitMs: 1_000, isRemoval: false });
  expect(upstream.isDrainLate).toBe(false);
  await time.advance(2_000);
  drains.end(upstream);
  expect(upstream.isDrainLate).toBe(false);
  drains.restore(upstream, 0);
  expect(upstream.isDrainLate).toBe(true);
});

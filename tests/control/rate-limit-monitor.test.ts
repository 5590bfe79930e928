import { expect, test } from "bun:test";

import type { NewEvent } from "../../src/control/event-log.ts";
import { RateLimitMonitor } from "../../src/control/rate-limit-monitor.ts";
import { FilterMeter, type LimitIdentity } from "../../src/metrics/filter-meter.ts";
import { FakeTime } from "../support/fake-time.ts";

function setUp() {
  const time = new FakeTime();
  const events: NewEvent[] = [];
  const lines: string[] = [];
  const meter = new FilterMeter();
  const log = (message: string) => void lines.push(message);
  const monitor = new RateLimitMonitor({
    counts: () => meter,
    eventLog: { add: (event) => ({ ...event, seq: events.push(event), at: 0 }) },
    log: { debug: log, info: log, warn: log, error: log },
    clock: time.clock,
    schedule: time.schedule,
  });
  monitor.start();
  return { time, events, lines, meter, monitor };
}

const api: LimitIdentity = { place: "routes[2]", route: "shop", name: "api" };

test("a limit that refuses is one event when it begins and one when it is calm for a minute", async () => {
  const { time, events, lines, meter, monitor } = setUp();
  await time.advance(20_000);
  expect(events).toEqual([]);
  for (let second = 0; second < 120; second++) {
    meter.limited(api, "refused");
    await time.advance(1_000);
  }
  expect(events.map(({ kind, from, to, reason, detail }) => [kind, from, to, reason, detail])).toEqual([
    ["rate_limit", "calm", "refusing", "rate_limited", "limit api of route shop"],
  ]);
  await time.advance(70_000);
  expect(events.map(({ to }) => to)).toEqual(["refusing", "calm"]);
  expect(events[1]?.detail).toBe("limit api of route shop: 120 requests were beyond it");
  expect(lines).toEqual(["rate limit reached", "rate limit calm"]);
  monitor.stop();
});

test("a limit in dry run says so, and a route without a name is told by its place", async () => {
  const { time, events, meter, monitor } = setUp();
  meter.limited({ ...api, route: "" }, "dry_run");
  await time.advance(5_000);
  expect(events.map(({ reason, detail }) => [reason, detail])).toEqual([
    ["dry_run", "limit api of routes[2]"],
  ]);
  monitor.stop();
});

test("an attack on thousands of limits is twenty events", async () => {
  const { time, events, meter, monitor } = setUp();
  for (let i = 0; i < 5_000; i++) meter.limited({ ...api, place: `routes[${i}]` }, "refused");
  await time.advance(5_000);
  expect(events).toHaveLength(20);
  monitor.stop();
});

test("forgotten keys are told once in ten minutes", async () => {
  const { time, events, lines, meter, monitor } = setUp();
  for (let i = 0; i < 30; i++) {
    meter.evictions += 1_000;
    await time.advance(5_000);
  }
  expect(events.map(({ to, reason }) => [to, reason])).toEqual([["evicting", "max_keys"]]);
  expect(lines).toEqual(["rate limit keys evicted"]);
  await time.advance(600_000);
  expect(events).toHaveLength(2);
  expect(events[1]?.detail).toStartWith("29000 keys");
  monitor.stop();
});

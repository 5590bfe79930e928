import { expect, test } from "bun:test";

import type { NewEvent } from "../../src/control/event-log.ts";
import { ExhaustionMonitor } from "../../src/control/exhaustion-monitor.ts";
import { FakeTime } from "../support/fake-time.ts";

test("a shortage is one event when it begins and one when it is over, whatever the number of failures", async () => {
  const time = new FakeTime();
  const events: NewEvent[] = [];
  const lines: string[] = [];
  let counts: Record<string, number> = {};
  const log = (message: string) => void lines.push(message);
  const monitor = new ExhaustionMonitor({
    counts: () => counts,
    eventLog: { add: (event) => ({ ...event, seq: events.push(event), at: 0 }) },
    log: { debug: log, info: log, warn: log, error: log },
    clock: time.clock,
    wallClock: () => 1_000_000 + time.clock(),
    schedule: time.schedule,
  });
  monitor.start();
  await time.advance(5_000);
  expect([events, monitor.snapshot]).toEqual([[], undefined]);

  for (let second = 1; second <= 5; second++) {
    counts = { EMFILE: second * 100, EADDRNOTAVAIL: second };
    await time.advance(1_000);
  }
  expect(events.map(({ kind, from, to, reason }) => [kind, from, to, reason])).toEqual([
    ["exhaustion", "calm", "exhausted", "EMFILE"],
  ]);
  expect(monitor.snapshot).toEqual({ code: "EMFILE", since: 1_006_000, failures: 505 });

  await time.advance(9_000);
  expect(events).toHaveLength(1);
  await time.advance(1_000);
  expect(events.map(({ to }) => to)).toEqual(["exhausted", "calm"]);
  expect(events[1]?.detail).toContain("505");
  expect(monitor.snapshot).toBeUndefined();

  // A worker that restarts counts from 0 again.
  counts = { EMFILE: 3 };
  await time.advance(1_000);
  expect(events).toHaveLength(2);
  counts = { EMFILE: 4 };
  await time.advance(1_000);
  expect(monitor.snapshot).toEqual({ code: "EMFILE", since: 1_022_000, failures: 1 });
  expect(lines).toHaveLength(3);
  monitor.stop();
});

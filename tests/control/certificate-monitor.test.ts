import { expect, test } from "bun:test";

import { CertificateMonitor } from "../../src/control/certificate-monitor.ts";
import type { NewEvent } from "../../src/control/event-log.ts";
import { FakeTime } from "../support/fake-time.ts";

const day = 86_400_000;
const end = Date.parse("2030-06-30T00:00:00Z");
const certificate = {
  source: "/cert",
  names: ["up.example"],
  keyType: "ec",
  fingerprint: "aa",
  validFrom: end - 365 * day,
  expiresAt: end,
} as const;

/** Starts a monitor with this many days left. */
function startMonitor(daysLeft: number, certificates = [certificate]) {
  const time = new FakeTime();
  const events: NewEvent[] = [];
  const lines: string[] = [];
  const write = (message: string) => void lines.push(message);
  const monitor = new CertificateMonitor({
    store: {
      all: certificates.map((facts) => ({ ...facts, cert: "c", key: "k" })),
      onChange: () => () => {},
    },
    eventLog: { add: (event) => ({ ...event, seq: events.push(event), at: 0 }) },
    log: { debug: write, info: write, warn: write, error: write },
    wallClock: () => end - daysLeft * day + time.clock(),
    schedule: time.schedule,
  });
  const takeEvents = () => events.splice(0).map(({ from, to, detail }) => `${from} → ${to}: ${detail}`);
  return { monitor, time, takeEvents, lines };
}

test("each notice is recorded and logged once, within a minute", async () => {
  const { monitor, time, takeEvents, lines } = startMonitor(31);
  monitor.start();
  expect(takeEvents()).toEqual([]);
  expect(monitor.snapshot).toEqual([{ ...certificate, status: "valid" }]);
  await time.advance(day - 60_000);
  expect(takeEvents()).toEqual([]);
  await time.advance(120_000);
  expect(takeEvents()).toEqual(["valid → expiring: /cert expires on 2030-06-30, in 30 days"]);
  expect(monitor.snapshot).toEqual([{ ...certificate, status: "expiring" }]);
  await time.advance(22 * day);
  expect(takeEvents()).toEqual([]);
  await time.advance(day);
  expect(takeEvents()).toEqual([" → expiring: /cert expires on 2030-06-30, in 7 days"]);
  await time.advance(6 * day);
  expect(takeEvents()).toEqual([" → expiring: /cert expires on 2030-06-30, in 24 hours"]);
  await time.advance(3 * day);
  expect(takeEvents()).toEqual(["expiring → expired: /cert expired on 2030-06-30"]);
  expect(lines).toEqual([
    "certificate expiring",
    "certificate expiring",
    "certificate expiring",
    "certificate expired",
  ]);
  monitor.stop();
  expect(time.waits).toEqual([]);
});

test("an expired certificate at the start is recorded but not logged: the start logs its own warnings", () => {
  const { monitor, takeEvents, lines } = startMonitor(-1);
  monitor.start();
  expect(takeEvents()).toEqual([" → expired: /cert expired on 2030-06-30"]);
  expect(lines).toEqual([]);
});

test("a certificate that is not yet valid becomes valid", async () => {
  const { monitor, time, takeEvents, lines } = startMonitor(366);
  monitor.start();
  expect(takeEvents()).toEqual([" → early: /cert is not valid before 2029-06-30"]);
  await time.advance(day);
  expect(takeEvents()).toEqual(["early → valid: /cert"]);
  expect(lines).toEqual(["certificate became valid"]);
});

test("without certificates there is nothing to tell", () => {
  const { monitor, takeEvents } = startMonitor(1, []);
  monitor.start();
  expect([takeEvents(), monitor.snapshot]).toEqual([[], undefined]);
  monitor.stop();
});

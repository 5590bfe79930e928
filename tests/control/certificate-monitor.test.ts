import { expect, test } from "bun:test";

import { CertificateMonitor } from "../../src/control/certificate-monitor.ts";
import type { NewEvent } from "../../src/control/event-log.ts";
import { FakeTime } from "../support/fake-time.ts";

const day = 86_400_000;
const end = Date.parse("2030-06-30T00:00:00Z");
const certificate = {
  listener: "listen",
  path: "/cert",
  validFrom: end - 365 * day,
  expiresAt: end,
} as const;

/** A watch that begins with so many days left. */
function watched(daysLeft: number, certificates = [certificate]) {
  const time = new FakeTime();
  const events: NewEvent[] = [];
  const lines: string[] = [];
  const write = (message: string) => void lines.push(message);
  const watch = new CertificateMonitor({
    certificates,
    eventLog: { add: (event) => ({ ...event, seq: events.push(event), at: 0 }) },
    log: { debug: write, info: write, warn: write, error: write },
    wallClock: () => end - daysLeft * day + time.clock(),
    schedule: time.schedule,
  });
  const told = () => events.splice(0).map(({ from, to, detail }) => `${from} → ${to}: ${detail}`);
  return { watch, time, told, lines };
}

test("each notice is told once: on record and in the log, within a minute", async () => {
  const { watch, time, told, lines } = watched(31);
  watch.start();
  expect(told()).toEqual([]);
  expect(watch.snapshot).toEqual([{ ...certificate, status: "valid" }]);
  await time.advance(day - 60_000);
  expect(told()).toEqual([]);
  await time.advance(120_000);
  expect(told()).toEqual(["valid → expiring: /cert expires on 2030-06-30, in 30 days"]);
  expect(watch.snapshot).toEqual([{ ...certificate, status: "expiring" }]);
  await time.advance(22 * day);
  expect(told()).toEqual([]);
  await time.advance(day);
  expect(told()).toEqual([" → expiring: /cert expires on 2030-06-30, in 7 days"]);
  await time.advance(6 * day);
  expect(told()).toEqual([" → expiring: /cert expires on 2030-06-30, in 24 hours"]);
  await time.advance(3 * day);
  expect(told()).toEqual(["expiring → expired: /cert expired on 2030-06-30"]);
  expect(lines).toEqual([
    "certificate expiring",
    "certificate expiring",
    "certificate expiring",
    "certificate expired",
  ]);
  watch.stop();
  expect(time.waits).toEqual([]);
});

test("what is so at the start is on record, and left to the start's own warnings in the log", () => {
  const { watch, told, lines } = watched(-1);
  watch.start();
  expect(told()).toEqual([" → expired: /cert expired on 2030-06-30"]);
  expect(lines).toEqual([]);
});

test("one that was too early becomes valid", async () => {
  const { watch, time, told, lines } = watched(366);
  watch.start();
  expect(told()).toEqual([" → early: /cert is not valid before 2029-06-30"]);
  await time.advance(day);
  expect(told()).toEqual(["early → valid: /cert"]);
  expect(lines).toEqual(["certificate became valid"]);
});

test("plain HTTP has nothing to watch", () => {
  const { watch, time, told } = watched(1, []);
  watch.start();
  expect([told(), watch.snapshot, time.waits]).toEqual([[], undefined, []]);
});

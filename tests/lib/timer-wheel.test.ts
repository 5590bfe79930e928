import { describe, expect, test } from "bun:test";

import { TimerEntry, TimerWheel } from "../../src/lib/timer-wheel.ts";
import { randomIndex, seededRandom } from "../../src/lib/random.ts";

/** A wheel on a fake clock. */
function fakeWheel() {
  let now = 1_000;
  let due: { at: number; task: () => void } | undefined;
  const schedule = (delayMs: number, task: () => void) => {
    due = { at: now + delayMs, task };
    return () => (due = undefined);
  };
  const wheel = new TimerWheel(() => now, schedule);
  return {
    wheel,
    now: () => now,
    isTurning: () => due !== undefined,
    /** The process stalls: time passes, and no timer fires. */
    stall: (byMs: number) => void (now += byMs),
    advance(byMs: number) {
      const end = now + byMs;
      while (due && due.at <= end) {
        const { at, task } = due;
        due = undefined;
        now = Math.max(now, at);
        task();
      }
      now = end;
    },
  };
}

class Probe extends TimerEntry {
  expirations = 0;
  onExpired = () => {};
  override expired() {
    this.expirations += 1;
    this.onExpired();
  }
  readonly bugs: Error[] = [];
  onFaulted = () => {};
  override handlerThrew(error: Error) {
    this.bugs.push(error);
    this.onFaulted();
  }
}

describe("the timer wheel", () => {
  test("never fires early and at most two ticks late", () => {
    const { wheel, now, advance } = fakeWheel();
    const random = seededRandom(3);
    for (let i = 0; i < 300; i++) {
      const probe = new Probe();
      const delayMs = randomIndex(random, 120_000);
      const start = now();
      let firedAt = 0;
      probe.onExpired = () => (firedAt = now());
      wheel.arm(probe, delayMs);
      while (firedAt === 0) advance(10);
      expect(firedAt - start).toBeGreaterThanOrEqual(delayMs);
      expect(firedAt - start).toBeLessThanOrEqual(delayMs + 210);
    }
  });

  test("follows a deadline that moves later or earlier", () => {
    const { wheel, advance } = fakeWheel();
    const probe = new Probe();
    wheel.arm(probe, 1_000);
    for (let i = 0; i < 10; i++) {
      advance(900);
      wheel.arm(probe, 1_000);
    }
    expect(probe.expirations).toBe(0);
    wheel.arm(probe, 60_000);
    advance(30_000);
    wheel.arm(probe, 200);
    advance(500);
    expect(probe.expirations).toBe(1);
    advance(120_000);
    expect(probe.expirations).toBe(1);
  });

  test("expires all that have a deadline at once, also entries that arm themselves again", () => {
    const { wheel, advance } = fakeWheel();
    const [again, once, disarmed] = [new Probe(), new Probe(), new Probe()];
    again.onExpired = () => wheel.arm(again, 1_000);
    for (const probe of [again, once, disarmed]) wheel.arm(probe, 60_000);
    wheel.disarm(disarmed);
    wheel.expireAll();
    expect([again, once, disarmed].map(({ expirations }) => expirations)).toEqual([1, 1, 0]);
    advance(1_200);
    expect([again, once, disarmed].map(({ expirations }) => expirations)).toEqual([2, 1, 0]);
  });

  test("drops disarmed entries, and stops when it is empty", () => {
    const { wheel, advance, isTurning } = fakeWheel();
    const probe = new Probe();
    wheel.arm(probe, 500);
    wheel.disarm(probe);
    advance(1_000);
    expect(probe.expirations).toBe(0);
    expect(wheel.size).toBe(0);
    expect(isTurning()).toBe(false);
    wheel.arm(probe, 500);
    advance(1_000);
    expect(probe.expirations).toBe(1);
  });

  test("lets an expired entry arm itself again and remove its neighbours", () => {
    const { wheel, advance } = fakeWheel();
    const probes = Array.from({ length: 5 }, () => new Probe());
    for (const probe of probes) {
      wheel.arm(probe, 500);
      probe.onExpired = () => {
        for (const other of probes) if (other !== probe) wheel.forget(other);
        if (probe.expirations < 3) wheel.arm(probe, 500);
      };
    }
    advance(10_000);
    expect(probes.map(({ expirations }) => expirations).sort()).toEqual([0, 0, 0, 0, 3]);
    expect(wheel.size).toBe(0);
  });

  test("catches up when more ticks have passed than it has slots", () => {
    const { wheel, advance } = fakeWheel();
    const probes = [100, 5_000, 60_000, 500_000].map((delayMs) => {
      const probe = new Probe();
      wheel.arm(probe, delayMs);
      return probe;
    });
    advance(200_000);
    expect(probes.map(({ expirations }) => expirations)).toEqual([1, 1, 1, 0]);
  });
});

describe("the timer wheel, after the process was stalled", () => {
  test("adds the lost time to every deadline, because what arrived meanwhile was not read", () => {
    const { wheel, advance, stall } = fakeWheel();
    const probe = new Probe();
    wheel.arm(probe, 5_000);
    advance(3_000);
    stall(60_000);
    advance(1_000);
    expect(probe.expirations).toBe(0);
    advance(1_500);
    expect(probe.expirations).toBe(1);
  });

  test("does not fire an entry early that was armed before the stall was detected", () => {
    const { wheel, advance, stall } = fakeWheel();
    const [old, young] = [new Probe(), new Probe()];
    wheel.arm(old, 60_000);
    advance(250);
    stall(4_000);
    wheel.arm(young, 3_000);
    advance(2_900);
    expect(young.expirations).toBe(0);
    advance(400);
    expect(young.expirations).toBe(1);
  });
});

test("a bug in `expired` stops neither the wheel nor other entries", () => {
  const { wheel, advance } = fakeWheel();
  const probes = Array.from({ length: 3 }, () => new Probe());
  for (const probe of probes) wheel.arm(probe, 500);
  const [, bad] = probes as [Probe, Probe, Probe];
  bad.onExpired = () => {
    throw new Error("a bug");
  };
  advance(1_000);
  expect(probes.map(({ expirations }) => expirations)).toEqual([1, 1, 1]);
  expect(probes.map(({ bugs }) => bugs.join())).toEqual(["", "Error: a bug", ""]);
  wheel.arm(bad, 500);
  advance(1_000);
  expect(bad.bugs).toHaveLength(2);
  expect(wheel.size).toBe(0);
});

test("a bug in `handlerThrew` stops neither the wheel nor other entries", () => {
  const { wheel, advance } = fakeWheel();
  const probes = Array.from({ length: 3 }, () => new Probe());
  for (const probe of probes) wheel.arm(probe, 500);
  const [, bad] = probes as [Probe, Probe, Probe];
  bad.onExpired = bad.onFaulted = () => {
    throw new Error("a bug");
  };
  expect(() => advance(1_000)).toThrow("a bug");
  advance(1_000);
  expect(probes.map(({ expirations }) => expirations)).toEqual([1, 1, 1]);
  expect(wheel.size).toBe(0);
});

test("a stopped wheel holds no entry and can be armed again", () => {
  const { wheel, advance, isTurning } = fakeWheel();
  const probes = Array.from({ length: 3 }, () => new Probe());
  for (const probe of probes) wheel.arm(probe, 500);
  wheel.stop();
  expect([wheel.size, isTurning()]).toEqual([0, false]);
  for (const probe of probes) wheel.forget(probe);
  advance(1_000);
  wheel.arm(probes[0] as Probe, 500);
  advance(1_000);
  expect(probes.map(({ expirations }) => expirations)).toEqual([1, 0, 0]);
  expect(wheel.size).toBe(0);
});

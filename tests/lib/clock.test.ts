import { describe, expect, test } from "bun:test";

import { freezeClock, thawClock, systemClock } from "../../src/lib/clock.ts";

/** Waits until at least this much real time has passed. */
function pass(ms: number): void {
  const until = performance.now() + ms;
  while (performance.now() < until);
}

describe("the system clock", () => {
  test("advances, and stands still while it is frozen", () => {
    const before = systemClock();
    pass(0.1);
    expect(systemClock()).toBeGreaterThan(before);
    freezeClock();
    const first = systemClock();
    pass(0.1);
    expect(systemClock()).toBe(first);
    thawClock();
    expect(systemClock()).toBeGreaterThan(first);
  });

  test("never goes back when frozen sections overlap", () => {
    const times: number[] = [];
    const read = () => {
      times.push(systemClock());
      pass(0.05);
    };
    read();
    freezeClock();
    read();
    freezeClock();
    read();
    thawClock();
    read();
    thawClock();
    read();
    expect(times).toEqual(times.toSorted((left, right) => left - right));
  });
});

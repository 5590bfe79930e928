import { describe, expect, test } from "bun:test";

import { freezeClock, thawClock, systemClock } from "../../src/lib/clock.ts";

/** Real time goes on by this much at least. */
function pass(ms: number): void {
  const until = performance.now() + ms;
  while (performance.now() < until);
}

describe("the system's clock", () => {
  test("goes on, and stands still during a turn", () => {
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

  test("never goes back, whatever turns lie in each other", () => {
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

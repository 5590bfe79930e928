import { describe, expect, test } from "bun:test";

import { beginTurn, endTurn, systemClock } from "../../src/lib/clock.ts";

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
    beginTurn();
    const first = systemClock();
    pass(0.1);
    expect(systemClock()).toBe(first);
    endTurn();
    expect(systemClock()).toBeGreaterThan(first);
  });

  test("never goes back, whatever turns lie in each other", () => {
    const times: number[] = [];
    const read = () => {
      times.push(systemClock());
      pass(0.05);
    };
    read();
    beginTurn();
    read();
    beginTurn();
    read();
    endTurn();
    read();
    endTurn();
    read();
    expect(times).toEqual(times.toSorted((left, right) => left - right));
  });
});

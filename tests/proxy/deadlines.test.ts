import { describe, expect, test } from "bun:test";

import { Deadlines } from "../../src/proxy/deadlines.ts";
import { FakeTime } from "../support/fake-time.ts";

function setUp() {
  const time = new FakeTime();
  const deadlines = new Deadlines(time);
  const expired: string[] = [];
  const holderOf = (name: string) => ({ deadlineExpired: () => void expired.push(name) });
  const add = (name: string, withinMs: number) => {
    const holder = holderOf(name);
    deadlines.add(holder, withinMs);
    return holder;
  };
  return { time, deadlines, expired, add };
}

describe("deadlines", () => {
  test("that are shorter expire before earlier ones that are longer", async () => {
    const { time, deadlines, expired, add } = setUp();
    add("a", 60_000);
    add("b", 60_000);
    await time.advance(50);
    add("c", 300);
    add("d", 2_000);
    add("e", 300);
    expect(deadlines.size).toBe(5);
    await time.advance(600);
    expect(expired).toEqual(["c", "e"]);
    await time.advance(1_600);
    expect(expired).toEqual(["c", "e", "d"]);
    add("f", 60_000);
    await time.advance(58_000);
    expect(expired).toEqual(["c", "e", "d", "a", "b"]);
    await time.advance(3_000);
    expect([expired.at(-1), deadlines.size]).toEqual(["f", 0]);
    await time.advance(200);
    expect(time.waits).toEqual([]);
  });

  test("are removed whichever timeout they have, and a holder has one at most", async () => {
    const { time, deadlines, expired, add } = setUp();
    const long = add("long", 60_000);
    const short = add("short", 300);
    const moved = add("moved", 300);
    deadlines.add(moved, 5_000);
    deadlines.remove(long);
    deadlines.remove(short);
    expect(deadlines.size).toBe(1);
    await time.advance(4_000);
    expect(expired).toEqual([]);
    await time.advance(61_000);
    expect(expired).toEqual(["moved"]);
    expect(time.waits).toEqual([]);
  });
});

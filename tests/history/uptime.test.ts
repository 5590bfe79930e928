import { describe, expect, test } from "bun:test";

import { Uptime } from "../../src/history/uptime.ts";
import type { Status } from "../../src/pool/upstream.ts";
import type { UptimeState } from "../../src/snapshot/snapshot.ts";

/** A full hour. */
const epoch = 1_800_000_000_000;
const second = 1_000;
const hour = 3_600_000;

/** Samples once a second: "passing 30, failing 10" is 30 seconds passing, then 10 seconds failing. */
function sampled(story: string, uptime = new Uptime(epoch), from = epoch): { uptime: Uptime; at: number } {
  let at = from;
  uptime.sample(story.split(" ")[0] as Status, at);
  for (const part of story.split(", ")) {
    const [status, seconds] = part.split(" ");
    for (let i = 0; i < Number(seconds); i++) uptime.sample(status as Status, (at += second));
  }
  return { uptime, at };
}

const table: ReadonlyArray<
  readonly [story: string, state: UptimeState, forSeconds: number, share: number | null, counted: number]
> = [
  ["passing 30", "up", 30, 1, 30],
  ["checking 30", "unknown", 30, null, 0],
  ["failing 30", "down", 30, 0, 30],
  ["passing 30, failing 10", "down", 9, 31 / 40, 40],
  ["passing 30, failing 10, passing 20", "up", 19, 50 / 60, 60],
  ["passing 30, ejected 5, probation 5", "down", 9, 31 / 40, 40],
  // An upstream that an operator takes out is neither up nor down.
  ["passing 30, draining 20, maintenance 10", "out", 29, 1, 31],
  ["failing 10, maintenance 20, passing 5", "up", 4, 4 / 15, 15],
  // Without a verdict yet, the state does not change.
  ["passing 30, checking 5, passing 5", "up", 40, 1, 40],
];

describe("uptime", () => {
  for (const [story, state, forSeconds, share, counted] of table) {
    test(`of "${story}"`, () => {
      const { uptime, at } = sampled(story);
      const seen = uptime.snapshot(at);
      expect(seen.state).toBe(state);
      expect((at - seen.since) / second).toBe(forSeconds);
      if (share === null) expect(seen.share).toBeNull();
      else expect(seen.share).toBeCloseTo(share, 6);
      expect(seen.countedMs).toBe(counted * second);
    });
  }

  test("drops what is older than a day, hour by hour", () => {
    const uptime = new Uptime(epoch);
    uptime.sample("failing", epoch);
    for (let at = epoch; at <= epoch + hour; at += 10 * second) uptime.sample("failing", at);
    for (let at = epoch + hour; at <= epoch + 30 * hour; at += 10 * second) uptime.sample("passing", at);
    const seen = uptime.snapshot(epoch + 30 * hour);
    expect(seen.share).toBe(1);
    expect(seen.countedMs).toBeLessThanOrEqual(24 * hour);
    expect(seen.countedMs).toBeGreaterThan(22.9 * hour);
    expect(uptime.record.length).toBeLessThan(700);
  });

  test("continues after a restart", () => {
    const { uptime, at } = sampled("failing 10, passing 30");
    const later = at + 60 * second;
    const restored = Uptime.from(uptime.record, later);
    expect(restored.snapshot(later)).toEqual(uptime.snapshot(at));
    restored.sample("passing", later);
    restored.sample("passing", later + second);
    // The time of the restart does not count.
    expect(restored.snapshot(later)).toMatchObject({
      state: "up",
      since: epoch + 11 * second,
      countedMs: 41_000,
    });
  });

  test("does not count a time without samples", () => {
    const { uptime, at } = sampled("failing 10, passing 30");
    const later = at + hour / 2;
    const restored = Uptime.from(uptime.record, later);
    restored.sample("passing", later);
    expect(restored.snapshot(later)).toMatchObject({ state: "up", since: later, countedMs: 40_000 });
    uptime.sample("passing", later);
    expect(uptime.snapshot(later)).toMatchObject({ state: "up", since: later, countedMs: 40_000 });
  });

  test("tolerates a clock that is set back, and stored text that is invalid", () => {
    const { uptime, at } = sampled("passing 30");
    uptime.sample("passing", at - hour);
    uptime.sample("passing", at - hour + second);
    expect(uptime.snapshot(at).countedMs).toBe(31_000);
    for (const stored of ["", "1", "9 1 1", "1 2 x", "-1 2 3", `1 ${at} ${at + 1}`])
      expect(Uptime.from(stored, at).snapshot(at)).toMatchObject({ state: "unknown", share: null });
  });
});

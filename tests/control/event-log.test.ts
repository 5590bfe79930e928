import { describe, expect, test } from "bun:test";

import { type NewEvent, EventLog } from "../../src/control/event-log.ts";
import type { BalancerEvent } from "../../src/state/event.ts";
import { openSqlite } from "../../src/state/sqlite-store.ts";
import { FakeTime } from "../support/fake-time.ts";

function probeEvent(upstream: string | null, to: string, pool: string | null = "main"): NewEvent {
  return { kind: "probe", pool, upstream, from: "", to, reason: "probe_failed", by: "prober", detail: "" };
}

const modeEvent: NewEvent = { ...probeEvent("c", "draining"), kind: "mode", reason: "operator", by: "ann", detail: "Kernel update" }; // prettier-ignore

function setUp(store = openSqlite(":memory:"), time = new FakeTime()) {
  const errors: string[] = [];
  const log = { error: (message: string) => void errors.push(message) };
  const eventLog = new EventLog({
    store,
    wallClock: () => 1_000 + time.clock(),
    schedule: time.schedule,
    log,
  });
  return { eventLog, store, time, errors };
}

const values = (events: readonly BalancerEvent[]) => events.map(({ to }) => to).join(" ");

describe("the event log", () => {
  test("adopts what another process has recorded, in order, and writes its own to the store that it gets", () => {
    const seeded = openSqlite(":memory:");
    const event = (seq: number, to: string): BalancerEvent => ({ ...probeEvent("a", to), seq, at: seq });
    seeded.record([event(1, "one"), event(2, "two")]);
    const { eventLog, store, time } = setUp(seeded);
    eventLog.add(probeEvent("b", "own"));
    time.advance(1_000);
    eventLog.adopt([event(2, "two"), event(3, "three")]);
    expect(values(eventLog.events({ limit: 10 }))).toBe("one two three own");
    expect(values(eventLog.events({ upstream: "a", limit: 10 }))).toBe("one two three");
    expect(values(store.events(10))).toBe("one two own");
    const last = eventLog.events({ limit: 1 })[0]?.seq ?? 0;
    expect(eventLog.add(probeEvent("a", "next")).seq).toBeGreaterThan(last);
  });

  test("finds events by kind, by actor, by text, and those of operators", () => {
    const { eventLog } = setUp();
    eventLog.add(probeEvent("a", "failing"));
    eventLog.add(modeEvent);
    eventLog.add({ ...probeEvent(null, "applied", null), kind: "reload", by: "watch" });
    const found = (query: Omit<Parameters<typeof eventLog.events>[0], "limit">) =>
      values(eventLog.events({ ...query, limit: 9 }));
    expect(found({ kinds: new Set(["mode", "reload"]) })).toBe("draining applied");
    expect(found({ by: "ann" })).toBe("draining");
    expect(found({ by: "an" })).toBe("");
    expect(found({ text: "KERNEL up" })).toBe("draining");
    expect(found({ text: "probe" })).toBe("failing applied");
    expect(found({ byOperators: true })).toBe("draining");
    expect(found({ byOperators: true, upstream: "a" })).toBe("");
    expect(found({ pool: "main", kinds: new Set(["probe"]) })).toBe("failing");
  });

  test("finds events of a time, also those that only the store still has", async () => {
    const { eventLog, store, time } = setUp();
    for (let index = 0; index < 2_500; index++) {
      eventLog.add(probeEvent(index % 2 === 0 ? "a" : "b", String(index)));
      if (index % 500 === 499) eventLog.flush();
      await time.advance(10);
    }
    eventLog.flush();
    const during = (
      from: number,
      to: number,
      more: { upstream?: string; pool?: string; limit?: number } = {},
    ) => values(eventLog.events({ from: 1_000 + from, to: 1_000 + to, limit: 9, ...more }));
    // Memory has the last 2,000: the first 500 come from the store.
    expect(during(100, 140)).toBe("10 11 12 13");
    expect(during(4_980, 5_020)).toBe("498 499 500 501");
    expect(during(24_970, 99_999)).toBe("2497 2498 2499");
    expect(during(100, 140, { upstream: "b" })).toBe("11 13");
    expect(during(100, 140, { pool: "other" })).toBe("");
    expect(during(0, 99_999, { limit: 2 })).toBe("2498 2499");
    store.eventsBetween = () => {
      throw new Error("disk is gone");
    };
    expect(during(4_980, 5_020)).toBe("500 501");
  });

  test("finds events by upstream and pool, the last ones or those after a number, oldest first", () => {
    const { eventLog } = setUp();
    for (const [upstream, to] of [
      ["a", "1"],
      ["b", "2"],
      [null, "3"],
      ["a", "4"],
      ["b", "5"],
    ] as const) {
      eventLog.add(probeEvent(upstream, to));
    }
    eventLog.add(probeEvent(null, "6", null));
    expect(values(eventLog.events({ limit: 9 }))).toBe("1 2 3 4 5 6");
    expect(values(eventLog.events({ limit: 2 }))).toBe("5 6");
    expect(values(eventLog.events({ limit: 0 }))).toBe("");
    expect(values(eventLog.events({ pool: "main", limit: 9 }))).toBe("1 2 3 4 5");
    expect(values(eventLog.events({ upstream: "a", limit: 9 }))).toBe("1 4");
    expect(values(eventLog.events({ upstream: "a", pool: "other", limit: 9 }))).toBe("");
    expect(values(eventLog.events({ upstream: "unknown", limit: 9 }))).toBe("");
    const [, , third] = eventLog.events({ limit: 9 });
    expect(values(eventLog.events({ before: third?.seq ?? 0, limit: 9 }))).toBe("1 2");
    expect(values(eventLog.events({ before: third?.seq ?? 0, limit: 1 }))).toBe("2");
    const [first] = eventLog.events({ limit: 9 });
    expect(values(eventLog.events({ after: first?.seq ?? 0, limit: 3 }))).toBe("2 3 4");
    expect(values(eventLog.events({ after: 1e15, limit: 3 }))).toBe("");
  });

  test("numbers events in order, within one millisecond and across restarts, even if none was stored", async () => {
    const { eventLog, time } = setUp();
    const seqs = [1, 2, 3].map(() => eventLog.add(probeEvent("a", "x")).seq);
    expect(seqs).toEqual([1_000, 1_001, 1_002]);
    await time.advance(10);
    expect(setUp(openSqlite(":memory:"), time).eventLog.add(probeEvent("a", "x")).seq).toBe(1_010);
  });

  test("writes a burst in one batch after a delay, and reads it after a restart", async () => {
    const { eventLog, store, time } = setUp();
    for (const to of ["1", "2", "3"]) eventLog.add(probeEvent("a", to));
    expect(store.events(9)).toEqual([]);
    expect(time.waits).toEqual([200]);
    await time.advance(200);
    expect(values(store.events(9))).toBe("1 2 3");
    expect(values(setUp(store, time).eventLog.events({ upstream: "a", limit: 9 }))).toBe("1 2 3");
    eventLog.add(probeEvent("a", "4"));
    eventLog.flush();
    expect(values(store.events(9))).toBe("1 2 3 4");
    expect(time.waits).toEqual([]);
  });

  test("keeps events that cannot be written, logs that, and writes them with the next event or after a minute", async () => {
    const store = openSqlite(":memory:");
    let isBroken = true;
    const record = (events: readonly BalancerEvent[]) => {
      if (isBroken) throw new Error("disk full");
      store.record(events);
    };
    const { eventLog, time, errors } = setUp({ ...store, events: () => [], record });
    eventLog.add(probeEvent("a", "1"));
    await time.advance(200);
    expect(errors).toEqual(["event write failed"]);
    isBroken = false;
    eventLog.add(probeEvent("a", "2"));
    await time.advance(200);
    expect(values(store.events(9))).toBe("1 2");
    isBroken = true;
    eventLog.add(probeEvent("a", "3"));
    await time.advance(200);
    isBroken = false;
    await time.advance(60_000);
    expect(values(store.events(9))).toBe("1 2 3");
    expect(time.waits).toEqual([]);
  });

  test("is bounded in total, per upstream, and in the number of upstreams", () => {
    const { eventLog } = setUp();
    for (let i = 0; i < 5_000; i++) eventLog.add(probeEvent(`u${i}`, String(i)));
    for (let i = 0; i < 300; i++) eventLog.add(probeEvent("a", String(i)));
    expect(eventLog.events({ limit: 9_999 })).toHaveLength(2_000);
    expect(eventLog.events({ upstream: "a", limit: 9_999 })).toHaveLength(100);
    expect(eventLog.events({ upstream: "u0", limit: 9 })).toEqual([]);
    expect(eventLog.events({ upstream: "u4999", limit: 9 })).toHaveLength(1);
  });
});

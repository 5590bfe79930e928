import { describe, expect, test } from "bun:test";
import type { ProblemSpan } from "../../../src/client/decoders.ts";
import { DayReader } from "../../../src/dashboard/live/day-reader.ts";
import type { RangeQuery } from "../../../src/history/history.ts";
import { columnsOf } from "../../../src/history/point.ts";
import { pool, snapshotOf, wavesUntil } from "../../support/fake-admin-api.ts";

const dayMs = 86_400_000;
const at = 200 * dayMs;
const snapshot = { ...snapshotOf(pool({ name: "one" }), pool({ name: "other" })), at };
const refused = { error: { reason: "unreachable", message: "connection refused" } } as const;
const span = (change: Partial<ProblemSpan>): ProblemSpan => ({
  ...{ id: "p", title: "t", level: "warning", since: 1, closedAt: 5, upstreams: [], ...change },
});

function setUp() {
  const scene = {
    now: 0,
    source: "a",
    isAway: false,
    asked: [] as (string | undefined)[],
    problems: [] as readonly ProblemSpan[],
  };
  const columns = columnsOf(wavesUntil(at, { spanMs: dayMs, stepMs: 300_000, since: 0 }));
  const reader = new DayReader({
    clock: () => scene.now,
    source: () => scene.source,
    admin: {
      async historyRange({ pool: name, from, to }: RangeQuery) {
        scene.asked.push(name);
        if (scene.isAway) return refused;
        const series = [{ pool: name ?? "", upstream: null, columns }];
        return { value: { window: null, from, to, stepMs: 300_000, coarsestMs: 300_000, series } };
      },
      problems: async () => (scene.isAway ? refused : { value: scene.problems }),
    },
  });
  return { scene, reader, columns, read: () => reader.of(snapshot) };
}

describe("the day of the horizon", () => {
  test("is the sum of all pools, with the last problem that has ended", async () => {
    const { scene, read, columns } = setUp();
    scene.problems = [
      span({ closedAt: 7, level: "notice" }),
      span({ closedAt: 3 }),
      span({ title: "last", closedAt: 6 }),
      span({ closedAt: null }),
    ];
    const day = await read();
    expect(scene.asked).toEqual(["one", "other"]);
    expect(day).toMatchObject({ from: at - dayMs, to: at, measuredMs: dayMs });
    expect(day?.columns.requestsPerSecond[0]).toBeCloseTo(2 * (columns.requestsPerSecond[0] ?? 0));
    expect(day?.lastProblem).toEqual({ title: "last", since: 1, closedAt: 6 });
  });

  test("is read once a minute for any number of viewers, and again in the background", async () => {
    const { scene, read } = setUp();
    const [first, same] = await Promise.all([read(), read()]);
    expect(same).toBe(first);
    scene.now = 59_999;
    expect(await read()).toBe(first);
    expect(scene.asked).toHaveLength(2);
    scene.now = 60_000;
    // The one before, while the next is read.
    expect(await read()).toBe(first);
    for (let turns = 0; turns < 20; turns++) await Promise.resolve();
    expect(scene.asked).toHaveLength(4);
    expect(await read()).not.toBe(first);
  });

  test("of one balancer that is read while another one is chosen is given up", async () => {
    const { scene, read } = setUp();
    scene.problems = [span({ title: "of a" })];
    const first = read();
    scene.source = "b";
    scene.problems = [span({ title: "of b" })];
    const second = read();
    await first;
    expect((await second)?.lastProblem?.title).toBe("of b");
    expect((await read())?.lastProblem?.title).toBe("of b");
    expect(scene.asked).toEqual(["one", "one", "other", "other"]);
  });

  test("stays while it cannot be read, and is given up with its balancer", async () => {
    const { scene, read } = setUp();
    const first = await read();
    scene.isAway = true;
    scene.now = 60_000;
    await read();
    for (let turns = 0; turns < 20; turns++) await Promise.resolve();
    expect(await read()).toBe(first);
    scene.source = "b";
    expect(await read()).toBeUndefined();
  });
});

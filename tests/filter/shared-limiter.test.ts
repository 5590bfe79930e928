import { describe, expect, test } from "bun:test";

import type { BudgetAsk, BudgetReply, Budgets } from "../../src/filter/budget.ts";
import { LeaseDesk } from "../../src/filter/lease-desk.ts";
import { RateLimiter, TableSpace } from "../../src/filter/rate-limiter.ts";
import { SharedLimiter } from "../../src/filter/shared-limiter.ts";
import { seededRandom as seeded } from "../../src/lib/random.ts";
import { FakeTime } from "../support/fake-time.ts";

/** What the script in the store computes, with a delay each way; it can be frozen and cut. */
class Buckets implements Budgets {
  readonly #time: FakeTime;
  readonly #fullAt = new Map<string, number>();
  readonly #peers: number;
  readonly delayMs: number;
  calls = 0;
  keys = 0;
  out = 0;
  maxOut = 0;
  isFrozen = false;
  isCut = false;

  constructor(time: FakeTime, peers: number, delayMs: number) {
    [this.#time, this.#peers, this.delayMs] = [time, peers, delayMs];
  }

  async exchange(asks: readonly BudgetAsk[]): Promise<BudgetReply> {
    if (this.isCut) throw new Error("cut");
    this.calls += 1;
    this.keys += asks.length;
    this.out += 1;
    this.maxOut = Math.max(this.maxOut, this.out);
    try {
      await this.#wait(this.delayMs);
      if (this.isFrozen) {
        await this.#wait(500);
        throw new Error("no answer");
      }
      const answers = asks.map((ask) => this.#answer(ask));
      await this.#wait(this.delayMs);
      return { answers, peers: this.#peers };
    } finally {
      this.out -= 1;
    }
  }

  #wait(ms: number): Promise<void> {
    return new Promise((resolve) => void this.#time.schedule(ms, resolve));
  }

  #answer({ key, intervalMs, capacityMs, spent, wanted }: BudgetAsk) {
    const now = this.#time.clock();
    const fullAt = Math.max(now, Math.max(now, this.#fullAt.get(key) ?? now) + spent * intervalMs);
    const left = Math.floor((now + capacityMs - fullAt) / intervalMs + 1e-6);
    const granted = Math.max(0, Math.min(wanted, left));
    this.#fullAt.set(key, fullAt + granted * intervalMs);
    return { granted, fullInMs: fullAt + granted * intervalMs - now };
  }
}

interface Setting {
  readonly peers?: number;
  readonly perSecond: number;
  readonly burst: number;
  readonly delayMs?: number;
}

function setUp({ peers = 3, perSecond, burst, delayMs = 0.5 }: Setting) {
  const time = new FakeTime();
  const { clock, schedule } = time;
  // Each has its own way to the same buckets.
  const buckets = new Buckets(time, peers, delayMs);
  const space = new TableSpace();
  const limiters = Array.from({ length: peers }, () => {
    const desk = new LeaseDesk({ budgets: buckets, clock, schedule });
    const rate = { perMs: perSecond / 1_000, burst };
    const own = new RateLimiter({ clock, ...rate, maxKeys: 1_024, space, onEviction() {} });
    return new SharedLimiter({ clock, desk, own, identity: "one", ...rate, processes: 1 });
  });
  const admitted: { at: number; by: number }[] = [];
  let refused = 0;
  const ask = (index: number, key = "n"): boolean => {
    const limiter = limiters[index] as SharedLimiter;
    if (limiter.waitMs(key) > 0) {
      limiter.missed();
      refused += 1;
      return false;
    }
    limiter.take();
    admitted.push({ at: clock(), by: index });
    return true;
  };
  /** Poisson arrivals at each, as many a second. */
  const run = async (demand: readonly number[], seconds: number, random = seeded(1)) => {
    const end = clock() + seconds * 1_000;
    const next = demand.map((rate) => clock() + gap(rate, random));
    for (;;) {
      const at = Math.min(...next);
      if (at >= end) break;
      await time.advance(at - clock());
      const index = next.indexOf(at);
      ask(index);
      next[index] = at + gap(demand[index] ?? 1, random);
    }
    await time.advance(end - clock());
  };
  /** The most that were admitted in any time of this length. */
  const mostIn = (ms: number): number => {
    let [from, most] = [0, 0];
    for (let to = 0; to < admitted.length; to++) {
      while ((admitted[to]?.at ?? 0) - (admitted[from]?.at ?? 0) >= ms) from += 1;
      most = Math.max(most, to - from + 1);
    }
    return most;
  };
  return { time, buckets, limiters, ask, run, mostIn, admitted, refused: () => refused };
}

function gap(perSecond: number, random: () => number): number {
  return (-Math.log(1 - random()) / perSecond) * 1_000;
}

const [perSecond, burst] = [1_000, 100];
const lease = Math.floor(perSecond / 3 / 10);

describe("a limit of 1,000/s that three balancers share", () => {
  test("admits no more than its rate and burst, and one lease for each, in any ten seconds", async () => {
    const { run, mostIn, admitted, buckets } = setUp({ perSecond, burst });
    await run([800, 800, 800], 15);
    expect(mostIn(10_000)).toBeLessThanOrEqual(10_000 + burst + 3 * lease);
    expect(admitted.length).toBeGreaterThan(15_000 * 0.98);
    // One call at a time from each, and no more than one in five milliseconds.
    expect(buckets.maxOut).toBeLessThanOrEqual(3);
    expect(buckets.calls).toBeLessThanOrEqual(3 * 15 * 200);
  });

  test("lets a busy balancer use what the others leave", async () => {
    const { run, mostIn, admitted } = setUp({ perSecond, burst });
    await run([2_000, 100, 100], 15);
    expect(mostIn(10_000)).toBeLessThanOrEqual(10_000 + burst + 3 * lease);
    expect(admitted.length).toBeGreaterThan(15_000 * 0.98);
    const ofSmall = admitted.filter(({ by }) => by === 1).length;
    expect(ofSmall).toBeGreaterThan(15 * 100 * 0.5);
  });

  test("refuses nothing below nine tenths of it, with a store nearby or far away", async () => {
    for (const delayMs of [0.2, 5, 20]) {
      for (const demand of [
        [200, 300, 200],
        [300, 300, 300],
        [850, 25, 25],
      ]) {
        const { run, refused } = setUp({ perSecond, burst: 200, delayMs });
        await run(demand, 10, seeded(7));
        expect({ delayMs, demand, refused: refused() }).toEqual({ delayMs, demand, refused: 0 });
      }
    }
  });

  test("goes on with shares while the store is frozen or cut, and refuses nothing below them", async () => {
    for (const fault of ["isFrozen", "isCut"] as const) {
      const { run, mostIn, buckets, refused } = setUp({ perSecond, burst });
      await run([300, 300, 300], 4, seeded(3));
      buckets[fault] = true;
      await run([250, 250, 250], 4, seeded(4));
      expect(refused()).toBe(0);
      await run([800, 800, 800], 5);
      buckets[fault] = false;
      await run([800, 800, 800], 10);
      expect(mostIn(10_000)).toBeLessThanOrEqual(10_000 + burst * 2);
      const before = refused();
      await run([1, 1, 1], 2);
      await run([300, 300, 300], 4, seeded(5));
      expect(refused()).toBe(before);
    }
  });

  test("makes nobody richer by cutting the store again and again", async () => {
    const { run, mostIn, buckets } = setUp({ perSecond, burst });
    for (let round = 0; round < 12; round++) {
      buckets.isCut = round % 2 === 1;
      await run([700, 700, 700], 1, seeded(round));
    }
    expect(mostIn(10_000)).toBeLessThanOrEqual(10_000 + burst * 2 + 3 * lease);
  });
});

test("a burst of a client passes at the balancer that it meets first, and is missing at the others", async () => {
  const { ask, time } = setUp({ perSecond: 1, burst: 20 });
  const passed = Array.from({ length: 25 }, () => ask(0)).filter(Boolean).length;
  expect(passed).toBe(20);
  await time.advance(50);
  // A balancer that does not know the client yet lets it pass, and then asks.
  expect(ask(1)).toBe(true);
  await time.advance(50);
  expect([ask(0), ask(1)]).toEqual([false, false]);
  // It is a debt for all of them.
  await time.advance(1_000);
  expect([ask(0), ask(1)]).toEqual([false, false]);
  await time.advance(2_000);
  expect(ask(0)).toBe(true);
});

test("tokens that were not used go back", async () => {
  const { ask, time, run } = setUp({ perSecond: 100, burst: 50 });
  await run([90, 0.001, 0.001], 2);
  await time.advance(1_500);
  // The bucket is full again: another balancer can use all of it.
  const passed = Array.from({ length: 60 }, () => ask(1)).filter(Boolean).length;
  expect(passed).toBe(50);
});

test("hundreds of thousands of keys take a bounded part of memory, and are told in bundles", async () => {
  const { ask, time, buckets, limiters } = setUp({ perSecond: 10, burst: 5 });
  for (let round = 0; round < 100; round++) {
    for (let index = 0; index < 2_000; index++) ask(0, `client ${round * 2_000 + index}`);
    await time.advance(5);
  }
  expect(limiters[0]?.leases).toBeLessThanOrEqual(65_536);
  expect(buckets.keys / buckets.calls).toBeGreaterThan(100);
  buckets.isCut = true;
  for (let round = 0; round < 100; round++) {
    for (let index = 0; index < 2_000; index++) ask(0, `other ${round * 2_000 + index}`);
    await time.advance(50);
  }
  expect(limiters[0]?.leases).toBeLessThanOrEqual(65_536);
  // What waits to be told is bounded too: it is sent when the store is back, and then there is no more.
  const before = buckets.keys;
  buckets.isCut = false;
  ask(0);
  await time.advance(10_000);
  expect(buckets.keys - before).toBeLessThanOrEqual(2 * 65_536 + 200);
});

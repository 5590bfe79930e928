import { describe, expect, test } from "bun:test";

import { failure } from "../../src/pool/outcome.ts";
import type { ProbePlan } from "../../src/probe/probe.ts";
import {
  isUnresponsive,
  StallDetector,
  stallThresholdMs,
  type StallEvidence,
} from "../../src/probe/stall-detector.ts";
import { Prober } from "../../src/probe/prober.ts";
import { createPoolFixture, type PoolFixtureOptions } from "../support/pool-fixture.ts";
import { FakeTime } from "../support/fake-time.ts";

const plan: ProbePlan = {
  kind: "http",
  path: "/readyz",
  intervalMs: 5_000,
  changingIntervalMs: 1_000,
  jitter: 0,
  timeoutMs: 2_000,
  rise: 2,
  fall: 3,
};

function setUp(options: PoolFixtureOptions = {}, kind: ProbePlan["kind"] = "http") {
  const fixture = createPoolFixture(options);
  const [a, b, c] = fixture.upstreams;
  if (!a || !b || !c) throw new Error("three upstreams are expected");
  const { schedule } = new FakeTime();
  const clock = () => fixture.now.ms;
  const prober = new Prober({
    clock,
    schedule,
    random: () => 0.5,
    onResult() {},
    probe: async () => ({ success: true, detail: "", latencyMs: 1 }),
  });
  void prober.watch(
    fixture.upstreams.map((upstream) => ({ upstream, pool: fixture.pool, plan: { ...plan, kind } })),
  );
  let isSuspected = false;
  const stallDetector = new StallDetector({
    clock,
    schedule,
    p99Ms: () => 10,
    pools: () => [fixture.pool],
    onSuspicion(suspicions) {
      isSuspected = suspicions.some(({ upstream }) => upstream === a);
      for (const suspicion of suspicions) prober.investigate(suspicion);
    },
  });
  /** Whether a check suspects the first upstream, which is still up. */
  const isSuspectedNow = () => {
    isSuspected = false;
    stallDetector.check();
    return isSuspected && !a.isDown;
  };
  /** Starts attempts on the first upstream; rescued ones are collected. */
  const moved: number[] = [];
  const startWaiting = (count: number) =>
    Array.from({ length: count }, (_, i) => {
      const attempt = fixture.startAttempt(a);
      attempt.driver = { rescue: () => void moved.push(i), abort() {} };
      return attempt;
    });
  return { ...fixture, a, b, c, isSuspectedNow, startWaiting, moved };
}

test("the stall threshold is three times the p99 latency, at least one second", () => {
  expect(stallThresholdMs()).toBe(1_000);
  expect(stallThresholdMs(20)).toBe(1_000);
  expect(stallThresholdMs(2_000)).toBe(6_000);
});

describe("an upstream is suspected", () => {
  test("when its oldest waiting attempt exceeds the threshold, until that gets a response", () => {
    const { now, isSuspectedNow, startWaiting } = setUp();
    const [attempt] = startWaiting(1);
    now.ms += 999;
    expect(isSuspectedNow()).toBe(false);
    now.ms += 1;
    expect(isSuspectedNow()).toBe(true);
    attempt?.responseStarted(200);
    expect(isSuspectedNow()).toBe(false);
  });

  test("never because of the time that a client takes to send its body", () => {
    const { now, isSuspectedNow, startWaiting } = setUp();
    const [attempt] = startWaiting(1);
    attempt?.awaitClient();
    now.ms += 60_000;
    expect(isSuspectedNow()).toBe(false);
    attempt?.awaitUpstream();
    expect(isSuspectedNow()).toBe(false);
    now.ms += 1_000;
    expect(isSuspectedNow()).toBe(true);
  });
});

describe("behind a TCP probe, which does not detect a frozen process,", () => {
  test("three waiting attempts while other upstreams respond eject it, and are rescued", () => {
    const { now, isSuspectedNow, startWaiting, changes, moved, runAttempt, b } = setUp({}, "tcp");
    startWaiting(3);
    now.ms += 500;
    runAttempt(b, "ok");
    now.ms += 500;
    expect(isSuspectedNow()).toBe(false);
    expect(changes).toEqual(["a up→ejected unresponsive"]);
    expect(moved).toEqual([0, 1, 2]);
  });

  test("attempts that waited before its last response do not count, but are rescued too", () => {
    const { now, isSuspectedNow, startWaiting, moved, runAttempt, a, b } = setUp({}, "tcp");
    startWaiting(4);
    now.ms += 10;
    runAttempt(a, "ok");
    now.ms += 1;
    startWaiting(2);
    now.ms += 1_000;
    runAttempt(b, "ok");
    expect(isSuspectedNow()).toBe(true);
    startWaiting(1);
    now.ms += 1_000;
    runAttempt(b, "ok");
    expect(isSuspectedNow()).toBe(false);
    expect(moved).toHaveLength(7);
  });

  for (const [name, arrange] of [
    ["only two attempts wait", ({ startWaiting }) => void startWaiting(2)],
    ["the others do not respond either", ({ startWaiting }) => void startWaiting(3), "no response"],
    [
      "it responds to other attempts meanwhile",
      ({ startWaiting, runAttempt, now, a }) => (startWaiting(3), (now.ms += 1), runAttempt(a, "ok")),
    ],
    ["an HTTP probe decides", ({ startWaiting }) => void startWaiting(3), "http"],
    ["no upstream may be ejected", ({ startWaiting, pool }) => (startWaiting(3), pool.setMaxEjectedShare(0))],
  ] as [string, (fixture: ReturnType<typeof setUp>) => void, string?][]) {
    test(`it is not ejected if ${name}`, () => {
      const fixture = setUp({}, name === "an HTTP probe decides" ? "http" : "tcp");
      arrange(fixture);
      fixture.now.ms += 500;
      if (name !== "the others do not respond either") fixture.runAttempt(fixture.b, "ok");
      fixture.now.ms += 500;
      expect(fixture.isSuspectedNow()).toBe(true);
      expect(fixture.changes).toEqual([]);
      expect(fixture.moved).toEqual([]);
    });
  }
});

describe("the prober, after a suspicion,", () => {
  async function withProber(responses: () => boolean, weights = [1, 1, 1]) {
    const fixture = createPoolFixture({ weights, isProbed: false });
    const time = new FakeTime();
    const timeouts: number[] = [];
    let isUp = true;
    const prober = new Prober({
      probe: async (_, { timeoutMs }) => {
        timeouts.push(timeoutMs);
        return { success: isUp || responses(), detail: "no response", latencyMs: 1 };
      },
      clock: () => fixture.now.ms,
      schedule: time.schedule,
      random: () => 0.5,
      onResult() {},
    });
    const stallDetector = new StallDetector({
      clock: () => fixture.now.ms,
      schedule: time.schedule,
      p99Ms: () => undefined,
      pools: () => [fixture.pool],
      onSuspicion: (suspicions) => suspicions.forEach((one) => prober.investigate(one)),
    });
    stallDetector.start();
    const advance = async (ms: number) => {
      fixture.now.ms += ms;
      await time.advance(ms);
    };
    await prober.watch(fixture.upstreams.map((upstream) => ({ upstream, pool: fixture.pool, plan })));
    isUp = false;
    timeouts.length = 0;
    return { ...fixture, prober, advance, timeouts };
  }

  test("probes at once with a timeout of one second; one failure is enough, and waiting attempts are rescued", async () => {
    const { startAttempt, upstreams, advance, timeouts, prober } = await withProber(() => false);
    const [a] = upstreams;
    if (!a) throw new Error("an upstream is expected");
    let moved = 0;
    startAttempt(a).driver = { rescue: () => void (moved += 1), abort() {} };
    await advance(900);
    expect(timeouts).toEqual([]);
    await advance(100);
    expect(timeouts).toEqual([1_000]);
    expect(a.status).toBe("failing");
    expect(moved).toBe(1);
    prober.stop();
  });

  test("keeps an upstream whose probe passes, and confirms again only after a pause", async () => {
    const { startAttempt, upstreams, advance, timeouts, prober } = await withProber(() => true);
    const [a] = upstreams;
    if (!a) throw new Error("an upstream is expected");
    startAttempt(a);
    await advance(1_000);
    await advance(900);
    expect(timeouts).toEqual([1_000]);
    await advance(200);
    expect(timeouts).toEqual([1_000, 1_000]);
    expect(a.status).toBe("passing");
    prober.stop();
  });

  test("keeps the last upstream that is up until `fall` probes have failed", async () => {
    const { startAttempt, upstreams, advance, prober } = await withProber(() => false, [1]);
    const [a] = upstreams;
    if (!a) throw new Error("an upstream is expected");
    startAttempt(a);
    await advance(1_000);
    expect(a.status).toBe("passing");
    prober.stop();
  });

  test("a failed attempt is in no list", () => {
    const { startAttempt, upstreams } = createPoolFixture();
    const [a] = upstreams;
    if (!a) throw new Error("an upstream is expected");
    const [first, second] = [startAttempt(a), startAttempt(a)];
    first.end(failure("head", "upstream_reset"));
    expect([a.waiting.oldest, second.next]).toEqual([second, undefined]);
    second.responseStarted(200);
    expect(a.waiting.oldest).toBeUndefined();
    expect([a.responding.oldest, second.next]).toEqual([second, undefined]);
    second.end({ kind: "response" });
    expect(a.responding.oldest).toBeUndefined();
  });
});

describe("evidence of several processes", () => {
  const evidence = (
    waits: readonly number[],
    respondedAt = 0,
    othersLastResponseAt = 1_500,
  ): StallEvidence => ({
    thresholdMs: 1_000,
    waits,
    lastResponseAt: respondedAt,
    othersLastResponseAt,
  });

  for (const [name, reports, expected] of [
    [
      "suffices from three workers that each miss one response",
      [evidence([1_000]), evidence([1_001]), evidence([1_002])],
      true,
    ],
    ["needs three waits", [evidence([1_000]), evidence([1_001])], false],
    [
      "is refuted by a response in one of the workers",
      [evidence([1_000, 1_001, 1_002]), evidence([], 1_003)],
      false,
    ],
    [
      "does not suffice if no other upstream responds",
      [evidence([1, 2, 3], 0, 0), evidence([], 0, 0)],
      false,
    ],
    [
      "counts waits since the last response",
      [evidence([1_000, 1_100]), evidence([1_101, 1_102], 1_050)],
      true,
    ],
    ["uses the longest threshold", [evidence([1, 2, 3]), { ...evidence([]), thresholdMs: 5_000 }], false],
    ["does not suffice without reports", [], false],
  ] as [string, StallEvidence[], boolean][]) {
    test(name, () => expect(isUnresponsive(reports, 2_500)).toBe(expected));
  }
});

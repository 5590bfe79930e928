import { describe, expect, test } from "bun:test";

import { defaults } from "../../src/config/config.ts";
import { seededRandom } from "../../src/lib/random.ts";
import { runtime } from "../../src/runtime/bun.ts";
import { policyEntry } from "../../src/policy/policies.ts";
import { Pool } from "../../src/pool/pool.ts";
import { Endpoints } from "../../src/net/endpoints.ts";
import { type ProbePlan, type ProbeResult, probeWith } from "../../src/probe/probe.ts";
import { Prober } from "../../src/probe/prober.ts";
import { FakeTime } from "../support/fake-time.ts";
import { respondWith, startOrigin } from "../support/origin.ts";
import { upstreamsOf } from "../support/upstreams.ts";

const plan: ProbePlan = defaults.pool.probe;

function setUp(
  responses: (id: string) => boolean,
  random = () => 0.5,
  count = 2,
  hangs = (_: string) => false,
) {
  const time = new FakeTime();
  const upstreams = upstreamsOf(Array.from({ length: count }, () => 1));
  const policy = policyEntry("first").create({ random, clock: time.clock });
  const pool = new Pool({ name: "main", policy, upstreams, random, clock: time.clock });
  const changes: string[] = [];
  let probeCount = 0;
  const ids = new Map(upstreams.map((upstream) => [upstream.address, upstream.id]));
  const prober = new Prober({
    probe: async ({ address }): Promise<ProbeResult> => {
      probeCount += 1;
      if (hangs(ids.get(address) ?? "")) await new Promise(() => {});
      return { success: responses(ids.get(address) ?? ""), detail: "", latencyMs: 1 };
    },
    clock: time.clock,
    schedule: time.schedule,
    random,
    onResult: ({ upstream }, _, changedFrom) =>
      changedFrom && changes.push(`${upstream.id} ${upstream.activeHealth.state}`),
  });
  const targets = upstreams.map((upstream) => ({ upstream, pool, plan }));
  const start = () => prober.watch(targets);
  return { time, pool, upstreams, targets, prober, start, changes, probeCount: () => probeCount };
}

describe("the prober", () => {
  test("has a first result for each upstream when it has started", async () => {
    const { prober, start, changes } = setUp((id) => id === "a");
    await start();
    expect(changes).toEqual(["a passing", "b failing"]);
    prober.stop();
  });

  test("begins the first probes of many upstreams in groups, and resolves with all of them", async () => {
    const { time, prober, start, changes, probeCount } = setUp(
      () => true,
      () => 0.5,
      100,
    );
    const started = start();
    const counts = [probeCount()];
    for (let i = 0; i < 3; i++) {
      await time.advance(4);
      counts.push(probeCount());
    }
    expect(counts).toEqual([16, 32, 48, 64]);
    await time.advance(12);
    await started;
    expect([probeCount(), changes.length]).toEqual([100, 100]);
    prober.stop();
  });

  test("turns while probes of one upstream end in time, and does not when all of them hang", async () => {
    const hanging = new Set<string>();
    const { time, prober, start } = setUp(
      () => true,
      () => 0.5,
      2,
      (id) => hanging.has(id),
    );
    expect(prober.isTurning).toBe(true);
    await start();
    hanging.add("a");
    for (let i = 0; i < 20; i++) await time.advance(5_000);
    expect(prober.isTurning).toBe(true);
    hanging.add("b");
    for (let i = 0; i < 20; i++) await time.advance(5_000);
    expect(prober.isTurning).toBe(false);
    prober.stop();
    expect(prober.isTurning).toBe(true);
  });

  test("probes every 5 s, and every second while the state may change", async () => {
    let up = true;
    const { prober, start, time, changes } = setUp((id) => id === "b" || up);
    await start();
    expect(time.waits).toEqual([5_000, 5_000]);
    up = false;
    await time.advance(5_000);
    expect(time.waits).toEqual([1_000, 5_000]);
    await time.advance(1_000);
    expect(changes).toEqual(["a passing", "b passing"]);
    await time.advance(1_000);
    expect(changes.at(-1)).toBe("a failing");
    up = true;
    await time.advance(5_000);
    await time.advance(1_000);
    expect(changes.at(-1)).toBe("a passing");
    prober.stop();
  });

  test("learns nothing from a probe for which the balancer had no descriptor, and repeats it", async () => {
    const time = new FakeTime();
    const [upstream] = upstreamsOf([1]);
    if (!upstream) throw new Error("no upstream");
    const policy = policyEntry("first").create({ random: () => 0.5, clock: time.clock });
    const pool = new Pool({
      ...{ name: "main", policy, upstreams: [upstream] },
      ...{ random: () => 0.5, clock: time.clock },
    });
    let isExhausted = false;
    let probes = 0;
    const results: boolean[] = [];
    const prober = new Prober({
      probe: async () => {
        probes += 1;
        return isExhausted ? { exhausted: "EMFILE" } : { success: probes < 100, detail: "", latencyMs: 1 };
      },
      clock: time.clock,
      schedule: time.schedule,
      random: () => 0.5,
      onResult: (_, { success }) => results.push(success),
    });
    await prober.watch([{ upstream, pool, plan }]);
    isExhausted = true;
    for (let i = 0; i < 20; i++) await time.advance(5_000);
    expect([upstream.activeHealth.state, upstream.activeHealth.isChanging]).toEqual(["passing", false]);
    expect([probes, results]).toEqual([21, [true]]);
    prober.investigate({ upstream, evidence: [] });
    await time.advance(1);
    expect([probes, upstream.activeHealth.state]).toEqual([22, "passing"]);
    prober.stop();
  });

  test("waits within the jitter, so that probes do not synchronize", async () => {
    for (const [dice, wait] of [
      [0, 4_500],
      [0.5, 5_000],
      [1, 5_500],
    ] as const) {
      const { prober, start, time } = setUp(
        () => true,
        () => dice,
      );
      await start();
      expect(time.waits[0]).toBeCloseTo(wait);
      prober.stop();
    }
  });

  test("starts probes together that are due at about the same time", async () => {
    const dice = seededRandom(3);
    const { prober, start, time } = setUp(() => true, dice);
    await start();
    for (let i = 0; i < 20; i++) {
      expect(time.waits.map((wait) => (time.clock() + wait) % 50)).toEqual([0, 0]);
      await time.advance(1_234);
    }
    prober.stop();
  });

  test("continues to probe when the result callback throws", async () => {
    const { targets, time, probeCount, prober, pool } = setUp(() => true);
    const callback = { isFaulty: true };
    const other = new Prober({
      clock: time.clock,
      schedule: time.schedule,
      random: () => 0.5,
      probe: async () => ({ success: true, detail: "", latencyMs: 1 }),
      onResult: () => {
        if (callback.isFaulty) throw new Error("a bug for the test");
      },
    });
    expect(await other.watch(targets).catch(String)).toBe("Error: a bug for the test");
    callback.isFaulty = false;
    expect(time.waits).toEqual([5_000, 5_000]);
    other.stop();
    prober.stop();
    expect([probeCount(), pool.available.length]).toEqual([0, 2]);
  });

  test("does not probe after it is stopped", async () => {
    const { prober, start, time, probeCount } = setUp(() => true);
    await start();
    prober.stop();
    await time.advance(60_000);
    expect(probeCount()).toBe(2);
    expect(time.waits).toEqual([]);
  });
});

describe("an upstream that has not come up yet", () => {
  test("is probed after 250 ms, and then ever later, up to a second", async () => {
    const { prober, start, time, changes, upstreams } = setUp(
      (id) => id === "a",
      () => 0,
    );
    await start();
    expect(time.waits).toEqual([250, 4_500]);
    const waits: (number | undefined)[] = [];
    for (let i = 0; i < 5; i++) {
      await time.advance(time.waits[0] ?? 0);
      waits.push(time.waits[0]);
    }
    expect(waits).toEqual([500, 1_000, 1_000, 1_000, 750]);
    expect(changes).toEqual(["a passing", "b failing"]);
    expect(upstreams[1]?.activeHealth.isEstablished).toBe(false);
    prober.stop();
  });

  test("passes within a second of its start, whenever that is", async () => {
    const dice = seededRandom(5);
    for (let startsAt = 100; startsAt < 20_000; startsAt += 417) {
      const begins = { now: false };
      const { prober, start, time, upstreams } = setUp((id) => id === "a" || begins.now, dice);
      await start();
      await time.advance(startsAt);
      begins.now = true;
      expect(upstreams[1]?.activeHealth.state).toBe("failing");
      await time.advance(1_000);
      expect(upstreams[1]?.activeHealth.state).toBe("passing");
      await time.advance(10_000);
      expect(Math.max(...time.waits)).toBeGreaterThan(1_000);
      prober.stop();
    }
  });

  test("is not probed more often while the operator keeps it out of service", async () => {
    const { prober, start, time, pool, upstreams } = setUp((id) => id === "a");
    for (const upstream of upstreams.slice(1)) pool.setMode(upstream, "maintenance");
    await start();
    expect(time.waits).toEqual([5_000, 5_000]);
    prober.stop();
  });

  test("costs at most 200 probes a second where a thousand of them are away", async () => {
    const { prober, start, time, probeCount } = setUp(() => false, seededRandom(9), 1_000);
    await start();
    await time.advance(10_000);
    const before = probeCount();
    await time.advance(20_000);
    const perSecond = (probeCount() - before) / 20;
    expect(perSecond).toBeGreaterThan(150);
    expect(perSecond).toBeLessThan(250);
    prober.stop();
  });
});

describe("a pool in which no upstream is fit", () => {
  async function fallen() {
    const up = new Set(["a", "b", "c"]);
    const set = setUp(
      (id) => up.has(id),
      () => 0,
      3,
    );
    await set.start();
    up.clear();
    await set.time.advance(7_000);
    expect(set.pool.isDown).toBe(true);
    return { ...set, up };
  }

  test("is probed every second at least, all of its upstreams", async () => {
    const { prober, time } = await fallen();
    for (let i = 0; i < 20; i++) {
      expect(time.waits.length).toBe(3);
      expect(Math.max(...time.waits)).toBeLessThanOrEqual(1_000);
      await time.advance(777);
    }
    prober.stop();
  });

  test("serves again when one upstream passed twice, soon after another; the rest are then probed as before", async () => {
    const { prober, time, pool, up } = await fallen();
    await time.advance(10_000);
    up.add("b");
    await time.advance(1_250);
    expect(pool.available.map(({ id }) => id)).toEqual(["b"]);
    await time.advance(2_000);
    expect(time.waits.every((wait) => wait <= 1_000)).toBe(false);
    prober.stop();
  });

  test("brings probes forward when the last upstream falls, or an operator takes it out", async () => {
    const { prober, start, time, pool, upstreams } = setUp(
      (id) => id === "a" || time.clock() === 0,
      () => 0,
      3,
    );
    await start();
    await time.advance(15_000);
    expect(Math.max(...time.waits)).toBeGreaterThan(1_000);
    const [a] = upstreams;
    if (a) pool.setMode(a, "draining");
    await start();
    expect(time.waits.filter((wait) => wait <= 250).length).toBe(2);
    prober.stop();
  });
});

describe("a prober whose targets change", () => {
  test("probes new targets at once, and known ones on schedule", async () => {
    const { prober, start, time, targets, probeCount } = setUp(() => true);
    await prober.watch(targets.slice(0, 1));
    await start();
    await start();
    expect(probeCount()).toBe(2);
    expect(time.waits).toEqual([5_000, 5_000]);
    prober.stop();
  });

  test("probes at once when the probe plan has changed", async () => {
    const { prober, start, time, targets, probeCount } = setUp(() => true);
    await start();
    await prober.watch(targets.map((target) => ({ ...target, plan: { ...plan, intervalMs: 9_000 } })));
    expect(probeCount()).toBe(4);
    expect(time.waits).toEqual([9_000, 9_000]);
    prober.stop();
  });

  test("drops removed targets, including a probe in flight", async () => {
    const { prober, start, time, upstreams, probeCount, changes } = setUp(() => true);
    const starting = start();
    prober.retain(new Set(upstreams.slice(0, 1)));
    await starting;
    expect(changes).toEqual(["a passing"]);
    await time.advance(5_000);
    expect(probeCount()).toBe(3);
    prober.stop();
  });
});

describe("a probe", () => {
  const probe = probeWith(runtime, () => performance.now());
  const at = (port: number) => ({
    address: { protocol: "http", hostname: "127.0.0.1", port } as const,
    endpoints: new Endpoints("127.0.0.1"),
  });

  test("over TCP succeeds when the port is open and reports a refused connection", async () => {
    const origin = await startOrigin(() => {});
    expect(await probe(at(origin.port), plan)).toMatchObject({ success: true, detail: "connected" });
    await origin.close();
    expect(await probe(at(origin.port), plan)).toMatchObject({
      success: false,
      detail: "connection refused",
    });
  });

  test("over HTTP succeeds with status 200 to 399", async () => {
    const origin = await startOrigin(
      ({ target }, socket) => void socket.write(respondWith("", [], `${target.slice(1)} Word`)),
    );
    for (const [status, success] of [
      [200, true],
      [204, true],
      [301, true],
      [399, true],
      [400, false],
      [503, false],
    ] as const) {
      const result = await probe(at(origin.port), { ...plan, kind: "http", path: `/${status}` });
      expect(result).toMatchObject({ success, detail: `status ${status}` });
    }
    await origin.close();
  });

  test("over HTTP fails when no response arrives in time", async () => {
    const origin = await startOrigin(() => {});
    const result = await probe(at(origin.port), { ...plan, kind: "http", path: "/", timeoutMs: 60 });
    expect(result).toMatchObject({ success: false, detail: "no response in time" });
    await origin.close();
  });
});

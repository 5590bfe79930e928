import { describe, expect, test } from "bun:test";

import { policyNames } from "../../src/policy/policies.ts";
import { failure, completed } from "../../src/pool/outcome.ts";
import type { Upstream } from "../../src/pool/upstream.ts";
import { type PoolFixture, createPoolFixture, outlierLimits } from "../support/pool-fixture.ts";
import { countsOf } from "../support/upstreams.ts";

function eject({ runAttempt }: PoolFixture, upstream: Upstream | undefined): void {
  for (let i = 0; i < 5; i++) runAttempt(upstream, "bad");
}

/** Fails attempts with refused connects, like a server that is not running. */
function failConnect({ startAttempt }: PoolFixture, upstream: Upstream, times = 5): void {
  for (let i = 0; i < times; i++) startAttempt(upstream).end(failure("connect", "connect_refused"));
}

function fail({ pool }: PoolFixture, upstream: Upstream): void {
  for (let i = 0; i < 3; i++) pool.recordProbe(upstream, false);
}

function setUp(options?: Parameters<typeof createPoolFixture>[0]) {
  const fixture = createPoolFixture(options);
  const [a, b, c, d] = fixture.upstreams as [Upstream, Upstream, Upstream, Upstream];
  return { ...fixture, fixture, a, b, c, d };
}

describe("a pool with outliers", () => {
  test("ejects after five failures in a row, and admits one attempt when the ejection ends", () => {
    const { fixture, pool, now, ids, a, startAttempt, runAttempt, changes } = setUp();
    for (let i = 0; i < 4; i++) runAttempt(a, "bad");
    expect(ids(pool.available)).toBe("abc");
    runAttempt(a, "bad");
    expect(ids(pool.available)).toBe("bc");
    expect(a.status).toBe("ejected");
    now.ms += 29_999;
    expect(ids(pool.available)).toBe("bc");
    now.ms += 1;
    expect(ids(pool.available)).toBe("abc");
    const trial = startAttempt(a);
    expect(Array.from({ length: 30 }, () => pool.select("", [])?.id)).not.toContain("a");
    trial.end({ kind: "cancelled" });
    expect(Array.from({ length: 30 }, () => pool.select("", [])?.id)).toContain("a");
    runAttempt(a, "ok");
    expect(a.status).toBe("passing");
    expect(changes).toEqual([
      "a up→ejected consecutive_failures",
      "a ejected→probation ejection_over",
      "a probation→up answered",
    ]);
    eject(fixture, a);
    expect(ids(pool.available)).toBe("bc");
  });

  test("ends a probation with a successful response head: the body may last for hours", () => {
    const { fixture, pool, now, a, startAttempt } = setUp();
    eject(fixture, a);
    now.ms += 30_000;
    expect(pool.available).toContain(a);
    const tunnel = startAttempt(a);
    expect(a.outlier.admits).toBe(false);
    tunnel.responseStarted(101);
    expect(a.outlier.state).toBe("up");
    now.ms += 3_600_000;
    tunnel.end(completed);
    expect(a.inFlight).toBe(0);
  });

  test("ignores attempts that started before the last change", () => {
    const { pool, now, a, startAttempt, runAttempt } = setUp();
    const slow = Array.from({ length: 20 }, () => startAttempt(a));
    now.ms += 1;
    for (const attempt of slow.slice(0, 5))
      attempt.end({ kind: "failure", phase: "head", reason: "head_timeout" });
    expect(a.outlier.state).toBe("ejected");
    now.ms += 30_000;
    expect(pool.available).toContain(a);
    for (const attempt of slow.slice(5, 10))
      attempt.end({ kind: "failure", phase: "head", reason: "head_timeout" });
    expect(a.outlier.state).toBe("probation");
    runAttempt(a, "ok");
    now.ms += 1;
    for (const attempt of slow.slice(10))
      attempt.end({ kind: "failure", phase: "head", reason: "head_timeout" });
    expect(a.outlier.state).toBe("up");
  });

  test("never ejects more than half of the upstreams, nor the last one that is up", () => {
    for (const count of [1, 2, 3, 4, 5, 8]) {
      const fixture = createPoolFixture({ weights: Array.from({ length: count }, () => 1) });
      for (let round = 0; round < 3; round++)
        for (const upstream of fixture.upstreams) eject(fixture, upstream);
      const ejected = fixture.upstreams.filter(({ outlier }) => outlier.state === "ejected").length;
      expect(ejected).toBe(Math.floor(count / 2));
    }
    const { fixture, a, b } = setUp({ weights: [1, 1, 1, 1] });
    for (const upstream of fixture.upstreams.slice(1)) fixture.pool.setMode(upstream, "draining");
    eject(fixture, a);
    expect(a.outlier.state).toBe("up");
    fixture.pool.setMode(b, "ready");
    eject(fixture, a);
    expect(a.outlier.state).toBe("ejected");
  });

  test("ejects no upstream if maxEjectedShare is 0", () => {
    const { fixture, a } = setUp({ maxEjectedShare: 0 });
    eject(fixture, a);
    expect(a.outlier.state).toBe("up");
  });

  test("ends an ejection when failing probes pass again, with a slow start", () => {
    const { fixture, pool, ids, a } = setUp();
    eject(fixture, a);
    pool.recordProbe(a, true);
    expect(a.status).toBe("ejected");
    fail(fixture, a);
    expect(a.status).toBe("failing");
    pool.recordProbe(a, true);
    pool.recordProbe(a, true);
    expect(a.status).toBe("passing");
    expect(ids(pool.available)).toBe("abc");
    expect(a.effectiveWeight).toBe(0.1);
  });

  test("ends an ejection for refused connects when a probe connects: the server was restarted between two probes", () => {
    const { fixture, pool, ids, a, changes } = setUp();
    failConnect(fixture, a);
    expect(a.status).toBe("ejected");
    expect(pool.recordProbe(a, true)).toBe(false);
    expect(a.status).toBe("passing");
    expect(ids(pool.available)).toBe("abc");
    expect(a.effectiveWeight).toBe(0.1);
    expect(changes).toEqual(["a up→ejected consecutive_failures", "a ejected→up probe_passed"]);
  });

  test("ends its probation the same way, and ejects it for longer if it refuses again", () => {
    const { fixture, pool, now, a } = setUp();
    failConnect(fixture, a);
    now.ms += 30_000;
    expect(pool.available).toContain(a);
    expect(a.status).toBe("probation");
    pool.recordProbe(a, true);
    expect(a.status).toBe("passing");
    failConnect(fixture, a);
    expect(a.outlier.endsAt - now.ms).toBe(60_000);
  });

  test("ignores a probe that began before the ejection, and probes of upstreams with TLS", () => {
    const { fixture, pool, now, a, b } = setUp({ maxEjectedShare: 1 });
    const begunAt = now.ms;
    failConnect(fixture, a);
    pool.recordProbe(a, true, { begunAt });
    expect(a.status).toBe("ejected");
    pool.recordProbe(a, true, { begunAt: begunAt + 1 });
    expect(a.status).toBe("passing");
    b.address = { ...b.address, protocol: "https" };
    failConnect(fixture, b);
    pool.recordProbe(b, true);
    expect(b.status).toBe("ejected");
  });

  test("ignores a probe if the last failure was of another kind, or if probes failed too", () => {
    const { fixture, pool, a, b, runAttempt } = setUp({ maxEjectedShare: 1 });
    failConnect(fixture, a, 4);
    runAttempt(a, "bad");
    pool.recordProbe(a, true);
    expect(a.status).toBe("ejected");
    failConnect(fixture, b);
    fail(fixture, b);
    pool.recordProbe(b, true);
    expect(b.status).toBe("failing");
    pool.recordProbe(b, true);
    expect(b.status).toBe("passing");
  });

  test("serves from ejected upstreams when no others are left, and reports panic mode", () => {
    const { fixture, pool, ids, a, b, c, changes, runAttempt } = setUp();
    eject(fixture, a);
    changes.length = 0;
    fail(fixture, b);
    fail(fixture, c);
    expect(ids(pool.available)).toBe("a");
    expect(pool.isPanicking).toBe(true);
    expect(changes).toEqual(["panic true"]);
    for (let i = 0; i < 20; i++) runAttempt(pool.select("", []), "ok");
    for (let i = 0; i < 2; i++) pool.recordProbe(b, true);
    expect(pool.isPanicking).toBe(false);
    expect(ids(pool.available)).toBe("b");
    expect(changes).toEqual(["panic true", "panic false"]);
  });

  test("enters panic mode also when all others are in probation, and recovers with the first response", () => {
    const { fixture, pool, now, a, b, c, runAttempt, startAttempt } = setUp();
    eject(fixture, a);
    fail(fixture, b);
    fail(fixture, c);
    now.ms += 30_000;
    expect(pool.isPanicking).toBe(true);
    for (let i = 0; i < 5; i++) startAttempt(pool.select("", []) as Upstream);
    runAttempt(pool.select("", []), "ok");
    expect(pool.isPanicking).toBe(false);
    expect(a.outlier.state).toBe("up");
  });

  test("selects no upstream when all probes fail, even ejected ones", () => {
    const { fixture, pool, a } = setUp();
    eject(fixture, a);
    for (const upstream of fixture.upstreams) fail(fixture, upstream);
    expect(pool.select("", [])).toBeUndefined();
    expect(pool.isPanicking).toBe(false);
  });

  test("retries on upstreams that are up, then in probation, then on backups before ejected ones", () => {
    const { fixture, pool, now, a, b, c, d, startAttempt } = setUp({ weights: [1, 1, 1, 1], backups: [3] });
    eject(fixture, a);
    expect(pool.select("", [b])).toBe(c);
    expect(pool.select("", [b, c])).toBe(d);
    expect(pool.select("", [b, c, d])).toBe(a);
    now.ms += 30_000;
    for (let i = 0; i < 20; i++) expect(pool.select("", [b])).toBe(c);
    expect(pool.select("", [b, c, d])).toBe(a);
    startAttempt(a);
    expect(pool.select("", [b, c, d])).toBeUndefined();
  });

  test("leaves the load to backups while the only primary is in probation", () => {
    const { fixture, pool, now, a, b, startAttempt, ids } = setUp({ weights: [1, 1, 1], backups: [1, 2] });
    eject(fixture, a);
    expect(ids(pool.available)).toBe("bc");
    now.ms += 30_000;
    expect(ids(pool.available)).toBe("abc");
    startAttempt(a);
    const counts = countsOf(Array.from({ length: 30 }, () => pool.select("", []) as Upstream));
    expect(counts["a"]).toBeUndefined();
    expect(counts[b.id]).toBeWithin(5, 25);
  });
});

describe("a pool with slow starts", () => {
  function recovering(options?: Parameters<typeof createPoolFixture>[0]) {
    const fixture = setUp(options);
    eject(fixture.fixture, fixture.a);
    fixture.now.ms = 60_000;
    expect(fixture.pool.available).toContain(fixture.a);
    fixture.runAttempt(fixture.a, "ok");
    return fixture;
  }

  test("does not slow-start new upstreams", () => {
    const { upstreams } = createPoolFixture();
    expect(upstreams.map(({ effectiveWeight }) => effectiveWeight)).toEqual([1, 1, 1]);
  });

  test("creates a new list for each step only", () => {
    const { pool, now, a } = recovering();
    const lists = new Set<readonly Upstream[]>();
    const weights: number[] = [];
    for (let ms = 0; ms <= 40_000; ms += 100) {
      now.ms = 60_000 + ms;
      lists.add(pool.available);
      if (weights.at(-1) !== a.effectiveWeight) weights.push(a.effectiveWeight);
    }
    expect(weights).toEqual([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1]);
    expect(lists.size).toBe(weights.length);
    expect(a.slowStart.progress(now.ms)).toBeUndefined();
  });

  test("gives exactly the effective share with round robin at each step", () => {
    const { pool, now, a } = recovering({ weights: [1, 1, 3] });
    for (let at = 60_000; at <= 93_000; at += 3_000) {
      now.ms = at;
      expect(pool.available).toContain(a);
      const tenths = Math.round(a.effectiveWeight * 10);
      const cycle = tenths + 10 + 30;
      const counts = countsOf(Array.from({ length: 3 * cycle }, () => pool.select("", []) as Upstream));
      expect(counts).toEqual({ a: 3 * tenths, b: 30, c: 90 });
    }
  });
});

describe("a pool with maxInFlight", () => {
  test("keeps each upstream within its limit under every policy, and is full when all are", () => {
    for (const policy of policyNames) {
      const { pool, upstreams, startAttempt } = createPoolFixture({
        policy,
        weights: [1, 5, 1],
        limits: { maxInFlight: 4 },
      });
      const { available } = pool;
      const attempts = Array.from({ length: 12 }, (_, i) => {
        expect(pool.isFull).toBe(false);
        const chosen = pool.select(`key ${i}`, []);
        if (!chosen) throw new Error(`${policy} selected no upstream for attempt ${i}`);
        return startAttempt(chosen);
      });
      expect(upstreams.map(({ inFlight }) => inFlight)).toEqual([4, 4, 4]);
      expect(pool.isFull).toBe(true);
      expect(pool.select("", [])).toBeUndefined();
      expect(upstreams.some((upstream) => pool.serves(upstream))).toBe(false);
      attempts[5]?.end(completed);
      expect(pool.select("", [])).toBe(attempts[5]?.upstream as Upstream);
      expect(pool.available).toBe(available);
    }
  });

  test("uses backups when all primaries are full, and returns to primaries", () => {
    const { pool, upstreams, startAttempt } = createPoolFixture({
      weights: [1, 1],
      backups: [1],
      limits: { maxInFlight: 1 },
    });
    const [primary, backup] = upstreams as [Upstream, Upstream];
    const attempt = startAttempt(pool.select("", []) as Upstream);
    expect(attempt.upstream).toBe(primary);
    expect(pool.select("", [])).toBe(backup);
    expect(pool.serves(backup)).toBe(true);
    attempt.end(completed);
    expect(pool.select("", [])).toBe(primary);
    expect(pool.serves(backup)).toBe(false);
  });

  test("always finds a free upstream during random load and changes", () => {
    const { pool, upstreams, startAttempt, random, now } = createPoolFixture({
      weights: Array.from({ length: 9 }, () => 1),
      limits: { maxInFlight: 3 },
    });
    let open: ReturnType<typeof startAttempt>[] = [];
    for (let i = 0; i < 20_000; i++) {
      now.ms += random() * 20;
      const chosen = random() < 0.6 ? pool.select("", []) : undefined;
      if (chosen) {
        expect(chosen.inFlight).toBeLessThan(3);
        open.push(startAttempt(chosen));
      } else if (open.length > 0) {
        const index = Math.floor(random() * open.length);
        const bad = random() < 0.3;
        open[index]?.end(bad ? { kind: "failure", phase: "head", reason: "upstream_reset" } : completed);
        open = open.filter((_, other) => other !== index);
      }
      if (random() < 0.002) {
        const upstream = upstreams[Math.floor(random() * 9)] as Upstream;
        pool.setMode(upstream, upstream.mode === "ready" ? "draining" : "ready");
      }
      const selectable = pool.available.filter(
        ({ inFlight, outlier }) => inFlight < 3 && (outlier.admits || pool.isPanicking),
      );
      expect(pool.available.filter((upstream) => pool.serves(upstream))).toEqual(selectable);
      if (selectable.length > 0) expect(pool.select("", [])).toBeDefined();
    }
    for (const attempt of open) attempt.end(completed);
    expect(upstreams.every(({ inFlight }) => inFlight === 0)).toBe(true);
  });

  test("applies new limits at run time, and keeps its verdicts", () => {
    const { fixture, pool, now, ids, a, b, startAttempt } = setUp({ limits: { maxInFlight: 1 } });
    eject(fixture, a);
    const attempt = startAttempt(b);
    expect(pool.serves(b)).toBe(false);
    for (const upstream of fixture.upstreams) {
      pool.setLimits(upstream, { outlier: { ...outlierLimits, consecutiveFailures: 1 }, maxInFlight: 2 });
    }
    expect(pool.serves(b)).toBe(true);
    expect(ids(pool.available)).toBe("bc");
    attempt.end(completed);
    now.ms += 30_000;
    expect(ids(pool.available)).toBe("abc");
    fixture.runAttempt(a, "ok");
    expect(a.effectiveWeight).toBe(1);
    fixture.runAttempt(a, "bad");
    expect(a.outlier.state).toBe("ejected");
  });
});

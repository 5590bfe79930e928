import { describe, expect, test } from "bun:test";
import { timings } from "../../src/problems/finding.ts";
import type { ProblemKind } from "../../src/problems/problem.ts";
import { poolOf, SimulatedBalancer, type SimulatedPool } from "./simulated-balancer.ts";

interface KindCase {
  readonly kind: ProblemKind;
  /** Upstreams of the pool. */
  readonly size?: number;
  /** Before the first sample. */
  readonly prepare?: (pool: SimulatedPool, balancer: SimulatedBalancer) => void;
  /** Brings the condition about; called before each second. */
  readonly raise: (pool: SimulatedPool, balancer: SimulatedBalancer) => void;
  /** Ends it. */
  readonly clear: (pool: SimulatedPool, balancer: SimulatedBalancer) => void;
  /** Seconds until the window of the threshold is over it, or below it again. */
  readonly fills?: number;
  readonly empties?: number;
}

const usual = { p95Ms: 100, errorShare: 0, perSecond: 200, peakPerSecond: 400 };

const cases: readonly KindCase[] = [
  {
    kind: "upstream_down",
    raise: (pool) => pool.upstream(1).kill(),
    clear: (pool) => pool.upstream(1).restore(50),
  },
  {
    kind: "upstream_errors",
    raise: (pool) => (pool.upstream(1).errorShare = 0.3),
    clear: (pool) => (pool.upstream(1).errorShare = 0),
    fills: 10,
    empties: 30,
  },
  {
    kind: "upstream_slow",
    size: 16,
    raise: (pool) => (pool.upstream(1).p95Ms = 400),
    clear: (pool) => (pool.upstream(1).p95Ms = 20),
  },
  {
    kind: "pool_errors",
    raise: (pool) => pool.upstreams.forEach((upstream) => (upstream.errorShare = 0.2)),
    clear: (pool) => pool.upstreams.forEach((upstream) => (upstream.errorShare = 0)),
    fills: 10,
    empties: 30,
  },
  {
    kind: "pool_slow",
    prepare: (pool) => (pool.usual = usual),
    raise: (pool) => (pool.p95Ms = 400),
    clear: (pool) => (pool.p95Ms = 100),
  },
  {
    kind: "pool_empty",
    size: 1,
    raise: (pool) => pool.upstream(1).kill(),
    clear: (pool) => pool.upstream(1).restore(50),
    // Its upstream is a part of it until then.
    empties: 20,
  },
  {
    kind: "panic",
    raise: (pool) => (pool.isPanicking = true),
    clear: (pool) => (pool.isPanicking = false),
  },
  {
    kind: "queue",
    raise: (pool) => (pool.queued = 700),
    clear: (pool) => (pool.queued = 0),
  },
  {
    kind: "retries_spent",
    raise: (pool) => (pool.budgetRefusalsPerSecond = 3),
    clear: (pool) => (pool.budgetRefusalsPerSecond = 0),
    fills: 4,
    empties: 10,
  },
  {
    kind: "shedding",
    raise: (_, balancer) => (balancer.memory = { rssBytes: 900, limitBytes: 900, shedding: true }),
    clear: (_, balancer) => (balancer.memory = { rssBytes: 700, limitBytes: 900, shedding: false }),
  },
  {
    kind: "exhaustion",
    raise: (_, balancer) => (balancer.exhaustion = { code: "EMFILE", failures: 3 }),
    clear: (_, balancer) => (balancer.exhaustion = null),
  },
  {
    kind: "state_not_kept",
    raise: (_, balancer) => (balancer.notKept = { since: balancer.at, why: "disk is full" }),
    clear: (_, balancer) => (balancer.notKept = null),
  },
  {
    kind: "front_door",
    raise: (_, balancer) =>
      (balancer.frontDoor = { address: "https://shop.example", since: balancer.at, why: "status 502" }),
    clear: (_, balancer) => (balancer.frontDoor = null),
  },
  {
    kind: "reload_refused",
    raise: (_, balancer) => (balancer.refused = { at: balancer.at, by: "ann", problems: ["Cannot."] }),
    clear: (_, balancer) => (balancer.refused = null),
  },
  {
    kind: "upgrade_failed",
    raise: (_, balancer) =>
      (balancer.failedUpgrade = {
        at: balancer.at,
        by: "ann",
        why: "Cannot use workers.\nCannot use pools.",
      }),
    clear: (_, balancer) => (balancer.failedUpgrade = null),
  },
  {
    kind: "alert_lost",
    raise: (_, balancer) =>
      (balancer.failingReceivers = [{ name: "ops", since: balancer.at - 600_000, answer: "status 503" }]),
    clear: (_, balancer) => (balancer.failingReceivers = []),
  },
  {
    kind: "log_lost",
    raise: (_, balancer) => (balancer.lostLines += 5),
    clear: () => {},
    fills: 1,
    empties: 60,
  },
  {
    kind: "certificate",
    raise: (_, balancer) =>
      (balancer.certificates = [
        {
          ...{ host: "a.example", source: "a.pem", stage: "expired", isManaged: false },
          ...{ validFrom: 0, expiresAt: balancer.at },
        },
      ]),
    clear: (_, balancer) => (balancer.certificates = []),
  },
];

function start({ size = 4, prepare }: KindCase): readonly [SimulatedPool, SimulatedBalancer] {
  const pool = poolOf("web", size);
  const balancer = new SimulatedBalancer([pool]);
  prepare?.(pool, balancer);
  return [pool, balancer.run(70)];
}

const isListed = (balancer: SimulatedBalancer, kind: ProblemKind) =>
  balancer.list.open.some((problem) => problem.kind === kind);

/** Runs until the problem is listed, or no longer listed, and returns how many seconds that took. */
function secondsUntil(balancer: SimulatedBalancer, holds: () => boolean, each: () => void): number {
  for (let seconds = 1; seconds <= 1_000; seconds++) {
    balancer.run(1, each);
    if (holds()) return seconds;
  }
  throw new Error("Cannot wait longer: it does not happen within 1,000 s.");
}

describe("each kind of problem", () => {
  for (const one of cases) {
    const { kind, raise, clear, fills = 0, empties = 0 } = one;
    const { openAfterMs, closesAfterMs } = timings[kind];

    test(`${kind} opens after ${openAfterMs / 1_000} s and closes after ${closesAfterMs / 1_000} s`, () => {
      const [pool, balancer] = start(one);
      expect(balancer.titles).toEqual([]);
      const isOpen = () => isListed(balancer, kind);
      const opened = secondsUntil(balancer, isOpen, () => raise(pool, balancer));
      expect(opened).toBeGreaterThan(openAfterMs / 1_000);
      expect(opened).toBeLessThanOrEqual(openAfterMs / 1_000 + fills + 1);
      balancer.run(30, () => raise(pool, balancer));
      expect(isOpen()).toBe(true);
      const closed = secondsUntil(
        balancer,
        () => !isOpen(),
        () => clear(pool, balancer),
      );
      expect(closed).toBeGreaterThan(closesAfterMs / 1_000);
      expect(closed).toBeLessThanOrEqual(closesAfterMs / 1_000 + empties + 1);
      expect(balancer.story.filter((line) => line.endsWith(` ${kind}`))).toEqual([
        `opened ${kind}`,
        `closed ${kind}`,
      ]);
    });

    test(`${kind} that comes back within ten minutes is the same problem`, () => {
      const [pool, balancer] = start(one);
      const isOpen = () => isListed(balancer, kind);
      const found = () => balancer.list.open.find((problem) => problem.kind === kind);
      secondsUntil(balancer, isOpen, () => raise(pool, balancer));
      const before = found();
      secondsUntil(
        balancer,
        () => !isOpen(),
        () => clear(pool, balancer),
      );
      expect(balancer.list.closed.map(({ id, state }) => [id, state])).toContainEqual([
        before?.id ?? "",
        "closed",
      ]);
      balancer.run(60);
      secondsUntil(balancer, isOpen, () => raise(pool, balancer));
      expect(found()).toMatchObject({ id: before?.id, reopened: 1, since: before?.since });
      expect(balancer.list.closed.some(({ id }) => id === before?.id)).toBe(false);
      secondsUntil(
        balancer,
        () => !isOpen(),
        () => clear(pool, balancer),
      );
      balancer.run(700);
      secondsUntil(balancer, isOpen, () => raise(pool, balancer));
      expect(found()?.id).not.toBe(before?.id);
      expect(found()?.reopened).toBe(0);
    });
  }

  test("every kind that a sample can show is in this table, or has tests of its own", () => {
    const elsewhere: readonly ProblemKind[] = [
      ...(["probe_flaps", "start_stalled"] as const),
      ...(["peer_gone", "fleet_alone", "fleet_differs"] as const),
      // Of readers: no sample shows them.
      ...(["balancer_gone"] as const),
    ];
    const covered = [...cases.map(({ kind }) => kind), ...elsewhere].sort();
    expect(covered).toEqual((Object.keys(timings) as ProblemKind[]).sort());
  });
});

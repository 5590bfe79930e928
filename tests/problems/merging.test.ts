import { describe, expect, test } from "bun:test";
import { seededRandom } from "../../src/lib/random.ts";
import { ProblemList } from "../../src/problems/problem-list.ts";
import type { KnownProblem } from "../../src/problems/tracker.ts";
import { poolOf, SimulatedBalancer } from "./simulated-balancer.ts";

describe("one cause is one line", () => {
  test("two of five are two problems, three are one with three parts", () => {
    const pool = poolOf("web", 5);
    const balancer = new SimulatedBalancer([pool]).run(5);
    pool.upstream(1).kill();
    balancer.run(3);
    pool.upstream(2).kill();
    balancer.run(3);
    expect(balancer.titles).toEqual(["web-01 refuses connections", "web-02 refuses connections"]);
    pool.upstream(3).kill();
    balancer.run(1);
    expect(balancer.titles).toEqual(["3 of 5 web upstreams refuse connections"]);
    expect(balancer.first.parts.map(({ title }) => title)).toEqual([
      ...["web-01 refuses connections", "web-02 refuses connections", "web-03 refuses connections"],
    ]);
    // The third one was never listed alone.
    expect(balancer.changes.map(({ problem: { title } }) => title)).toEqual([
      ...["web-01 refuses connections", "web-02 refuses connections"],
      "3 of 5 web upstreams refuse connections",
    ]);
  });

  test("all that were announced are closed, and none without an announcement", () => {
    const pool = poolOf("web", 5);
    const balancer = new SimulatedBalancer([pool]).run(5);
    for (const number of [1, 2, 3, 4]) {
      pool.upstream(number).kill();
      balancer.run(2);
    }
    for (const upstream of pool.upstreams) upstream.restore(50);
    balancer.run(60);
    expect(balancer.titles).toEqual([]);
    const ids = (change: string) =>
      balancer.changes.filter((one) => one.change === change).map(({ problem }) => problem.id);
    expect(ids("closed").sort()).toEqual(ids("opened").sort());
    expect(ids("opened").length).toBe(3);
  });

  test("different symptoms of many have common words", () => {
    const pool = poolOf("web", 5);
    pool.upstream(1).kill();
    pool.upstream(2).eject("status_503");
    pool.upstream(3).eject("rescued", "unresponsive");
    expect(new SimulatedBalancer([pool]).run(2).titles).toEqual(["3 of 5 web upstreams are down"]);
  });

  test("all of a pool answer with 503, and it cannot spare the last ones: that is one line", () => {
    const pool = poolOf("pay", 4);
    const balancer = new SimulatedBalancer([pool]).run(40);
    for (const upstream of pool.upstreams) Object.assign(upstream, { errorShare: 1, reason: "status_503" });
    balancer.run(3);
    pool.upstream(1).eject("status_503");
    pool.upstream(2).eject("status_503");
    balancer.run(60);
    expect(balancer.titles).toEqual(["4 of 4 pay upstreams answer with 503"]);
    expect(balancer.first).toMatchObject({ level: "critical", do: { verb: "read" } });
  });

  test("what fails in another way than the others that are out is a problem of its own", () => {
    const pool = poolOf("web", 5);
    const balancer = new SimulatedBalancer([pool]).run(40);
    for (const number of [1, 2, 3]) pool.upstream(number).eject("status_503");
    pool.upstream(4).errorShare = 0.5;
    balancer.run(60);
    expect(balancer.titles.toSorted()).toEqual([
      "3 of 5 web upstreams answer with 503",
      "web-04 answers 50 % of its requests with 500",
    ]);
  });

  test("a pool without upstreams takes in all that follows from it", () => {
    const pool = poolOf("web", 3);
    const balancer = new SimulatedBalancer([pool]).run(40);
    pool.upstream(1).errorShare = 0.4;
    balancer.run(60);
    for (const upstream of pool.upstreams) upstream.kill();
    pool.filterErrorsPerSecond = 50;
    balancer.run(60);
    expect(balancer.titles).toEqual(["No upstream serves pool web"]);
    expect(new Set(balancer.first.parts.map(({ kind }) => kind))).toEqual(
      new Set(["upstream_errors", "upstream_down", "pool_errors"]),
    );
  });

  test("a queue that fills hides no problem that clients notice", () => {
    const pool = poolOf("web", 12);
    pool.upstream(1).errorShare = 0.5;
    const balancer = new SimulatedBalancer([pool]).run(90);
    pool.queued = 600;
    balancer.run(20);
    expect(balancer.titles).toEqual([
      "web-01 answers 50 % of its requests with 500",
      "600 requests wait in pool web",
    ]);
    pool.queueRefusalsPerSecond = 400;
    balancer.run(20);
    expect(balancer.titles).toEqual(["Pool web turns away 4 in 10 requests: its queue is full"]);
  });

  test("spent retries are a part of what spends them", () => {
    const pool = poolOf("web", 12);
    pool.upstream(1).errorShare = 0.5;
    pool.budgetRefusalsPerSecond = 5;
    const balancer = new SimulatedBalancer([pool]).run(90);
    expect(balancer.titles).toEqual(["web-01 answers 50 % of its requests with 500"]);
    expect(balancer.first.parts.map(({ kind }) => kind)).toEqual(["retries_spent"]);
  });

  test("each pool has its own line", () => {
    const pools = [poolOf("web", 4), poolOf("api", 4)];
    for (const pool of pools) for (const number of [1, 2, 3]) pool.upstream(number).kill();
    expect(new SimulatedBalancer(pools).run(2).titles.toSorted()).toEqual([
      "3 of 4 api upstreams refuse connections",
      "3 of 4 web upstreams refuse connections",
    ]);
  });
});

describe("the order of the list", () => {
  test("critical before warning before notice, then by harm", () => {
    const [big, small] = [poolOf("big", 12, 100), poolOf("small", 12, 20)];
    const balancer = new SimulatedBalancer([small, big]);
    small.upstream(1).errorShare = 0.5;
    big.upstream(1).errorShare = 0.5;
    balancer.notKept = { since: balancer.at, why: "disk is full" };
    balancer.run(90);
    expect(balancer.titles).toEqual([
      "big-01 answers 50 % of its requests with 500",
      "small-01 answers 50 % of its requests with 500",
      "Changes are not saved since 14:00 UTC: no space on disk",
    ]);
  });

  test("two swap only if one is worse by half for ten seconds", () => {
    const [one, two] = [poolOf("one", 12, 50), poolOf("two", 12, 40)];
    const balancer = new SimulatedBalancer([one, two]);
    one.upstream(1).errorShare = two.upstream(1).errorShare = 0.5;
    balancer.run(90);
    const first = () => balancer.first.subject.pool;
    expect(first()).toBe("one");
    // 55 to 50: worse, but not by half.
    two.upstream(1).requestsPerSecond = 55;
    balancer.run(60);
    expect(first()).toBe("one");
    two.upstream(1).requestsPerSecond = 200;
    balancer.run(5);
    expect(first()).toBe("one");
    balancer.run(40);
    expect(first()).toBe("two");
  });
});

describe("a restart of the balancer", () => {
  const known: KnownProblem = {
    ...{ id: "p-abcde", kind: "upstream_errors", key: "web-01", pool: "web", upstream: "web-01" },
    ...{ certificate: null, level: "critical", title: "web-01 answers 30 % of its requests with 500" },
    openedAt: Date.parse("2026-11-29T13:50:00Z"),
    closedAt: undefined,
  };

  function restarted(closedAt: number | undefined = undefined) {
    const list = new ProblemList({ random: seededRandom(2) });
    const pool = poolOf("web", 6);
    const balancer = new SimulatedBalancer([pool], list);
    list.restore([{ ...known, closedAt }], { now: balancer.now, at: balancer.at });
    return { pool, balancer };
  }

  test("a problem that is still there keeps its id, and is not announced again", () => {
    const { pool, balancer } = restarted();
    pool.upstream(1).errorShare = 0.3;
    balancer.run(1);
    expect(balancer.first).toMatchObject({ id: "p-abcde", title: known.title, level: "critical" });
    expect(balancer.first.cause.words).toBe("Not known yet.");
    balancer.run(60);
    expect(balancer.first.cause.words).toStartWith("Only this upstream");
    expect(balancer.first.openedAt).toBe("2026-11-29T13:50:00.000Z");
    expect(balancer.changes).toEqual([]);
  });

  test("one that ended while the balancer was away closes", () => {
    const { balancer } = restarted();
    balancer.run(200);
    expect(balancer.story).toEqual(["closed upstream_errors"]);
  });

  test("one that had closed and comes back within ten minutes is the same", () => {
    const { pool, balancer } = restarted(Date.parse("2026-11-29T13:58:00Z"));
    pool.upstream(1).errorShare = 0.3;
    balancer.run(60);
    expect(balancer.first).toMatchObject({ id: "p-abcde", reopened: 1 });
  });
});

describe("what to do", () => {
  test("a drain is safe while the peers can carry it", () => {
    const pool = poolOf("web", 12);
    pool.upstream(1).errorShare = 0.3;
    expect(new SimulatedBalancer([pool]).run(60).first.do).toMatchObject({
      verb: "drain",
      label: "Drain web-01",
      safe: true,
      command: expect.stringMatching(/^evenkeel drain web-01 --wait 30s --reason p-[a-z2-9]{5}$/),
    });
  });

  test.each([
    ["without another upstream", 1, {}],
    ["with peers above 80 % of their slots", 3, { maxInFlight: 10, inFlight: 6 }],
  ])("a drain asks first %s", (_, size, fields) => {
    const pool = poolOf("web", size);
    for (const upstream of pool.upstreams) Object.assign(upstream, fields);
    pool.upstream(1).errorShare = 0.5;
    const { do: advice } = new SimulatedBalancer([pool]).run(60).first;
    expect(advice).toMatchObject({ verb: "drain", label: "Drain web-01…", safe: false });
  });

  test("a drain asks first where its peers would carry more than in the busiest minute of the week", () => {
    const pool = poolOf("web", 3, 100);
    pool.usual = { p95Ms: 20, errorShare: 0, perSecond: 150, peakPerSecond: 200 };
    pool.upstream(1).errorShare = 0.5;
    const { do: advice } = new SimulatedBalancer([pool]).run(60).first;
    expect(advice.safe).toBe(false);
    expect(advice.words).toContain("more than in the busiest minute of the week");
  });
});

import { describe, expect, test } from "bun:test";
import { poolOf, SimulatedBalancer } from "./simulated-balancer.ts";

describe("errors of one upstream", () => {
  const opens = (share: number, peersShare: number, { size = 6, rate = 50 } = {}) => {
    const pool = poolOf("web", size, rate);
    for (const upstream of pool.upstreams) upstream.errorShare = peersShare;
    pool.upstream(1).errorShare = share;
    return new SimulatedBalancer([pool]).run(90).story.includes("opened upstream_errors");
  };

  test.each([
    ["5 % where peers have none", 0.055, 0, {}, true],
    ["4 % where peers have none", 0.04, 0, {}, false],
    ["10 % where peers have 4 %: not five times as much", 0.1, 0.04, {}, false],
    ["6 % where peers have 1.1 %: not five points more", 0.06, 0.011, {}, false],
    ["8 % where peers have 1 %", 0.08, 0.01, {}, true],
    ["30 % of one request every two seconds: too few", 0.3, 0, { rate: 0.5 }, false],
    ["6 % of 24 requests: it may be chance", 0.06, 0, { rate: 0.8 }, false],
    ["50 % of 24 requests", 0.5, 0, { rate: 0.8 }, true],
    ["8 % without peers: its own usual counts, and it opens at 10 %", 0.08, 0, { size: 1 }, false],
    ["12 % without peers", 0.12, 0, { size: 1 }, true],
  ] as const)("%s", (_, share, peersShare, options, expected) =>
    expect(opens(share, peersShare, options)).toBe(expected),
  );

  test("compared with its usual where it has too few peers", () => {
    const pool = poolOf("web", 2);
    const upstream = pool.upstream(1);
    upstream.errorShare = 0.12;
    upstream.usual = { p95Ms: 20, errorShare: 0.1, perSecond: 50, peakPerSecond: 90 };
    expect(new SimulatedBalancer([pool]).run(90).titles).not.toContain(
      "web-01 answers 10 % of its requests with 500",
    );
  });

  test("a share that swings from 3 to 7 % every 20 s is at most one problem in half an hour", () => {
    const pool = poolOf("web", 6);
    const balancer = new SimulatedBalancer([pool]);
    balancer.run(1_800, (second) => {
      pool.upstream(1).errorShare = Math.floor(second / 20) % 2 === 0 ? 0.07 : 0.03;
    });
    expect(balancer.changes.filter(({ change }) => change === "opened").length).toBeLessThanOrEqual(1);
  });

  test("its title does not change with every number", () => {
    const pool = poolOf("web", 6);
    const titles = new Set<string>();
    const balancer = new SimulatedBalancer([pool]);
    balancer.run(600, (second) => {
      pool.upstream(1).errorShare = 0.3 + 0.04 * Math.sin(second);
      for (const title of balancer.titles) titles.add(title);
    });
    expect([...titles]).toEqual(["web-01 answers 30 % of its requests with 500"]);
    balancer.run(120, () => (pool.upstream(1).errorShare = 0.8));
    expect(balancer.titles).toEqual(["web-01 answers 80 % of its requests with 500"]);
  });

  test.each([
    ["status_500", "answers 30 % of its requests with 500"],
    ["upstream_reset", "fails 30 % of its requests: connection cut"],
    ["head_timeout", "fails 30 % of its requests: no answer in time"],
  ])("%s: %s", (reason, words) => {
    const pool = poolOf("web", 6);
    Object.assign(pool.upstream(1), { errorShare: 0.3, reason });
    expect(new SimulatedBalancer([pool]).run(90).titles).toEqual([`web-01 ${words}`]);
  });

  test("are named though none came between the first two readings of reasons", () => {
    const pool = poolOf("web", 6);
    const upstream = pool.upstream(1);
    const balancer = new SimulatedBalancer([pool]);
    const titles = new Set<string>();
    // An error every four seconds; and a minute of too few requests, after which the reasons are read anew.
    balancer.run(120, (second) => {
      upstream.requestsPerSecond = second >= 60 && second < 90 ? 0 : 1;
      upstream.errorShare = second % 4 === 0 ? 1 : 0;
      for (const title of balancer.titles) titles.add(title);
    });
    expect(titles.size).toBeGreaterThan(0);
    for (const title of titles) expect(title).toMatch(/^web-01 answers \d+ % of its requests with 500$/);
  });

  test("hidden by retries they are a warning, and critical when 1 % of the clients get them", () => {
    const pool = poolOf("web", 12);
    Object.assign(pool.upstream(1), { errorShare: 0.3, isRetried: true });
    const balancer = new SimulatedBalancer([pool]).run(90);
    expect(balancer.first).toMatchObject({
      level: "warning",
      hits: { words: "No client: retries hide it.", requests: 0 },
    });
    pool.upstream(1).isRetried = false;
    balancer.run(30);
    expect(balancer.first.level).toBe("critical");
    expect(balancer.first.hits.words).toMatch(/^1 in 40 requests, [\d,]+ so far$/);
    expect(balancer.story).toEqual(["opened upstream_errors", "worse upstream_errors"]);
    pool.upstream(1).isRetried = true;
    balancer.run(60);
    // It falls late.
    expect(balancer.first.level).toBe("critical");
    balancer.run(120);
    expect(balancer.first.level).toBe("warning");
    expect(balancer.story.length).toBe(2);
  });

  test("are counted from their beginning on, not from when they were sure", () => {
    const pool = poolOf("web", 12);
    const balancer = new SimulatedBalancer([pool]).run(40);
    pool.upstream(1).errorShare = 0.3;
    while (balancer.titles.length === 0) balancer.run(1);
    // It took over 30 s, with 15 failures in each.
    expect(balancer.first.hits.requests).toBeGreaterThan(300);
  });

  test("critical for the clients of one route, though they are few in the pool", () => {
    const pool = poolOf("web", 12, 500);
    // 0.5 % of the pool's requests, all of them of one route.
    pool.upstream(1).errorShare = 0.06;
    const balancer = new SimulatedBalancer([pool]);
    const route = { label: "pay", pools: ["web"], requests: 0, errors: 0 };
    balancer.run(90, () => {
      route.requests += 100;
      route.errors += 30;
      balancer.routes = [
        { ...route },
        { label: "shop.example/cart", pools: ["web"], requests: 900, errors: 0 },
      ];
    });
    expect(balancer.first).toMatchObject({ level: "critical", hits: { routes: ["pay"] } });
  });

  test("too few requests leave it open, for ten minutes at most", () => {
    const pool = poolOf("web", 6);
    pool.upstream(1).errorShare = 0.3;
    const balancer = new SimulatedBalancer([pool]).run(90);
    for (const upstream of pool.upstreams) upstream.requestsPerSecond = 0.1;
    balancer.run(500);
    expect(balancer.titles).toEqual(["web-01 answers 30 % of its requests with 500"]);
    balancer.run(200);
    expect(balancer.titles).toEqual([]);
    expect(balancer.list.closed[0]?.end?.words).toBe("Closed after 11 min: no traffic any more");
  });

  test("a drain closes it as soon as the upstream is empty", () => {
    const pool = poolOf("web", 6);
    const upstream = pool.upstream(1);
    Object.assign(upstream, { errorShare: 0.3, inFlight: 12 });
    const balancer = new SimulatedBalancer([pool]).run(90);
    Object.assign(upstream, { status: "draining", requestsPerSecond: 0 });
    balancer.run(20);
    expect(balancer.titles.length).toBe(1);
    upstream.inFlight = 0;
    balancer.run(1);
    expect(balancer.titles).toEqual([]);
    expect(balancer.story).toEqual(["opened upstream_errors", "closed upstream_errors"]);
    expect(balancer.list.closed[0]?.end).toEqual({
      words: "Closed after 1 min: taken out",
      code: "released",
    });
  });
});

describe("an upstream that is down", () => {
  test("says nothing while it drains, is in maintenance, stands by as a backup, or has weight 0", () => {
    for (const fields of [
      { status: "draining" },
      { status: "maintenance" },
      { backup: true, status: "failing" },
      { weight: 0, status: "failing" },
    ] as const) {
      const pool = poolOf("web", 3);
      Object.assign(pool.upstream(1), { ...fields, requestsPerSecond: 0 });
      expect(new SimulatedBalancer([pool]).run(30).changes).toEqual([]);
    }
  });

  test("an operator's restart after a drain opens nothing", () => {
    const pool = poolOf("web", 3);
    const balancer = new SimulatedBalancer([pool]).run(60);
    const upstream = pool.upstream(1);
    Object.assign(upstream, { status: "draining", requestsPerSecond: 0 });
    balancer.run(20);
    // It was stopped while it drained; its next probe comes some seconds after the command.
    Object.assign(upstream, { status: "failing", probeDetail: "connection refused", probePassed: false });
    balancer.run(5);
    upstream.restore(50);
    Object.assign(upstream, { isStarting: true });
    balancer.run(30);
    upstream.isStarting = false;
    balancer.run(60);
    expect(balancer.changes).toEqual([]);
  });

  test("one that does not come back after a drain is told", () => {
    const pool = poolOf("web", 3);
    const balancer = new SimulatedBalancer([pool]).run(60);
    Object.assign(pool.upstream(1), { status: "maintenance", requestsPerSecond: 0 });
    balancer.run(20);
    pool.upstream(1).kill();
    balancer.run(15);
    expect(balancer.titles).toEqual(["web-01 refuses connections"]);
  });

  test.each([
    ["connection refused", "refuses connections"],
    ["no response in time", "does not answer"],
    ["status 503", "fails its check: 503"],
    ["connection reset", "cuts connections"],
    ["name not found", "cannot be reached"],
    ["certificate expired", "fails its check: certificate expired"],
  ])("its probe says %s: %s", (probeDetail, words) => {
    const pool = poolOf("web", 3);
    Object.assign(pool.upstream(1), { status: "failing", probeDetail, probePassed: false });
    expect(new SimulatedBalancer([pool]).run(1).titles).toEqual([`web-01 ${words}`]);
  });

  test("its probe passes, not often enough yet: it keeps its words", () => {
    const pool = poolOf("web", 3);
    const balancer = new SimulatedBalancer([pool]);
    pool.upstream(1).kill();
    balancer.run(2);
    Object.assign(pool.upstream(1), { probeDetail: "status 200", probePassed: true });
    expect(balancer.run(2).titles).toEqual(["web-01 refuses connections"]);
  });

  test("after three returns in half an hour it stays open until ten minutes are quiet", () => {
    const pool = poolOf("web", 6);
    const balancer = new SimulatedBalancer([pool]).run(10);
    const upstream = pool.upstream(1);
    for (let turn = 0; turn < 4; turn++) {
      Object.assign(upstream, { status: "ejected", ejectionCause: "status_503", requestsPerSecond: 0 });
      balancer.run(20);
      upstream.restore(50);
      if (turn < 3) balancer.run(120);
    }
    const { id } = balancer.first;
    expect(balancer.first).toMatchObject({ reopened: 3, onAndOff: true });
    expect(balancer.titles).toEqual(["web-01 answers with 503 (on and off)"]);
    balancer.run(590);
    expect(balancer.titles.length).toBe(1);
    balancer.run(15);
    expect(balancer.titles).toEqual([]);
    expect(new Set(balancer.changes.map(({ problem }) => problem.id))).toEqual(new Set([id]));
  });

  test("a rehearsal is told as one, and is never critical", () => {
    const pool = poolOf("web", 3);
    Object.assign(pool.upstream(1), { hasFault: true, errorShare: 0.9 });
    const balancer = new SimulatedBalancer([pool]).run(60);
    expect(balancer.first).toMatchObject({ rehearsed: true, level: "notice" });
    expect(balancer.titles).toEqual(["Rehearsal: web-01 answers 90 % of its requests with 500"]);
  });
});

describe("a slow upstream", () => {
  test("is critical if a tenth of the pool's requests go there", () => {
    const pool = poolOf("web", 6);
    pool.upstream(1).p95Ms = 900;
    expect(new SimulatedBalancer([pool]).run(130).first.level).toBe("critical");
  });

  test.each([
    ["200 ms more are needed", 200, 30, false],
    ["three times as much is needed", 700, 300, false],
    ["both", 900, 300, true],
  ])("%s", (_, own, peers, expected) => {
    const pool = poolOf("web", 16);
    for (const upstream of pool.upstreams) upstream.p95Ms = peers;
    pool.upstream(1).p95Ms = own;
    expect(new SimulatedBalancer([pool]).run(130).titles.length > 0).toBe(expected);
  });

  test("without peers and without a past it is compared with nothing", () => {
    const pool = poolOf("web", 2);
    pool.upstream(1).p95Ms = 5_000;
    const balancer = new SimulatedBalancer([pool]).run(200);
    expect(balancer.titles).toEqual([]);
    pool.upstream(1).usual = { p95Ms: 100, errorShare: 0, perSecond: 50, peakPerSecond: 90 };
    balancer.run(100);
    expect(balancer.titles).toEqual(["web-01 is 50 times slower than usual"]);
  });
});

describe("an upstream that comes and goes", () => {
  test("a third of its last forty checks failed, never enough in a row", () => {
    const pool = poolOf("web", 3);
    pool.upstream(1).probeHistory = "+".repeat(20) + "++-".repeat(14).slice(0, 40);
    const balancer = new SimulatedBalancer([pool]).run(2);
    expect(balancer.titles).toEqual(["web-01 serves, but 33 % of its last 40 checks failed"]);
    pool.upstream(1).probeHistory = "+".repeat(60);
    balancer.run(1);
    expect(balancer.titles).toEqual([]);
  });

  test("five changes in ten minutes are not enough, and old ones are forgotten", () => {
    const pool = poolOf("web", 3);
    const balancer = new SimulatedBalancer([pool]).run(2);
    for (let turn = 0; turn < 8; turn++) {
      pool.upstream(1).kill();
      balancer.run(60);
      pool.upstream(1).restore(50);
      balancer.run(300);
    }
    expect(balancer.story).not.toContain("opened probe_flaps");
    expect(balancer.titles.some((title) => title.includes("its check changed"))).toBe(false);
  });

  test.each([
    ["within the second of its return, which no sample sees", "consecutive_failures", true],
    ["because its trial request failed: it never came back", "probation_failed", false],
  ])("one that is ejected again and again %s", (_, reason, isTold) => {
    const pool = poolOf("web", 6);
    const balancer = new SimulatedBalancer([pool]).run(10);
    for (let turn = 0; turn < 3; turn++) {
      pool.upstream(1).eject("status_503", turn === 0 ? "consecutive_failures" : reason);
      balancer.run(30);
    }
    expect(balancer.titles).toEqual([
      isTold ? "web-01 fails each time it comes back" : "web-01 answers with 503",
    ]);
  });

  test("a slow start that takes three times as long does not get on", () => {
    const pool = poolOf("web", 3);
    pool.upstream(1).isStarting = true;
    const balancer = new SimulatedBalancer([pool]).run(88);
    expect(balancer.titles).toEqual([]);
    balancer.run(10);
    expect(balancer.titles).toEqual(["web-01 does not get through its slow start"]);
    pool.upstream(1).isStarting = false;
    balancer.run(119);
    expect(balancer.titles.length).toBe(1);
    balancer.run(3);
    expect(balancer.titles).toEqual([]);
  });
});

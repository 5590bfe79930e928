import { describe, expect, test } from "bun:test";
import { serviceProblemSchema } from "../../src/admin/schemas/problem.ts";
import { schemaErrors } from "../../src/config/schema-kit.ts";
import { balancerGone, frontDoorClosed } from "../../src/problems/reader-problems.ts";
import type { ProblemLevel } from "../../src/problems/problem.ts";
import { hitsOf } from "../../src/problems/client-rule.ts";
import { poolOf, SimulatedBalancer } from "./simulated-balancer.ts";

/** What an operator reads first, by incident: the acceptance table of the list of problems. */
const incidents: readonly {
  readonly name: string;
  readonly run: () => SimulatedBalancer;
  readonly title: string | undefined;
  readonly level?: ProblemLevel;
}[] = [
  {
    name: "1 of 12 answers 30 % with 500 and its probe passes",
    run() {
      const pool = poolOf("checkout", 12);
      pool.upstream(7).errorShare = 0.3;
      return new SimulatedBalancer([pool]).run(90);
    },
    title: "checkout-07 answers 30 % of its requests with 500",
    level: "critical",
  },
  {
    name: "1 of 16 takes 8 times as long",
    run() {
      const pool = poolOf("search", 16);
      for (const upstream of pool.upstreams) upstream.p95Ms = 40;
      pool.upstream(3).p95Ms = 320;
      return new SimulatedBalancer([pool]).run(150);
    },
    title: "search-03 is 8 times slower than its peers",
    level: "warning",
  },
  {
    name: "the same with three requests a minute on it",
    run() {
      const pool = poolOf("search", 16);
      pool.upstream(3).requestsPerSecond = 0.05;
      pool.upstream(3).p95Ms = 320;
      return new SimulatedBalancer([pool]).run(150);
    },
    title: undefined,
  },
  {
    name: "1 of 24 is killed and retries hide it",
    run() {
      const pool = poolOf("web", 24);
      const balancer = new SimulatedBalancer([pool]).run(40);
      Object.assign(pool.upstream(4), { errorShare: 1, reason: "connect_refused", isRetried: true });
      balancer.run(2);
      pool.upstream(4).kill();
      return balancer.run(5);
    },
    title: "web-04 refuses connections",
    level: "warning",
  },
  {
    name: "3 of 12 are killed within 10 s and too many requests fail",
    run() {
      const pool = poolOf("checkout", 12);
      const balancer = new SimulatedBalancer([pool]).run(40);
      const dead = [1, 5, 9].map((number) => pool.upstream(number));
      for (const upstream of dead) Object.assign(upstream, { errorShare: 1, reason: "connect_refused" });
      balancer.run(3);
      for (const upstream of dead) balancer.run(2, () => upstream.kill());
      return balancer;
    },
    title: "3 of 12 checkout upstreams refuse connections",
    level: "critical",
  },
  {
    name: "all of a pool are killed",
    run() {
      const pool = poolOf("checkout", 3);
      const balancer = new SimulatedBalancer([pool]).run(40);
      for (const upstream of pool.upstreams) upstream.kill();
      pool.otherRefusalsPerSecond = 150;
      return balancer.run(60);
    },
    title: "No upstream serves pool checkout",
    level: "critical",
  },
  {
    name: "over half are ejected and all serve again",
    run() {
      const pool = poolOf("checkout", 4);
      const balancer = new SimulatedBalancer([pool]).run(40);
      for (const upstream of pool.upstreams) {
        upstream.eject("status_503");
        Object.assign(upstream, { fit: true, requestsPerSecond: 50, errorShare: 0.5 });
      }
      pool.isPanicking = true;
      return balancer.run(40);
    },
    title: "Pool checkout serves with upstreams that fail (panic mode)",
    level: "critical",
  },
  {
    name: "the queue is full and 19 in 20 are turned away",
    run() {
      const pool = poolOf("main", 2, 5);
      const balancer = new SimulatedBalancer([pool]).run(40);
      Object.assign(pool, { queued: 1_024, queueRefusalsPerSecond: 190 });
      for (const upstream of pool.upstreams)
        Object.assign(upstream, { maxInFlight: 2, inFlight: 2, fit: false });
      return balancer.run(15);
    },
    title: "Pool main turns away 19 in 20 requests: its queue is full",
    level: "critical",
  },
  {
    name: "the queue is 60 % full and none is turned away",
    run() {
      const pool = poolOf("search", 4);
      const balancer = new SimulatedBalancer([pool]).run(20);
      pool.queued = 614;
      return balancer.run(15);
    },
    title: "610 requests wait in pool search",
    level: "warning",
  },
  {
    name: "memory is at its limit",
    run() {
      const balancer = new SimulatedBalancer([poolOf("main", 2)]);
      balancer.memory = { rssBytes: 820 * 2 ** 20, limitBytes: 820 * 2 ** 20, shedding: true };
      return balancer.run(1);
    },
    title: "New requests are refused: memory is short (820 of 820 MiB)",
    level: "critical",
  },
  {
    name: "the disk is full",
    run() {
      const balancer = new SimulatedBalancer([poolOf("main", 2)]);
      balancer.notKept = { since: Date.parse("2026-11-29T14:00:00Z"), why: "database or disk is full" };
      return balancer.run(7);
    },
    title: "Changes are not saved since 14:00 UTC: no space on disk",
    level: "warning",
  },
  {
    name: "a certificate ends in six days",
    run() {
      const balancer = new SimulatedBalancer([poolOf("main", 2)]);
      balancer.certificates = [certificate(7, balancer.at + 6.2 * 86_400_000)];
      return balancer.run(1);
    },
    title: "The certificate for api.example.com ends in 6 days",
    level: "warning",
  },
  {
    name: "a certificate has ended",
    run() {
      const balancer = new SimulatedBalancer([poolOf("main", 2)]);
      balancer.certificates = [certificate("expired", Date.parse("2026-11-29T09:14:00Z"))];
      return balancer.run(1);
    },
    title: "Clients refuse to connect: the certificate for api.example.com ended at 09:14 UTC",
    level: "critical",
  },
  {
    name: "a reload with weight -1 is refused",
    run() {
      const balancer = new SimulatedBalancer([poolOf("main", 2)]);
      const problems = [
        "Cannot use pools.main.upstreams[1].weight at evenkeel.yaml:41:17: expected a whole number from 0 to 256 (received -1).",
      ];
      balancer.refused = { at: balancer.at, by: "SIGHUP", problems };
      return balancer.run(1);
    },
    title: "The configuration was refused: line 41, weight -1",
    level: "warning",
  },
  {
    name: "a check goes up and down six times in ten minutes",
    run() {
      const pool = poolOf("media", 5);
      const balancer = new SimulatedBalancer([pool]).run(10);
      const flapping = pool.upstream(2);
      for (let turn = 0; turn < 3; turn++) {
        flapping.kill();
        balancer.run(40);
        flapping.restore(50);
        balancer.run(60);
      }
      return balancer;
    },
    title: "media-02 is on and off: its check changed 6 times in 10 min",
    level: "warning",
  },
  {
    name: "one is frozen",
    run() {
      const pool = poolOf("api", 3);
      const balancer = new SimulatedBalancer([pool]).run(10);
      pool.upstream(2).eject("rescued", "unresponsive");
      return balancer.run(2);
    },
    title: "api-02 does not answer",
    level: "warning",
  },
  {
    name: "one is ejected again within a minute of its return, twice",
    run() {
      const pool = poolOf("web", 12);
      const balancer = new SimulatedBalancer([pool]).run(10);
      const failing = pool.upstream(9);
      failing.eject("status_503");
      balancer.run(30);
      for (let turn = 0; turn < 2; turn++) {
        failing.restore(50);
        balancer.run(20);
        failing.eject("status_503");
        balancer.run(30);
      }
      return balancer;
    },
    title: "web-09 fails each time it comes back",
    level: "warning",
  },
  {
    name: "all of a pool are four times slower after a reload",
    run() {
      const pool = poolOf("search", 8);
      pool.usual = { p95Ms: 100, errorShare: 0, perSecond: 400, peakPerSecond: 800 };
      pool.p95Ms = 100;
      const balancer = new SimulatedBalancer([pool]).run(121);
      balancer.happens("reload", { to: "applied", by: "watch" });
      pool.p95Ms = 400;
      for (const upstream of pool.upstreams) upstream.p95Ms = 400;
      return balancer.run(130);
    },
    title: "Pool search is 4 times slower than usual since the reload at 14:02 UTC",
    level: "warning",
  },
];

function certificate(stage: "expired" | 7, expiresAt: number) {
  return {
    ...{ host: "api.example.com", source: "/etc/tls/api.pem", stage, expiresAt },
    ...{ validFrom: 0, isManaged: false },
  } as const;
}

describe("the first line of the list of problems", () => {
  for (const { name, run, title, level } of incidents)
    test(name, () => {
      const balancer = run();
      expect(balancer.titles[0]).toBe(title as string);
      if (level) expect(balancer.first.level).toBe(level);
      // One cause is one line.
      expect(balancer.titles.length).toBe(title === undefined ? 0 : 1);
    });

  test("the admin side is stopped: what a reader shows in place of the list", () => {
    const since = Date.parse("2026-11-29T14:26:02Z");
    const gone = balancerGone({ balancer: "fra-1", since, why: "connection refused." });
    expect(gone.cause.words).toBe("The last try: connection refused.");
    expect(gone).toMatchObject({ title: "No news from fra-1 since 14:26:02 UTC", level: "critical" });
    expect(schemaErrors(serviceProblemSchema, gone).errors).toEqual([]);
    const door = frontDoorClosed({ balancer: "shop.example", since, why: "status 502" });
    expect(door).toMatchObject({ title: "Clients cannot reach shop.example: status 502", level: "critical" });
    expect(schemaErrors(serviceProblemSchema, door).errors).toEqual([]);
  });

  test("a queue that turned away all requests at first, and then serves some", () => {
    const pool = poolOf("main", 2, 0);
    const balancer = new SimulatedBalancer([pool]).run(20);
    Object.assign(pool, { queued: 1_024, queueRefusalsPerSecond: 190 });
    balancer.run(5);
    expect(balancer.titles).toEqual(["Pool main turns away all requests: its queue is full"]);
    for (const upstream of pool.upstreams) upstream.requestsPerSecond = 5;
    balancer.run(25);
    expect(balancer.titles).toEqual(["Pool main turns away 19 in 20 requests: its queue is full"]);
  });

  test("1 and 2 together rank 1, 2", () => {
    const [checkout, search] = [poolOf("checkout", 12), poolOf("search", 16)];
    search.upstream(3).p95Ms = 320;
    const balancer = new SimulatedBalancer([checkout, search]).run(150);
    expect(balancer.titles).toEqual(["search-03 is 16 times slower than its peers"]);
    checkout.upstream(7).errorShare = 0.3;
    balancer.run(90);
    expect(balancer.titles).toEqual([
      "checkout-07 answers 30 % of its requests with 500",
      "search-03 is 16 times slower than its peers",
    ]);
  });
});

test("a front door that answers 5xx is no problem of its own while an empty pool explains it", () => {
  const pool = poolOf("main", 1);
  const balancer = new SimulatedBalancer([pool]).run(40);
  pool.upstream(1).kill();
  balancer.run(10);
  const door = { address: "https://shop.example/", since: balancer.at };
  balancer.frontDoor = { ...door, why: "status 503" };
  balancer.run(5);
  expect(balancer.list.open.map(({ kind }) => kind)).toEqual(["pool_empty"]);
  balancer.frontDoor = { ...door, why: "connection refused" };
  balancer.run(1);
  expect(balancer.list.open.map(({ kind }) => kind).toSorted()).toEqual(["front_door", "pool_empty"]);
});

test("the words of an operator are named as such where a pool is empty", () => {
  const pool = poolOf("main", 2);
  const balancer = new SimulatedBalancer([pool]).run(40);
  pool.upstream(1).kill();
  Object.assign(pool.upstream(2), { status: "draining", requestsPerSecond: 0 });
  const order = { kind: "mode", from: "ready", to: "draining", detail: "full" } as const;
  balancer.happens("mode", { pool: "main", upstream: "main-02", ...order });
  balancer.run(5);
  expect(balancer.list.open.map(({ kind, cause }) => [kind, cause.words])).toEqual([
    ["pool_empty", "main-02 was the last to leave, at 14:00 UTC: draining by ann: full."],
  ]);
});

test("a problem that follows the start of the balancer names nobody who started it", () => {
  const pool = poolOf("main", 4);
  pool.upstream(1).kill();
  const balancer = new SimulatedBalancer([pool]);
  balancer.happens("phase", { from: "starting", to: "ready", by: "balancer" });
  balancer.run(5);
  expect(balancer.first.cause.words).not.toContain("by balancer");
});

test("a first request that fails is not counted as none", () => {
  const hits = { failed: 0.3, otherwise: "No request so far." };
  const words = (failing: number, share: number | null, failed = hits.failed) =>
    hitsOf(undefined, { failing, share }, { ...hits, failed }).words;
  expect(words(0.1, 1)).toBe("All requests");
  expect(words(0.1, 1, 2)).toBe("All requests, 2 so far");
  expect(words(0, null)).toBe("No request so far.");
  expect(words(0, null, 2)).toBe("2 requests failed");
});

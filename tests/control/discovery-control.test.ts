import { describe, expect, test } from "bun:test";

import type { Config } from "../../src/config/config.ts";
import type { DiscoveryEntry } from "../../src/config/discovery.ts";
import { planSteps } from "../../src/control/plan.ts";
import { describeStep } from "../../src/control/step.ts";
import { DiscoveredUpstreams } from "../../src/control/discovered-upstreams.ts";
import { Discovery } from "../../src/control/discovery.ts";
import { DiscoveryControl } from "../../src/control/discovery-control.ts";
import { Intents } from "../../src/control/desired-state.ts";
import { Drains } from "../../src/control/drains.ts";
import { EventLog } from "../../src/control/event-log.ts";
import { createReconciler } from "../../src/control/reconciler.ts";
import { type DiscoveryListener, memberAt } from "../../src/discovery/source.ts";
import { seededRandom } from "../../src/lib/random.ts";
import { Prober } from "../../src/probe/prober.ts";
import { PoolRegistry } from "../../src/registry/pool-registry.ts";
import { openSqlite } from "../../src/state/sqlite-store.ts";
import { configOf } from "../support/configs.ts";
import { FakeTime } from "../support/fake-time.ts";

const quiet = { debug() {}, info() {}, warn() {}, error() {} };
const template = { protocol: "http", backup: false } as const;
const source = { kind: "file", path: "m" } as const;
const entry = { source, template, position: 0 };

/** One pool "main" whose members a test reports. @param fixed ids of upstreams that the configuration lists */
async function setUp({ fixed = [] as readonly string[], down = [] as readonly string[] } = {}) {
  const time = new FakeTime();
  const { clock, schedule } = time;
  const wallClock = () => 1e12 + clock();
  const logged: string[] = [];
  const log = { debug() {}, info() {}, warn: (message: string) => void logged.push(message), error() {} };
  const store = openSqlite(":memory:");
  const eventLog = new EventLog({ store, wallClock, schedule, log });
  const drains = new Drains({ clock, wallClock, schedule, onStage() {} });
  const random = seededRandom(1);
  const registry = new PoolRegistry({ clock, random, observer: { outlierChanged() {}, panicChanged() {} } });
  const hosts = new Set(down);
  const prober = new Prober({
    probe: async ({ address: { hostname } }) => ({ success: !hosts.has(hostname), detail: "", latencyMs: 1 }),
    ...{ clock, schedule, random },
    onResult() {},
  });
  const intents = new Intents(store, log);
  let listener: DiscoveryListener | undefined;
  const discovery = new Discovery({
    createSource: () => ({
      start(given) {
        listener = given;
        return () => (listener = undefined);
      },
    }),
    ...{ clock, wallClock, schedule, eventLog, log },
  });
  const discovered = new DiscoveredUpstreams({ discovery, registry, drains, intents, clock, log });
  const config: Config = configOf(`main: ${fixed.join(" ")}`);
  const withEntry: Config = {
    ...config,
    pools: config.pools.map((pool) => ({
      ...pool,
      upstreams: pool.upstreams.filter(({ id }) => id !== ""),
      discovery: [entry],
    })),
  };
  const reconciler = createReconciler({
    config: withEntry,
    loadConfig: () => withEntry,
    ...{ intents, registry, prober, drains, discovered, eventLog, log, wallClock, clock, schedule },
    abortAttempts: () => undefined,
    onReload() {},
  });
  const control = new DiscoveryControl({
    ...{ discovery, discovered, reconciler, eventLog, schedule, store, log },
  });
  const started = control.start();
  const pool = () => registry.pools[0];
  return {
    time,
    hosts,
    logged,
    reconciler,
    discovery,
    discovered,
    intents,
    withEntry,
    control,
    started,
    registry,
    async report(...members: string[]) {
      listener?.answered({
        members: members.map((host) => memberAt(template, { hostname: host, port: 80 })),
      });
      await time.advance(10);
    },
    async absent() {
      listener?.absent("no such name");
      await time.advance(10);
    },
    async fail() {
      listener?.failed("SERVFAIL");
      await time.advance(10);
    },
    get listener() {
      return listener;
    },
    upstream: (host: string) => pool()?.upstreams.find(({ address }) => address.hostname === host),
    /** "10.0.0.1 passing ready" */
    state: () =>
      (pool()?.upstreams ?? []).map(({ address, mode }) => `${address.hostname} ${mode}`).join(", "),
    events: (kind: string) =>
      eventLog
        .events({ limit: 100 })
        .filter((event) => event.kind === kind)
        .map(({ upstream, from, to, by }) => `${upstream ?? "-"} ${from} ${to} ${by}`),
  };
}

const [one, two, three] = ["10.0.1.1", "10.0.1.2", "10.0.1.3"] as const;

describe("members of a source", () => {
  test("join after their first probe, and leave when nothing is in flight on them", async () => {
    const fleet = await setUp();
    await fleet.report(one, two);
    await fleet.started;
    expect(fleet.state()).toBe(`${one} ready, ${two} ready`);
    const leaving = fleet.upstream(two);
    if (leaving) leaving.inFlight = 1;
    await fleet.report(one);
    expect(fleet.state()).toBe(`${one} ready, ${two} draining`);
    await fleet.time.advance(20_000);
    expect(fleet.state()).toBe(`${one} ready, ${two} draining`);
    if (leaving) leaving.inFlight = 0;
    await fleet.time.advance(1_000);
    expect(fleet.state()).toBe(`${one} ready`);
    expect(fleet.events("member")).toEqual([
      `main:${one}:80 absent added file m`,
      `main:${two}:80 absent added file m`,
      `main:${two}:80 present removed file m`,
    ]);
    expect(fleet.events("mode")).toEqual([`main:${two}:80 ready draining file m`]);
  });

  test("are removed after half a minute although requests are in flight: those finish", async () => {
    const fleet = await setUp();
    await fleet.report(one, two);
    await fleet.started;
    const leaving = fleet.upstream(two);
    if (leaving) leaving.inFlight = 1;
    await fleet.report(one);
    await fleet.time.advance(29_000);
    expect(fleet.state()).toContain("draining");
    await fleet.time.advance(2_000);
    expect(fleet.state()).toBe(`${one} ready`);
  });

  test("come back from a drain as the same upstreams", async () => {
    const fleet = await setUp();
    await fleet.report(one, two);
    await fleet.started;
    const leaving = fleet.upstream(two);
    if (leaving) leaving.inFlight = 1;
    await fleet.report(one);
    await fleet.report(one, two);
    expect(fleet.state()).toBe(`${one} ready, ${two} ready`);
    expect(fleet.upstream(two)).toBe(leaving);
    expect(fleet.events("mode")).toEqual([
      `main:${two}:80 ready draining file m`,
      `main:${two}:80 draining ready file m`,
    ]);
    await fleet.time.advance(60_000);
    expect(fleet.state()).toBe(`${one} ready, ${two} ready`);
  });

  test("leave only when another one is up: all are replaced without a gap", async () => {
    const fleet = await setUp({ down: [three] });
    await fleet.report(one, two);
    await fleet.started;
    await fleet.report(three);
    await fleet.time.advance(60_000);
    const kept = fleet
      .state()
      .split(", ")
      .filter((text) => text.endsWith("ready"));
    expect(kept.length).toBe(2);
    expect(kept).toContain(`${three} ready`);
    fleet.hosts.delete(three);
    await fleet.time.advance(20_000);
    expect(fleet.state()).toBe(`${three} ready`);
  });

  test("serve again if the ones that replaced them fail while they drain, and leave when one is up", async () => {
    const fleet = await setUp();
    await fleet.report(one, two);
    await fleet.started;
    for (const host of [one, two]) Object.assign(fleet.upstream(host) ?? {}, { inFlight: 1 });
    await fleet.report(three);
    await fleet.time.advance(2_000);
    expect(fleet.state()).toBe(`${three} ready, ${one} draining, ${two} draining`);
    fleet.hosts.add(three);
    await fleet.time.advance(20_000);
    expect(fleet.state()).toBe(`${three} ready, ${one} ready, ${two} draining`);
    await fleet.time.advance(60_000);
    expect(fleet.state()).toContain(`${one} ready`);
    fleet.hosts.delete(three);
    await fleet.time.advance(60_000);
    expect(fleet.state()).toBe(`${three} ready`);
    expect(fleet.events("mode").filter((text) => text.includes(` draining ready `))).toEqual([
      `main:${one}:80 draining ready file m`,
    ]);
  });

  test("that are all gone for good leave the last one that is up", async () => {
    const fleet = await setUp();
    await fleet.report(one, two, three);
    await fleet.started;
    for (let i = 0; i < 5; i++) {
      await fleet.absent();
      await fleet.time.advance(10_000);
    }
    expect(fleet.state()).toBe(`${three} ready`);
    expect(fleet.events("discovery")).toEqual(["- current absent file m"]);
    await fleet.report(one, two);
    await fleet.time.advance(15_000);
    expect(fleet.state()).toBe(`${one} ready, ${two} ready`);
  });

  test("that are all gone leave none where the configuration lists another one that is up", async () => {
    const fleet = await setUp({ fixed: ["a"] });
    await fleet.report(one);
    await fleet.started;
    for (let i = 0; i < 5; i++) {
      await fleet.absent();
      await fleet.time.advance(10_000);
    }
    expect(fleet.registry.pools[0]?.upstreams.map(({ id }) => id)).toEqual(["a"]);
  });

  test("stay while the source fails, which is told at its begin and end", async () => {
    const fleet = await setUp();
    await fleet.report(one);
    await fleet.started;
    for (let i = 0; i < 10; i++) {
      await fleet.fail();
      await fleet.time.advance(60_000);
    }
    expect(fleet.state()).toBe(`${one} ready`);
    expect(fleet.discovery.reports).toMatchObject([
      { state: "stale", why: "SERVFAIL", members: 1, failures: 10 },
    ]);
    await fleet.report(one);
    expect(fleet.events("discovery")).toEqual(["- current stale file m", "- stale current file m"]);
    expect(fleet.logged).toEqual(["discovery failed", "discovery stale, keeping the last members"]);
  });

  test("keep what operators have set while they are away", async () => {
    const fleet = await setUp();
    await fleet.report(one, two);
    await fleet.started;
    const id = `main:${two}:80`;
    const meta = { upstream: id, by: "ann", at: 1, why: "" };
    fleet.intents.write([
      { kind: "weight", weight: 9, ...meta },
      { kind: "mode", mode: "maintenance", ...meta },
    ]);
    await fleet.reconciler.runExclusive(() =>
      fleet.reconciler.reconcile({ by: "ann", reason: "" }, "operator"),
    );
    await fleet.report(one);
    await fleet.time.advance(1_000);
    expect(fleet.state()).toBe(`${one} ready`);
    // A reload looks for intents that the configuration makes redundant.
    await fleet.reconciler.runExclusive(() =>
      fleet.reconciler.reconcile({ by: "ann", reason: "" }, "configuration", { ...fleet.withEntry }),
    );
    expect(fleet.intents.all.length).toBe(2);
    await fleet.report(one, two);
    expect(fleet.state()).toBe(`${one} ready, ${two} maintenance`);
    expect(fleet.upstream(two)?.weight).toBe(9);
  });

  test("count once where the configuration lists the same server", async () => {
    const fleet = await setUp({ fixed: ["a"] });
    const [fixed] = fleet.withEntry.pools[0]?.upstreams ?? [];
    if (!fixed) throw new Error("the fixture has an upstream");
    fleet.listener?.answered({
      members: [memberAt(template, fixed.address), memberAt(template, { hostname: one, port: 80 })],
    });
    await fleet.started;
    expect(fleet.registry.pools[0]?.upstreams.map(({ id }) => id)).toEqual(["a", `main:${one}:80`]);
  });

  test("with one address have one name, whatever protocols they are reported with", async () => {
    const fleet = await setUp();
    const at = (protocol: "http" | "https") =>
      memberAt({ ...template, protocol }, { hostname: one, port: 80 });
    fleet.listener?.answered({ members: [at("http"), at("https")] });
    await fleet.started;
    expect(fleet.registry.pools[0]?.upstreams.map(({ id }) => id)).toEqual([`main:${one}:80`]);
    // The other one takes its place when the source says so.
    fleet.listener?.answered({ members: [at("https")] });
    await fleet.time.advance(40_000);
    expect(fleet.registry.pools[0]?.upstreams.map(({ address }) => address.protocol)).toEqual(["https"]);
  });

  test("with addresses of credentials or of the balancer itself are left out", async () => {
    const fleet = await setUp();
    await fleet.report("169.254.169.254", "0.0.0.0", one);
    await fleet.started;
    expect(fleet.state()).toBe(`${one} ready`);
    expect(fleet.logged).toEqual(["discovered member refused", "discovered member refused"]);
    await fleet.report("169.254.169.254", one, two);
    expect(fleet.logged.length).toBe(2);
  });

  test("leave at once with the entry of the configuration", async () => {
    const fleet = await setUp({ fixed: ["a"] });
    await fleet.report(one);
    await fleet.started;
    const [pool] = fleet.withEntry.pools;
    if (!pool) throw new Error("the fixture has a pool");
    const { discovery: _, ...plain } = pool;
    const next = { ...fleet.withEntry, pools: [plain] };
    await fleet.reconciler.runExclusive(() =>
      fleet.reconciler.reconcile({ by: "ann", reason: "" }, "configuration", next),
    );
    expect(fleet.registry.pools[0]?.upstreams.map(({ id }) => id)).toEqual(["a"]);
    expect(fleet.listener).toBeUndefined();
  });

  test("are waited for five seconds at the start, and not longer", async () => {
    const fleet = await setUp();
    let isStarted = false;
    void fleet.started.then(() => (isStarted = true));
    await fleet.time.advance(4_900);
    expect(isStarted).toBe(false);
    await fleet.time.advance(200);
    expect([isStarted, fleet.state()]).toEqual([true, ""]);
  });
});

test("a plan names sources that come, change and go", () => {
  const before = configOf("main: a");
  const withEntries = (...discovery: readonly DiscoveryEntry[]): Config => ({
    ...before,
    pools: before.pools.map((pool) => ({ ...pool, discovery })),
  });
  const heavy = { ...entry, template: { ...template, weight: 3 } };
  const lines = (from: Config, to: Config) => planSteps(from, to).map(describeStep);
  expect(lines(before, withEntries(entry))).toEqual(["~ pool main: upstreams from file m none → http"]);
  expect(lines(withEntries(entry), withEntries(heavy))).toEqual([
    "~ pool main: upstreams from file m http → http weight 3",
  ]);
  expect(lines(withEntries(entry), before)).toEqual(["~ pool main: upstreams from file m http → none"]);
});

test("a change of the DNS servers asks sources of DNS again at once, and no others", () => {
  const time = new FakeTime();
  const created: string[] = [];
  const discovery = new Discovery({
    createSource({ source: { kind } }) {
      created.push(kind);
      return { start: () => () => {} };
    },
    ...{ clock: time.clock, wallClock: time.clock, schedule: time.schedule, log: quiet },
    eventLog: new EventLog({
      ...{ store: openSqlite(":memory:"), wallClock: time.clock, schedule: time.schedule, log: quiet },
    }),
  });
  const named = {
    source: { kind: "dns", name: "api", port: 1, family: "any" },
    template,
    position: 1,
  } as const;
  const pools = [{ name: "main", discovery: [entry, named] }];
  discovery.configure({ pools, resolvers: [] });
  discovery.configure({ pools, resolvers: [] });
  expect(created).toEqual(["file", "dns"]);
  discovery.configure({ pools, resolvers: ["10.0.0.53"] });
  expect([created, discovery.resolvers]).toEqual([["file", "dns", "dns"], ["10.0.0.53"]]);
});

describe("whatever a source says", () => {
  const all = Array.from({ length: 6 }, (_, i) => `10.0.1.${i + 1}`);

  /** Random answers, absences, failures and servers that go down, over an hour. @param mayFail whether servers go down */
  async function anHour(seed: number, mayFail: boolean) {
    const random = seededRandom(seed);
    const world = await setUp();
    await world.report(...all.slice(0, 3));
    await world.started;
    const lowest = { ready: Infinity, passing: Infinity };
    for (let step = 0; step < 150; step++) {
      const dice = random();
      if (dice < 0.5) await world.report(...all.filter(() => random() < 0.4));
      else if (dice < 0.75) await world.absent();
      else if (dice < 0.9) await world.fail();
      else if (mayFail)
        for (const host of all)
          if (random() < 0.5) world.hosts.add(host);
          else world.hosts.delete(host);
      for (let i = 0; i < 4; i++) {
        await world.time.advance(random() * 10_000);
        const upstreams = world.registry.pools[0]?.upstreams ?? [];
        const ready = upstreams.filter(({ mode }) => mode === "ready");
        lowest.ready = Math.min(lowest.ready, ready.length);
        lowest.passing = Math.min(lowest.passing, ready.filter(({ status }) => status === "passing").length);
      }
    }
    world.control.stop();
    return lowest;
  }

  test.each([1, 2, 3, 4])(
    "its pool is never emptied: seed %i",
    async (seed) => {
      expect((await anHour(seed, false)).passing).toBeGreaterThan(0);
      expect((await anHour(seed, true)).ready).toBeGreaterThan(0);
    },
    30_000,
  );
});

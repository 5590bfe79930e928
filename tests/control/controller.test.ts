import { describe, expect, test } from "bun:test";

import type { Config } from "../../src/config/config.ts";
import { type ConfigError, configError } from "../../src/config/problem.ts";
import type { CommandError } from "../../src/control/control.ts";
import { createReconciler } from "../../src/control/reconciler.ts";
import { Drains } from "../../src/control/drains.ts";
import { PoolRegistry } from "../../src/registry/pool-registry.ts";
import { Controller } from "../../src/control/controller.ts";
import { Intents } from "../../src/control/desired-state.ts";
import { FaultRegistry } from "../../src/fault/fault-registry.ts";
import { EventLog } from "../../src/control/event-log.ts";
import { seededRandom } from "../../src/lib/random.ts";
import type { Upstream } from "../../src/pool/upstream.ts";
import { Prober } from "../../src/probe/prober.ts";
import { noAlerts } from "../../src/state/alert-record.ts";
import { openSqlite } from "../../src/state/sqlite-store.ts";
import type { Store } from "../../src/state/store.ts";
import { configOf, hostOf, intentOf, poolsIn } from "../support/configs.ts";
import { FakeTime } from "../support/fake-time.ts";

const actor = { by: "ann", reason: "because" };
const log = { debug() {}, info() {}, warn() {}, error() {} };

interface SetUpOptions {
  readonly store?: Store;
  /** Ids of upstreams whose probes fail. */
  readonly down?: readonly string[];
  /** Delays probe results until it resolves; by default not at all. */
  readonly gate?: () => Promise<void>;
  readonly cut?: (upstream: Upstream) => number;
}

function setUp(config: Config, { store = openSqlite(":memory:"), down = [], gate, cut }: SetUpOptions = {}) {
  const time = new FakeTime();
  const { clock, schedule } = time;
  const wallClock = () => 1e12 + clock();
  const random = seededRandom(1);
  const eventLog = new EventLog({ store, wallClock, schedule, log });
  const stages: string[] = [];
  const drains = new Drains({
    clock,
    wallClock,
    schedule,
    onStage: ({ id }, stage) => stages.push(`${id} ${stage}`),
  });
  const registry = new PoolRegistry({ clock, random, observer: { outlierChanged() {}, panicChanged() {} } });
  const hosts = new Set(down.map(hostOf));
  const prober = new Prober({
    probe: async ({ address: { hostname } }) => {
      await gate?.();
      return { success: !hosts.has(hostname), detail: "", latencyMs: 1 };
    },
    clock,
    schedule,
    random,
    onResult: () => {},
  });
  const files: { next: Config | ConfigError } = { next: config };
  const reloads: string[] = [];
  const reconciler = createReconciler({
    config,
    intents: new Intents(store, log),
    registry,
    prober,
    drains,
    eventLog,
    log,
    wallClock,
    loadConfig: () => files.next,
    abortAttempts: () => cut,
    onReload: ({ result }) => reloads.push(result),
  });
  const controller = new Controller(reconciler, new FaultRegistry());
  const upstream = (id: string) => {
    const found = registry.find(id);
    if (!found) throw new Error(`no ${id}`);
    return found.upstream;
  };
  const events = (id: string) =>
    controller.events({ upstream: id, limit: 99 }).map(({ kind, from, to }) => `${kind} ${from} ${to}`);
  const pools = () => poolsIn(reconciler.desired);
  return {
    controller,
    reconciler,
    registry,
    time,
    store,
    upstream,
    files,
    reloads,
    stages,
    events,
    pools,
    prober,
  };
}

const reasonOf = (response: unknown) => (response as CommandError | undefined)?.reason;
const ids = (upstreams: readonly Upstream[] = []) => upstreams.map(({ id }) => id).join("");

describe("the controller", () => {
  test("keeps health, load and latency of remaining upstreams, also in another pool", async () => {
    const { controller, registry, files, upstream, reloads } = setUp(configOf("main: a b | api: c"));
    const [a, b, c] = ["a", "b", "c"].map(upstream) as [Upstream, Upstream, Upstream];
    for (const one of [a, b, c]) one.activeHealth.record(true);
    a.inFlight = 3;
    c.latency.record(7, 1);
    const pool = registry.pools[0];
    files.next = configOf("main: a;weight=5 c | other: d", {}, { policy: "p2c" });
    await controller.reload({ dry: false }, "ann");
    expect(registry.pools[0]).toBe(pool as (typeof registry.pools)[0]);
    expect(registry.pools.map(({ name, upstreams }) => `${name} ${ids(upstreams)}`)).toEqual([
      "main ac",
      "other d",
    ]);
    expect([upstream("a"), upstream("c")]).toEqual([a, c]);
    expect(a).toMatchObject({ weight: 5, inFlight: 3 });
    expect(c.latency.measured).toBe(true);
    expect(ids(pool?.available)).toBe("ac");
    expect(registry.find("b")).toBeUndefined();
    expect(reloads).toEqual(["applied"]);
  });

  test("changes nothing with a dry run or an invalid configuration", async () => {
    const { controller, files, reloads, pools } = setUp(configOf("main: a b"));
    files.next = configOf("main: a c");
    expect(await controller.reload({ dry: true }, "ann")).toMatchObject({ applied: false, steps: [{}, {}] });
    files.next = configError([{ action: "use x", why: "it needs y" }]);
    expect(await controller.reload({ dry: true }, "ann")).toMatchObject({
      status: 422,
      problems: ["Cannot use x: it needs y."],
    });
    expect(reloads).toEqual([]);
    expect(reasonOf(await controller.reload({ dry: false }, "ann"))).toBe("configuration_invalid");
    expect(reloads).toEqual(["refused"]);
    expect(pools()).toBe("main: a b");
  });

  test("lets no upstream serve before its first probe result", async () => {
    const gates: (() => void)[] = [];
    const gate = () => new Promise<void>((resolve) => void gates.push(resolve));
    const { controller, registry, time } = setUp(configOf("main: a b"), { gate });
    const adding = controller.add("main", { url: "http://10.0.0.3", name: "c" }, actor);
    await time.advance(0);
    expect(ids(registry.pools[0]?.upstreams)).toBe("ab");
    for (const open of gates.splice(0)) open();
    expect(await adding).toBe("c");
    expect(ids(registry.pools[0]?.available)).toBe("abc");
  });

  test("runs commands one after the other", async () => {
    const { controller, pools, files } = setUp(configOf("main: a"));
    files.next = configOf("main: a d");
    const orders = [
      controller.add("main", { url: "http://10.0.0.2", name: "b" }, actor),
      controller.add("main", { url: "http://10.0.0.2", name: "b" }, actor),
      controller.setWeight("b", 4, actor),
      controller.reload({ dry: false }, "ann"),
      controller.add("main", { url: "http://10.0.0.4", name: "d" }, actor),
    ];
    const responses = await Promise.all<unknown>(orders);
    expect(responses.map(reasonOf)).toEqual([
      undefined,
      "upstream_exists",
      undefined,
      undefined,
      "upstream_exists",
    ]);
    expect(pools()).toBe("main: a d b;weight=4");
  });

  test("removes intents that the configuration contains, so that the configuration applies from then on", async () => {
    const { controller, files, pools, store } = setUp(configOf("main: a b"));
    await controller.add("main", { url: "http://10.0.0.3", name: "c" }, actor);
    files.next = configOf("main: a b c;weight=2");
    await controller.reload({ dry: false }, "ann");
    expect(store.intents()).toEqual([]);
    expect(pools()).toBe("main: a b c;weight=2");
    files.next = configOf("main: a b");
    await controller.reload({ dry: false }, "ann");
    expect(pools()).toBe("main: a b");
  });

  test("starts with the stored intents, and an earlier drain continues", () => {
    const store = openSqlite(":memory:");
    store.write(["added main/c", "removed main/a", "weight b 9", "mode c draining"].map(intentOf));
    const { pools, upstream, reconciler } = setUp(configOf("main: a b"), { store });
    expect(pools()).toBe("main: b;weight=9 c");
    expect(upstream("c").mode).toBe("draining");
    expect(reconciler.drains.get(upstream("c"))).toEqual({ since: 1, deadline: null, isRemoval: false });
  });

  test("runs commands even if the state cannot be written: a full disk must not prevent a drain", async () => {
    const store = openSqlite(":memory:");
    const broken: Store = {
      intents: () => store.intents(),
      events: () => [],
      eventsBetween: () => [],
      keepSessions: () => {},
      takeSessions: () => [],
      record: () => {},
      fleet: () => ({ entries: [] }),
      secret: () => "",
      keepEndedSessions() {},
      endedSessions: () => [],
      keepMembers() {},
      members: () => [],
      alerts: () => noAlerts,
      writeAlerts() {},
      keptSecret: () => undefined,
      keepSecret() {},
      close: () => {},
      write: () => {
        throw new Error("disk full");
      },
    };
    const { controller, reconciler, upstream, pools } = setUp(configOf("main: a b"), { store: broken });
    expect(controller.setMode("a", "maintenance", actor)).toBeUndefined();
    expect(upstream("a").mode).toBe("maintenance");
    expect(await controller.drain("a", { waitMs: 0, force: false }, actor)).toMatchObject({ drained: true });
    expect(await controller.setWeight("b", 3, actor)).toBeUndefined();
    expect(upstream("b").weight).toBe(3);
    expect(await controller.add("main", { url: "http://10.0.0.3" }, actor)).toBe("10.0.0.3:80");
    expect(reconciler.intents.get("mode", "a")).toMatchObject({ mode: "draining", by: "ann" });
    expect(await controller.remove("a", 0, actor)).toMatchObject({ inFlight: 0 });
    expect(reconciler.drains.get(upstream("a"))?.isRemoval).toBe(true);
    expect(pools()).toBe("main: a b;weight=3 10.0.0.3:80@10.0.0.3");
  });
});

describe("a drain", () => {
  test("has a deadline even if no caller waits for it", async () => {
    const { controller, reconciler, upstream, time, stages } = setUp(configOf("main: a b"));
    upstream("a").inFlight = 1;
    const order = { waitMs: 0, deadlineMs: 1_000, force: false };
    expect(await controller.drain("a", order, actor)).toMatchObject({ drained: false, inFlight: 1 });
    const drain = reconciler.drains.get(upstream("a"));
    expect((drain?.deadline ?? 0) - (drain?.since ?? 0)).toBe(1_000);
    await time.advance(1_100);
    expect(stages).toEqual(["a late"]);
    upstream("a").inFlight = 0;
    await time.advance(100);
    expect(stages).toEqual(["a late", "a drained"]);
  });

  test("ready also ends an ejection, with an event, but not if it undoes a drain", () => {
    const { controller, reconciler, upstream } = setUp(configOf("main: a b"));
    upstream("a").outlier.ejectUnresponsive(1_000);
    expect(upstream("a").status).toBe("ejected");
    controller.setMode("a", "ready", actor);
    controller.setMode("a", "ready", actor);
    expect(upstream("a").outlier).toMatchObject({ state: "up", reason: "operator" });
    expect(upstream("a").effectiveWeight).toBeLessThan(1);
    expect(reconciler.eventLog.events({ limit: 9 })).toMatchObject([
      { kind: "mode", upstream: "a", from: "ejected", to: "ready", by: "ann", detail: "because" },
    ]);
    upstream("b").outlier.ejectUnresponsive(1_000);
    controller.setMode("b", "maintenance", actor);
    controller.setMode("b", "ready", actor);
    expect(upstream("b").status).toBe("ejected");
  });

  test("ends when the upstream is drained, when the deadline passes, or when it is undone", async () => {
    const { controller, upstream, time, stages } = setUp(configOf("main: a b"));
    const a = upstream("a");
    a.inFlight = 2;
    const late = controller.drain("a", { waitMs: 1_000, force: false }, actor);
    await time.advance(1_000);
    expect(await late).toEqual({ drained: false, inFlight: 2, undone: false, cut: 0 });
    const undone = controller.drain("a", { waitMs: 1_000, force: false }, actor);
    controller.setMode("a", "ready", actor);
    await time.advance(100);
    expect(await undone).toMatchObject({ drained: false, undone: true });
    const empty = controller.drain("a", { waitMs: 1_000, force: false }, actor);
    a.inFlight = 0;
    await time.advance(100);
    expect(await empty).toMatchObject({ drained: true, inFlight: 0 });
    await time.advance(60_000);
    expect(stages).toEqual(["a late", "a drained"]);
    expect(time.waits.filter((waitMs) => waitMs < 100)).toEqual([]);
  });

  test("with force aborts the remaining attempts at the deadline, if the engine supports it", async () => {
    const cut = (upstream: Upstream) => {
      const { inFlight } = upstream;
      upstream.inFlight = 0;
      return inFlight;
    };
    const { controller, upstream, time } = setUp(configOf("main: a b"), { cut });
    upstream("a").inFlight = 2;
    const forced = controller.drain("a", { waitMs: 100, force: true }, actor);
    await time.advance(100);
    expect(await forced).toEqual({ drained: true, inFlight: 0, undone: false, cut: 2 });
    expect(
      reasonOf(await setUp(configOf("main: a b")).controller.drain("a", { waitMs: 0, force: true }, actor)),
    ).toBe("force_unsupported");
  });
});

describe("a removal", () => {
  test("waits until the upstream is drained, and then leaves no intent of an added one", async () => {
    const { controller, upstream, time, store, events, pools } = setUp(configOf("main: a b"));
    await controller.add("main", { url: "http://10.0.0.3", name: "c" }, actor);
    await controller.setWeight("c", 2, actor);
    const c = upstream("c");
    c.inFlight = 1;
    const removal = controller.remove("c", 5_000, actor);
    expect(store.intents()).toEqual([]);
    await time.advance(1_000);
    expect([c.mode, pools()]).toEqual(["draining", "main: a b c;weight=2"]);
    const responses: unknown[] = [
      controller.setMode("c", "ready", actor),
      await controller.remove("c", 0, actor),
    ];
    expect([...responses, await controller.setWeight("c", 1, actor)].map(reasonOf)).toEqual(
      Array(3).fill("upstream_leaving"),
    );
    c.inFlight = 0;
    await time.advance(100);
    expect(await removal).toMatchObject({ drained: true, inFlight: 0 });
    expect(pools()).toBe("main: a b");
    expect(events("c")).toEqual([
      ...["member absent added", "weight 1 2", "mode ready draining", "member present removed"],
    ]);
  });

  test("stops new requests while it waits for another command", async () => {
    const gates: (() => void)[] = [];
    const gate = () => new Promise<void>((resolve) => void gates.push(resolve));
    const { controller, upstream, registry, time } = setUp(configOf("main: a b"), { gate });
    const adding = controller.add("main", { url: "http://10.0.0.3", name: "c" }, actor);
    await time.advance(0);
    const a = upstream("a");
    const removal = controller.remove("a", 1_000, actor);
    await time.advance(100);
    expect(reasonOf(controller.setMode("a", "ready", actor))).toBe("upstream_leaving");
    const seen: string[] = [];
    const adopted = adding.then(() => seen.push(`${a.mode} ${ids(registry.pools[0]?.available)}`));
    for (const open of gates.splice(0)) open();
    await adopted;
    expect(seen).toEqual(["draining bc"]);
    await removal;
    expect(ids(registry.pools[0]?.upstreams)).toBe("bc");
  });

  test("takes effect at the deadline, and requests in flight finish", async () => {
    const { controller, upstream, time, pools, store } = setUp(configOf("main: a b"));
    const a = upstream("a");
    a.inFlight = 1;
    expect(await controller.remove("a", 0, actor)).toMatchObject({ drained: false, inFlight: 1 });
    expect(reasonOf(await controller.remove("b", 0, actor))).toBe("upstream_last");
    await time.advance(30_000);
    expect(pools()).toBe("main: b");
    expect(store.intents()).toMatchObject([{ kind: "removed", upstream: "a", by: "ann", why: "because" }]);
  });

  test("of a configured upstream is undone by adding it again, with its configured weight", async () => {
    const { controller, pools, time } = setUp(configOf("main: a;weight=3 b"));
    const removal = controller.remove("a", 10, actor);
    await time.advance(100);
    await removal;
    expect(reasonOf(await controller.add("main", { url: "http://10.0.0.7", name: "a" }, actor))).toBe(
      "upstream_exists",
    );
    expect(await controller.add("main", { url: "http://10.0.0.1", name: "a" }, actor)).toBe("a");
    expect(pools()).toBe("main: a;weight=3 b");
  });
});

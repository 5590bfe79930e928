import { describe, expect, test } from "bun:test";

import { FaultRegistry } from "../../src/fault/fault-registry.ts";
import { PoolRegistry } from "../../src/registry/pool-registry.ts";
import { seededRandom } from "../../src/lib/random.ts";
import { Metrics } from "../../src/metrics/metrics.ts";
import { mergeVerdicts } from "../../src/dataplane/worker-aggregation.ts";
import { perWorkerConfig } from "../../src/dataplane/messages.ts";
import { StateChanges } from "../../src/dataplane/state-changes.ts";
import { WorkerState } from "../../src/dataplane/worker-state.ts";
import { Attempt } from "../../src/pool/attempt.ts";
import { httpResponseClassifier } from "../../src/proxy/response-class.ts";
import { failure, completed } from "../../src/pool/outcome.ts";
import type { PoolObserver } from "../../src/pool/pool.ts";
import { wholeReport } from "../support/worker-reports.ts";
import { configOf } from "../support/configs.ts";

const overTheWire = <T>(value: T) => JSON.parse(JSON.stringify(value)) as T;

function setUp(pools = "main: a b c") {
  const now = { ms: 1_000 };
  const clock = () => now.ms;
  const changes: string[] = [];
  const observer: PoolObserver = {
    outlierChanged: (_, { upstream, from, to }) => void changes.push(`${upstream.id} ${from}→${to}`),
    panicChanged() {},
  };
  const createRegistry = (pool = observer) =>
    new PoolRegistry({ clock, random: seededRandom(1), observer: pool });
  const config = configOf(pools);
  const parent = createRegistry();
  parent.commit(parent.prepare(config));
  for (const pool of parent.pools) for (const one of pool.upstreams) pool.recordProbe(one, true);
  const noObserver = { outlierChanged() {}, panicChanged() {} };
  const workers = [createRegistry(noObserver), createRegistry(noObserver)];
  const stateChanges = new StateChanges({ registry: parent, faults: new FaultRegistry() });
  const states = workers.map(() => new WorkerState());
  const syncWorkers = (desired = config, count = 1) => {
    const change = stateChanges.next(desired);
    for (const [index, registry] of workers.entries()) {
      const state = states[index];
      if (!change || !state) continue;
      state.adopt(overTheWire(change), false);
      state.applyTo({ registry, faults: new FaultRegistry() }, { index, count });
    }
    return change;
  };
  syncWorkers();
  const upstreamIn = (registry: PoolRegistry | undefined, id: string) => {
    const found = registry?.find(id);
    if (!found) throw new Error(`no ${id}`);
    return { pool: found.entry.pool, upstream: found.upstream };
  };
  /** Runs an attempt in one worker. */
  const runAttempt = (worker: number, id: string, isGood: boolean) => {
    const { pool, upstream } = upstreamIn(workers[worker], id);
    const attempt = new Attempt(clock, { attemptEnded() {} }, httpResponseClassifier);
    attempt.start(upstream, pool);
    if (isGood) attempt.responseStarted(200);
    attempt.end(isGood ? completed : failure("head", "upstream_reset"));
  };
  const eject = (worker: number, id: string) => {
    for (let i = 0; i < 5; i++) runAttempt(worker, id, false);
  };
  const report = (worker: number) => {
    const registry = workers[worker] ?? parent;
    return overTheWire(wholeReport(registry, new Metrics(clock)));
  };
  const mergeReport = (worker: number) =>
    mergeVerdicts(parent, report(worker), {
      observer,
      onOlder: (upstream) => stateChanges.repeat(upstream),
      now: now.ms,
    });
  const status = (id: string) =>
    [parent, ...workers].map((registry) => {
      const { pool, upstream } = upstreamIn(registry, id);
      void pool.available;
      return upstream.status;
    });
  return {
    now,
    changes,
    config,
    parent,
    workers,
    syncWorkers,
    upstreamIn,
    runAttempt,
    eject,
    mergeReport,
    status,
  };
}

describe("a change of the state", () => {
  test("makes another process's pools equal: upstreams, modes and health", () => {
    const { parent, workers, syncWorkers, upstreamIn, status } = setUp("main: a b;weight=3 | api: c");
    const { pool, upstream } = upstreamIn(parent, "a");
    pool.setMode(upstream, "draining");
    const api = upstreamIn(parent, "c");
    for (let i = 0; i < 3; i++) api.pool.recordProbe(api.upstream, false);
    syncWorkers();
    expect(status("a")).toEqual(["draining", "draining", "draining"]);
    expect(status("b")).toEqual(["passing", "passing", "passing"]);
    expect(status("c")).toEqual(["failing", "failing", "failing"]);
    expect(upstreamIn(workers[0], "b").upstream.weight).toBe(3);
    for (let i = 0; i < 2; i++) api.pool.recordProbe(api.upstream, true);
    syncWorkers();
    expect(status("c")).toEqual(["passing", "passing", "passing"]);
    // A recovered upstream slow-starts in every process.
    expect(upstreamIn(workers[1], "c").upstream.effectiveWeight).toBeCloseTo(0.1);
  });

  test("has only the upstream whose mode, weight, health or fault has changed", () => {
    const { parent, config, syncWorkers, upstreamIn, workers } = setUp("main: a b c | api: d");
    expect(syncWorkers()).toBeUndefined();
    const { pool, upstream } = upstreamIn(parent, "b");
    const changes: (() => void)[] = [
      () => pool.setMode(upstream, "maintenance"),
      () => pool.adjust(upstream, { weight: 7, backup: true }),
      () => void [1, 2, 3].map(() => pool.recordProbe(upstream, false)),
      () => void (upstream.isDrainLate = true),
      () => upstream.endpoints.replace(["10.0.0.77"]),
    ];
    for (const change of changes) {
      change();
      expect(syncWorkers()).toEqual({
        upstreams: [expect.objectContaining({ upstream: "b http://10.0.0.2:80" })],
      });
      expect(syncWorkers({ ...config })).toBeUndefined();
    }
    expect(upstreamIn(workers[1], "b").upstream).toMatchObject({
      ...{ mode: "maintenance", weight: 7, backup: true, isDrainLate: true },
      activeHealth: { state: "failing" },
    });
  });

  test("has the settings and pools that a configuration changes; weights of operators outlast it", () => {
    const { config, parent, syncWorkers, upstreamIn, workers } = setUp("main: a b | api: c");
    const [main, api] = config.pools;
    if (!main || !api) throw new Error("no pool");
    const weighted = { ...main, upstreams: main.upstreams.map((spec) => ({ ...spec, weight: 5 })) };
    const send = (next: typeof config) => {
      parent.commit(parent.prepare(next));
      return syncWorkers(next);
    };
    const first = {
      ...config,
      pools: [weighted, structuredClone(api)],
      networks: { office: ["10.0.0.0/8"] },
    };
    const sent = send(first);
    expect(sent?.config).toEqual({ settings: { networks: { office: ["10.0.0.0/8"] } }, pools: [] });
    expect(sent?.upstreams.map(({ weight }) => weight)).toEqual([5, 5]);
    const routes = workers.map((worker) => worker.routes);
    const slow = { ...weighted, slowStartMs: 99 };
    const { networks: _, ...second } = { ...first, pools: [slow, api] };
    expect(send(second)).toEqual({
      config: { settings: {}, removed: ["networks"], pools: [slow] },
      upstreams: [],
    });
    const { pool, upstream } = upstreamIn(workers[0], "a");
    expect([upstream.weight, pool.upstreams.length]).toEqual([5, 2]);
    // Without its networks, the configuration has other routes.
    expect(workers.map((worker, index) => worker.routes === routes[index])).toEqual([false, false]);
    const reversed = send({ ...second, pools: [api, slow] });
    expect(reversed?.config).toEqual({ settings: {}, pools: [], poolNames: ["api", "main"] });
    expect(workers[0]?.pools.map(({ name }) => name)).toEqual(["api", "main"]);
    expect(send({ ...second, pools: [api] })?.config?.poolNames).toEqual(["api"]);
    expect(workers[1]?.pools.map(({ name }) => name)).toEqual(["api"]);
  });

  test("divides limits among the workers, and leaves the token out", () => {
    const config = configOf(
      "main: a",
      {
        admin: { hostname: "::", port: 1, token: "s3cret" },
        listeners: [
          { name: "main", hostname: "::", port: 1, maxClients: 101, protocols: ["http1"] },
          { name: "web", hostname: "::", port: 0, maxClients: 4, protocols: ["http1", "http2"] },
        ],
      },
      { maxInFlight: 5, queue: { maxWaiting: 9, timeoutMs: 1_000, whenNoneFit: false } },
    );
    const share = perWorkerConfig(config, 2, [8443, 8080]);
    expect(share.pools[0]).toMatchObject({ maxInFlight: 3, retryBudget: { share: 0.2, perSecond: 1.5 } });
    expect(share.pools[0]?.queue).toEqual({ maxWaiting: 5, timeoutMs: 1_000, whenNoneFit: false });
    expect(share.pools[0]?.retryBudget.rescues).toBe(128);
    expect(share.listeners).toMatchObject([
      { name: "main", port: 8443, maxClients: 51 },
      { name: "web", port: 8080, maxClients: 2, protocols: ["http1", "http2"] },
    ]);
    expect(share.limits.webSocketBufferBytes).toBe(33_554_432);
    expect(perWorkerConfig(config, 100, [1]).limits.webSocketBufferBytes).toBe(1_048_576);
    expect(JSON.stringify(share)).not.toContain("s3cret");
    expect(perWorkerConfig(config, 64, [1]).pools[0]?.maxInFlight).toBe(1);
    expect(perWorkerConfig(configOf("main: a"), 2, [1]).pools[0]?.maxInFlight).toBeUndefined();
  });
});

describe("a passive verdict", () => {
  test("of one worker applies to all, and is reported once", () => {
    const { eject, mergeReport, syncWorkers, status, changes } = setUp();
    eject(0, "a");
    expect(status("a")).toEqual(["passing", "ejected", "passing"]);
    expect(mergeReport(0)).toBe(true);
    expect(mergeReport(0)).toBe(false);
    syncWorkers();
    expect(status("a")).toEqual(["ejected", "ejected", "ejected"]);
    expect(mergeReport(1)).toBe(false);
    expect(changes).toEqual(["a up→ejected"]);
  });

  test("ends in every process at the same time, and the first success applies to all", () => {
    const { eject, mergeReport, syncWorkers, runAttempt, status, now } = setUp();
    eject(0, "a");
    mergeReport(0);
    syncWorkers();
    now.ms += 30_000;
    expect(status("a")).toEqual(["probation", "probation", "probation"]);
    now.ms += 5;
    runAttempt(1, "a", true);
    // A state that was sent before changes nothing.
    syncWorkers();
    expect(status("a")).toEqual(["probation", "probation", "passing"]);
    mergeReport(1);
    syncWorkers();
    expect(status("a")).toEqual(["passing", "passing", "passing"]);
  });

  test("is tried by one worker first, and by the other only if that one has no request for it", () => {
    const { eject, mergeReport, syncWorkers: sync, status, runAttempt, now } = setUp();
    const syncWorkers = () => sync(undefined, 2);
    const first = () => status("a").slice(1).indexOf("probation");
    eject(0, "a");
    mergeReport(0);
    syncWorkers();
    now.ms += 30_000;
    syncWorkers();
    expect(status("a").slice(1).toSorted()).toEqual(["ejected", "probation"]);
    const [one, other] = [first(), 1 - first()];
    now.ms += 999;
    expect(status("a")[1 + other]).toBe("ejected");
    now.ms += 1;
    expect(status("a")[1 + other]).toBe("probation");
    runAttempt(one, "a", true);
    mergeReport(one);
    syncWorkers();
    expect(status("a")).toEqual(["passing", "passing", "passing"]);
  });

  test("that fails its probation lasts longer for all", () => {
    const { eject, mergeReport, syncWorkers, runAttempt, status, now, upstreamIn, workers } = setUp();
    eject(0, "a");
    mergeReport(0);
    syncWorkers();
    now.ms += 30_001;
    status("a");
    runAttempt(0, "a", false);
    mergeReport(0);
    syncWorkers();
    const { outlier } = upstreamIn(workers[1], "a").upstream;
    expect(outlier).toMatchObject({ state: "ejected", ejections: 2, endsAt: now.ms + 60_000 });
  });

  test("never ejects the last upstream, even if two workers eject different ones at the same moment", () => {
    const { eject, mergeReport, syncWorkers, status, changes, now } = setUp("main: a b");
    eject(0, "a");
    eject(1, "b");
    mergeReport(0);
    mergeReport(1);
    now.ms += 2;
    syncWorkers();
    expect(status("a")).toEqual(["ejected", "ejected", "ejected"]);
    expect(status("b")).toEqual(["passing", "passing", "passing"]);
    expect(changes).toEqual(["a up→ejected"]);
  });

  test("of a worker whose clock is late gives way to a newer one, also if that was sent before", () => {
    const { eject, mergeReport, syncWorkers, status, parent, upstreamIn, now } = setUp();
    const { pool, upstream } = upstreamIn(parent, "a");
    const verdict = { ...upstream.outlier.verdict, decidedAt: now.ms };
    pool.adoptHealth(upstream, { activeHealth: "passing", verdict });
    syncWorkers();
    now.ms -= 5;
    eject(0, "a");
    now.ms += 5;
    expect([mergeReport(0), status("a")]).toEqual([true, ["passing", "ejected", "passing"]]);
    syncWorkers();
    expect([mergeReport(0), status("a")]).toEqual([false, ["passing", "passing", "passing"]]);
  });

  test("is lifted for all by probes that pass again", () => {
    const { eject, mergeReport, syncWorkers, status, parent, upstreamIn, now } = setUp();
    eject(0, "a");
    mergeReport(0);
    now.ms += 10;
    const { pool, upstream } = upstreamIn(parent, "a");
    for (let i = 0; i < 3; i++) pool.recordProbe(upstream, false);
    for (let i = 0; i < 2; i++) pool.recordProbe(upstream, true);
    syncWorkers();
    expect(status("a")).toEqual(["passing", "passing", "passing"]);
  });
});

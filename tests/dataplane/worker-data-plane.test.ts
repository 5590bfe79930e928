import { describe, expect, test } from "bun:test";

import { HttpChallengeResponses } from "../../src/acme/challenges.ts";
import { recordWorkerEvent } from "../../src/control/event-recorder.ts";
import { FaultRegistry } from "../../src/fault/fault-registry.ts";
import { PoolRegistry } from "../../src/registry/pool-registry.ts";
import type { NewEvent } from "../../src/control/event-log.ts";
import { seededRandom } from "../../src/lib/random.ts";
import { Metrics } from "../../src/metrics/metrics.ts";
import { type FromWorker, type ToWorker } from "../../src/dataplane/messages.ts";
import { WorkerDataPlane } from "../../src/dataplane/worker-data-plane.ts";
import type { StallSuspicion } from "../../src/probe/stall-detector.ts";
import type { RequestRecord } from "../../src/proxy/record.ts";
import { wholeReport } from "../support/worker-reports.ts";
import { configOf } from "../support/configs.ts";
import { FakeTime } from "../support/fake-time.ts";
import { until } from "../support/wait.ts";
import { CertificateStore } from "../../src/tls/certificate-store.ts";

const log = { debug() {}, info() {}, warn() {}, error() {} };
const observer = { outlierChanged() {}, panicChanged() {} };

/** A fake worker process whose messages the test sends. */
interface FakeWorker {
  readonly received: ToWorker[];
  send(message: FromWorker): void;
  exit(reason: string): void;
}

function setUp(count = 2) {
  const time = new FakeTime();
  const { clock, schedule } = time;
  const config = configOf("main: a b");
  const registry = new PoolRegistry({ clock, random: seededRandom(1), observer });
  registry.commit(registry.prepare(config));
  const metrics = new Metrics(clock);
  const events: NewEvent[] = [];
  const eventLog = {
    add(event: NewEvent) {
      events.push(event);
      return { seq: 0, at: 0, ...event };
    },
  };
  const challenges = new HttpChallengeResponses();
  const started: { at: number; fake: FakeWorker }[] = [];
  const suspicions: StallSuspicion[] = [];
  const requests: [records: readonly RequestRecord[], isSampled: boolean][] = [];
  const workers = new WorkerDataPlane({
    viaName: "evenkeel-1",
    certificates: new CertificateStore(),
    config,
    registry,
    metrics,
    observer,
    clock,
    schedule,
    onSuspicion: (all) => void suspicions.push(...all),
    onRequests: (records, isSampled) => void requests.push([records, isSampled]),
    faults: new FaultRegistry(),
    challenges,
    onWorkerEvent: (event) => recordWorkerEvent({ eventLog, log }, event),
    launcher: {
      count,
      claimPort: async (_, port) => port || 4_711,
      hold: async () => undefined,
      close() {},
      spawn(onMessage) {
        const { promise: exited, resolve } = Promise.withResolvers<string>();
        const fake: FakeWorker = { received: [], send: onMessage, exit: resolve };
        started.push({ at: clock(), fake });
        return {
          pid: started.length,
          exited,
          send: (message) => void fake.received.push(message),
          kill: () => resolve("SIGKILL"),
        };
      },
    },
  });
  const makeReady = (fake: FakeWorker) => {
    fake.send({ kind: "hello" });
    fake.send({ kind: "ready", ports: [4_711] });
  };
  const statesOf = ({ received }: FakeWorker) =>
    received.flatMap((message) => (message.kind === "state" ? [message] : []));
  const report = (fake: FakeWorker, inFlight = 0, requests = 0) => {
    const report = wholeReport(registry, new Metrics(clock), {
      revision: statesOf(fake).at(-1)?.revision ?? 0,
      active: inFlight,
      clients: 2 * inFlight,
      rssBytes: 1_000,
    });
    const upstreams = report.upstreams.map((one, i) =>
      i > 0 ? one : { ...one, inFlight, counts: { ...one.counts, requests } },
    );
    fake.send({ ...report, upstreams });
  };
  const startListening = async () => {
    const starting = workers.listen();
    await time.advance(0);
    for (const { fake } of started) makeReady(fake);
    await starting;
    return started.map(({ fake }) => fake);
  };
  const [a] = registry.pools[0]?.upstreams ?? [];
  if (!a) throw new Error("no upstream");
  return {
    time,
    config,
    registry,
    metrics,
    events,
    started,
    workers,
    startListening,
    makeReady,
    statesOf,
    report,
    a,
    suspicions,
    requests,
    challenges,
  };
}

describe("workers", () => {
  test("receive the state on hello, at every change, and each second, with a new revision for each change", async () => {
    const { workers, startListening, statesOf, time, config } = setUp();
    const [one] = (await startListening()) as [FakeWorker];
    const revisions = () => statesOf(one).map(({ revision }) => revision);
    expect(new Set(revisions())).toEqual(new Set([1]));
    expect(statesOf(one)[0]?.change?.config?.settings.listeners?.[0].port).toBe(config.listeners[0].port);
    const { length } = revisions();
    await time.advance(2_100);
    expect(revisions().slice(length)).toEqual([1, 1]);
    workers.apply({ ...config, trustedProxies: ["10.0.0.1"] });
    workers.apply({ ...config, trustedProxies: ["10.0.0.2"] });
    await time.advance(10);
    expect(revisions().slice(length)).toEqual([1, 1, 2]);
  });

  test("receive only what has changed, and all of it when they say hello", async () => {
    const { workers, startListening, statesOf, time, config, registry, a } = setUp();
    const [one, two] = (await startListening()) as [FakeWorker, FakeWorker];
    const last = (worker: FakeWorker) => statesOf(worker).at(-1);
    expect(statesOf(one).map(({ base, change }) => [base, change?.upstreams.length])[0]).toEqual([0, 2]);
    await time.advance(1_000);
    expect([last(one)?.base, last(one)?.revision, last(one)?.change]).toEqual([1, 1, undefined]);
    registry.pools[0]?.recordProbe(a, true);
    workers.apply(config);
    await time.advance(10);
    const changed = { upstreams: [expect.objectContaining({ activeHealth: "passing" })] };
    expect([last(one), last(two)]).toMatchObject([
      { base: 1, revision: 2, change: changed },
      { base: 1, revision: 2, change: changed },
    ]);
    // As a worker does that has missed a message.
    two.send({ kind: "hello" });
    expect([last(one)?.change, last(two)?.base, last(two)?.revision]).toEqual([undefined, 0, 2]);
    expect(last(two)?.change).toMatchObject({
      config: { pools: [{ name: "main" }], poolNames: ["main"] },
      upstreams: [{ activeHealth: "passing" }, { activeHealth: "checking" }],
    });
  });

  test("that die are restarted with exponential back-off, and that is recorded", async () => {
    const { started, startListening, time, events, makeReady } = setUp(1);
    await startListening();
    for (let i = 0; i < 8; i++) {
      const last = started.at(-1)?.fake;
      if (last) makeReady(last);
      last?.exit("SIGSEGV");
      await time.advance(0);
      const { length } = started;
      while (started.length === length) await time.advance(100);
    }
    const starts = started.map(({ at }) => at);
    const pauses = starts.slice(1).map((at, i) => at - (starts[i] ?? 0));
    expect(pauses.at(0)).toBe(100);
    expect(Math.max(...pauses)).toBe(5_000);
    expect(events[0]).toMatchObject({
      kind: "worker",
      from: "serving",
      to: "gone",
      detail: "pid 1: SIGSEGV",
    });
    expect(events[1]).toMatchObject({ kind: "worker", from: "gone", to: "serving", detail: "pid 2" });
  });

  test("that send no report for ten seconds are killed and restarted, and that is recorded", async () => {
    const { started, startListening, time, events, report, makeReady, workers } = setUp();
    const [one, two] = (await startListening()) as [FakeWorker, FakeWorker];
    for (let second = 0; second < 9; second++) {
      report(one);
      await time.advance(1_000);
    }
    // Late, but within the limit.
    report(two);
    for (let second = 0; second < 9; second++) {
      report(one);
      await time.advance(1_000);
    }
    expect(events).toEqual([]);
    report(one);
    await time.advance(1_000);
    expect(events.map(({ from, to, reason, detail }) => [from, to, reason, detail])).toEqual([
      ["serving", "hung", "no_report", "pid 2: no report for 10 s"],
      ["serving", "gone", "died", "pid 2: SIGKILL"],
    ]);
    await time.advance(100);
    const third = started[2]?.fake;
    if (third) makeReady(third);
    expect(workers.workers.map(({ ready, restarts }) => [ready, restarts])).toEqual([
      [true, 0],
      [true, 1],
    ]);
    expect(events.at(-1)).toMatchObject({ from: "gone", to: "serving", detail: "pid 3" });
    workers.close();
    await time.advance(60_000);
    expect(events).toHaveLength(3);
  });

  test("that never become ready fail the start after a timeout", async () => {
    const { workers, time, started } = setUp(1);
    const starting = workers.listen();
    let reason = "";
    starting.catch((error: unknown) => (reason = String(error)));
    await time.advance(29_000);
    expect([reason, started.length]).toEqual(["", 1]);
    await time.advance(1_000);
    expect(reason).toContain("Cannot start a worker: it exited with SIGKILL");
    workers.close();
  });

  test("are counted together; the counters of a dead worker stay, its requests in flight do not", async () => {
    const { workers, metrics, startListening, report, a, time } = setUp();
    const [one, two] = (await startListening()) as [FakeWorker, FakeWorker];
    report(one, 3, 10);
    report(two, 1, 5);
    report(one, 2, 11);
    workers.refreshCounters();
    expect([workers.active(), a.inFlight, metrics.of(a).requests]).toEqual([3, 3, 16]);
    expect(workers.clients()).toBe(6);
    one.exit("SIGKILL");
    await time.advance(0);
    workers.refreshCounters();
    workers.refreshCounters();
    expect([workers.active(), a.inFlight, metrics.of(a).requests]).toEqual([1, 1, 16]);
    expect(workers.workers[0]).toMatchObject({ ready: false, requests: 0 });
  });

  test("have their queued requests and retry budgets added up", async () => {
    const { workers, startListening, registry, metrics } = setUp();
    const [member] = registry.entries;
    if (!member) throw new Error("no pool");
    const both = (await startListening()) as [FakeWorker, FakeWorker];
    for (const [i, fake] of both.entries()) {
      const report = wholeReport(registry, metrics);
      const pools = report.pools.map((pool) => ({ ...pool, queued: 2 + i, retryBudgetBalance: 1.5 }));
      fake.send({ ...report, pools });
    }
    expect(workers.measure(member)).toMatchObject({ queue: { size: 5 }, retryBudget: { balance: 3 } });
    both[0].exit("SIGKILL");
    await until(() => workers.measure(member).queue.size === 3, "its queue to be removed");
  });

  test("that suspect an upstream cause a probe at once, and all workers are asked for evidence", async () => {
    const { startListening, suspicions, a, time } = setUp();
    const [one, two] = (await startListening()) as [FakeWorker, FakeWorker];
    await time.advance(1_500);
    const seen = { id: "a", thresholdMs: 1_000, othersLastResponseAt: 1_400 };
    const ownEvidence = { ...seen, waits: [100, 200], lastResponseAt: 90 };
    one.send({ kind: "evidence", evidence: [{ ...ownEvidence, isSuspected: true }] });
    expect(suspicions).toEqual([{ upstream: a, evidence: [] }]);
    const question = { kind: "collect-evidence", upstreams: [{ id: "a", since: 90 }] } as const;
    expect([one, two].map(({ received }) => received.at(-1))).toEqual([question, question]);
    one.send({ kind: "evidence", evidence: [{ ...ownEvidence, isSuspected: false }] });
    expect(suspicions).toHaveLength(1);
    const other = { ...seen, waits: [300], lastResponseAt: 50 };
    two.send({ kind: "evidence", evidence: [{ ...other, isSuspected: false }] });
    expect(suspicions.at(-1)?.evidence).toMatchObject([ownEvidence, other]);
    // Old evidence is ignored.
    await time.advance(600);
    one.send({ kind: "evidence", evidence: [{ ...ownEvidence, isSuspected: true }] });
    expect(suspicions.at(-1)?.evidence).toEqual([]);
    // Evidence of a dead worker is not awaited.
    two.exit("SIGKILL");
    await time.advance(0);
    one.send({ kind: "evidence", evidence: [{ ...ownEvidence, isSuspected: true }] });
    expect(suspicions.at(-1)?.evidence).toMatchObject([ownEvidence]);
  });

  test("report an upstream as drained only after all have the new state", async () => {
    const { workers, startListening, report, a, time, config, registry } = setUp();
    const [one, two] = (await startListening()) as [FakeWorker, FakeWorker];
    report(one);
    report(two);
    expect(workers.isDrained(a)).toBe(false);
    registry.pools[0]?.setMode(a, "draining");
    workers.apply(config);
    expect(workers.isDrained(a)).toBe(false);
    await time.advance(10);
    report(one);
    expect(workers.isDrained(a)).toBe(false);
    report(two, 1);
    expect(workers.isDrained(a)).toBe(false);
    report(two);
    expect(workers.isDrained(a)).toBe(true);
  });

  test("that cannot listen prevent the balancer's start, with the system's error code", async () => {
    const { workers, started, time } = setUp();
    const starting = workers.listen();
    await time.advance(0);
    started[0]?.fake.send({ kind: "hello" });
    started[0]?.fake.send({ kind: "failed", code: "EADDRINUSE", message: "taken" });
    expect(starting).rejects.toMatchObject({ code: "EADDRINUSE" });
    await starting.catch(() => {});
    workers.close();
    await time.advance(20_000);
    expect(started).toHaveLength(2);
  });

  test("drain, and are not restarted meanwhile", async () => {
    const { workers, startListening, started, time } = setUp();
    const [one, two] = (await startListening()) as [FakeWorker, FakeWorker];
    const drained = workers.drain();
    expect([one, two].map(({ received }) => received.at(-1)?.kind)).toEqual(["drain", "drain"]);
    one.send({ kind: "drained" });
    two.exit("SIGKILL");
    await drained;
    const ended = workers.end();
    expect(one.received.at(-1)?.kind).toBe("close");
    one.exit("exit 0");
    await ended;
    await time.advance(20_000);
    expect(started).toHaveLength(2);
  });
});

test("a worker that is still starting when a drain begins accepts no clients", async () => {
  const { workers, startListening, started, time, makeReady } = setUp();
  const [one, two] = (await startListening()) as [FakeWorker, FakeWorker];
  one.exit("SIGKILL");
  await time.advance(200);
  const late = started[2]?.fake;
  late?.send({ kind: "hello" });
  const drained = workers.drain();
  two.send({ kind: "drained" });
  await drained;
  if (late) makeReady(late);
  expect(workers.workers.map(({ pid, ready }) => [pid > 0, ready])).toEqual([
    [false, false],
    [true, true],
  ]);
});

test("request records of all workers are collected", async () => {
  const { startListening, requests } = setUp();
  const [one, other] = await startListening();
  const records = [{ requestId: "one" }] as unknown as readonly RequestRecord[];
  one?.send({ kind: "requests", requests: records, isSampled: false });
  other?.send({ kind: "requests", requests: records, isSampled: true });
  expect(requests).toEqual([
    [records, false],
    [records, true],
  ]);
});

describe("challenges of a certificate authority", () => {
  test("are known to every worker before the authority may ask", async () => {
    const { workers, startListening, statesOf, report, challenges, time } = setUp();
    const [one, other] = (await startListening()) as [FakeWorker, FakeWorker];
    report(one);
    report(other);
    challenges.set("a-token-of-an-order", "token.thumbprint");
    let isAnnounced = false;
    const announced = workers.announceChallenges().then(() => (isAnnounced = true));
    for (const worker of [one, other])
      expect(statesOf(worker).at(-1)?.change?.challenges?.http).toEqual([
        ["a-token-of-an-order", "token.thumbprint"],
      ]);
    report(one);
    await time.advance(0);
    expect(isAnnounced).toBe(false);
    report(other);
    await announced;
  });

  test("do not wait for a worker that has exited or hangs", async () => {
    const { workers, startListening, report, challenges, time } = setUp();
    const [one, other] = (await startListening()) as [FakeWorker, FakeWorker];
    report(one);
    report(other);
    challenges.changed();
    const first = workers.announceChallenges();
    report(one);
    other.exit("exit 1");
    await time.advance(0);
    await first;
    challenges.changed();
    let isAnnounced = false;
    void workers.announceChallenges().then(() => (isAnnounced = true));
    await time.advance(4_900);
    expect(isAnnounced).toBe(false);
    await time.advance(200);
    expect(isAnnounced).toBe(true);
  });
});

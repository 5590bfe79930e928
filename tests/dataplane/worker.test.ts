import { expect, test } from "bun:test";

import { engines } from "#runtime";

import { FaultRegistry } from "../../src/fault/fault-registry.ts";
import { PoolRegistry } from "../../src/registry/pool-registry.ts";
import { type FromWorker, perWorkerConfig, type ToWorker } from "../../src/dataplane/messages.ts";
import { StateChanges } from "../../src/dataplane/state-changes.ts";
import { Worker } from "../../src/dataplane/worker.ts";
import { seededRandom } from "../../src/lib/random.ts";
import { configOf } from "../support/configs.ts";
import { FakeTime } from "../support/fake-time.ts";
import { until } from "../support/wait.ts";

const log = { debug() {}, info() {}, warn() {}, error() {} };

function setUp() {
  const { clock, schedule } = new FakeTime();
  const sent: FromWorker[] = [];
  const worker = new Worker({
    ...{ engines, log, clock, schedule, rssBytes: () => 1 },
    send: (message) => void sent.push(structuredClone(message)),
    exit: () => void sent.push({ kind: "drained" }),
    importExtension: () => Promise.reject(new Error("none")),
  });
  const registry = new PoolRegistry({
    ...{ clock, random: seededRandom(1) },
    observer: { outlierChanged() {}, panicChanged() {} },
  });
  const config = perWorkerConfig(configOf("main: a b"), 2, [0]);
  registry.commit(registry.prepare(config));
  const changes = new StateChanges({ registry, faults: new FaultRegistry() });
  changes.next(config);
  const receive = (base: number, revision: number, change = changes.next(config)) => {
    const message: ToWorker = {
      ...{ kind: "state", base, revision, now: 0, viaName: "evenkeel-1", shedding: false },
      worker: { index: 0, count: 2 },
      ...(change && { change }),
    };
    worker.receive(JSON.parse(JSON.stringify(message)));
  };
  const reports = () => sent.flatMap((message) => (message.kind === "report" ? [message] : []));
  const hellos = () => sent.filter(({ kind }) => kind === "hello").length;
  const start = async () => {
    receive(0, 1, changes.all);
    await until(() => reports().length > 0, "the worker to serve");
  };
  const [pool] = registry.pools;
  const [a, b] = pool?.upstreams ?? [];
  if (!pool || !a || !b) throw new Error("no upstream");
  return { worker, sent, changes, receive, reports, hellos, start, pool, a, b };
}

test("a worker that missed a message says hello again, and applies nothing until it has the whole state", async () => {
  const { worker, sent, changes, receive, reports, hellos, start, pool, a, b } = setUp();
  await start();
  expect(hellos()).toBe(1);
  pool.setMode(a, "maintenance");
  receive(1, 2);
  expect(reports().at(-1)?.revision).toBe(2);
  pool.setMode(b, "maintenance");
  // Lost.
  changes.next(configOf("main: a b"));
  pool.setMode(a, "ready");
  receive(3, 4);
  receive(4, 4);
  expect([hellos(), reports().at(-1)?.revision]).toEqual([2, 2]);
  receive(0, 4, changes.all);
  expect([hellos(), reports().at(-1)?.revision]).toEqual([2, 4]);
  receive(4, 4);
  expect(hellos()).toBe(2);
  worker.receive({ kind: "close" });
  await until(() => sent.at(-1)?.kind === "drained", "the worker to end");
});

import { expect, test } from "bun:test";

import { CounterAggregator } from "../../src/dataplane/counter-aggregator.ts";
import { MergedReport } from "../../src/dataplane/merged-report.ts";
import type { WorkerReport } from "../../src/dataplane/messages.ts";
import { ReportBuilder } from "../../src/dataplane/report-builder.ts";
import { seededRandom } from "../../src/lib/random.ts";
import { Metrics } from "../../src/metrics/metrics.ts";
import { Attempt } from "../../src/pool/attempt.ts";
import { completed, failure } from "../../src/pool/outcome.ts";
import { httpResponseClassifier } from "../../src/proxy/response-class.ts";
import { PoolRegistry } from "../../src/registry/pool-registry.ts";
import { configOf } from "../support/configs.ts";

const clock = () => 5_000;
const observer = { outlierChanged() {}, panicChanged() {} };
const own = {
  ...{ revision: 1, active: 0, clients: null, rssBytes: 0 },
  processCounters: {
    ...{ bugs: 0, lostLogLines: 0 },
    ...{ exhausted: {}, handshakesRefused: {}, extensionFailures: {} },
  },
};

function createRegistry(pools: string) {
  const registry = new PoolRegistry({ clock, random: seededRandom(1), observer });
  registry.commit(registry.prepare(configOf(pools)));
  return registry;
}

/** A process that serves, and what it reports. */
function createWorker(pools: string) {
  const registry = createRegistry(pools);
  const metrics = new Metrics(clock);
  const builder = new ReportBuilder(registry, metrics);
  const begin = (id: string) => {
    const found = registry.find(id);
    if (!found) throw new Error(`no ${id}`);
    const attempt = new Attempt(clock, metrics, httpResponseClassifier);
    attempt.start(found.upstream, found.entry.pool);
    return (isGood = true) => {
      if (isGood) attempt.responseStarted(200);
      attempt.end(isGood ? completed : failure("head", "upstream_reset"));
    };
  };
  const report = (isWhole = false): WorkerReport =>
    JSON.parse(JSON.stringify(builder.build(own, isWhole))) as WorkerReport;
  return { registry, metrics, begin, report };
}

const namesIn = ({ upstreams, pools, routes }: WorkerReport) => [
  upstreams.map(({ upstream }) => upstream[0]),
  pools.map(({ name }) => name),
  routes.map(({ route }) => route),
];

test("a report has only the upstreams, pools and routes with which something happened", () => {
  const { metrics, begin, report } = createWorker("main: a b | api: c");
  expect(namesIn(report(true))).toEqual([["a", "b", "c"], ["", "main", "api"], []]);
  expect(namesIn(report())).toEqual([[], [], []]);
  const end = begin("b");
  expect(namesIn(report())).toEqual([["b"], [], []]);
  end();
  metrics.routeEnded("shop", 200, 5);
  expect(namesIn(report())).toEqual([["b"], [], ["shop"]]);
  metrics.retried("api", { reason: "connect" });
  metrics.refused("main", { reason: "queue_full", status: 503 }, 0);
  expect(namesIn(report())).toEqual([[], ["main", "api"], []]);
  for (let i = 0; i < 5; i++) begin("a")(false);
  expect(report().upstreams).toMatchObject([{ verdict: { state: "ejected" }, counts: { requests: 5 } }]);
  metrics.routeRetried("shop", 1);
  metrics.routeRefused("shop");
  expect(namesIn(report())).toEqual([[], [], ["shop"]]);
  expect(namesIn(report())).toEqual([[], [], []]);
  expect(namesIn(report(true))).toEqual([["a", "b", "c"], ["", "main", "api"], ["shop"]]);
});

test("sums of partial reports are those of whole ones, also when a worker exits and when pools change", () => {
  const registry = createRegistry("main: a b");
  const metrics = new Metrics(clock);
  const aggregator = new CounterAggregator({ registry, metrics, clock });
  const workers = [createWorker("main: a b"), createWorker("main: a b")] as const;
  const merged = workers.map(({ report }) => {
    const first = report(true);
    aggregator.reported(first);
    return new MergedReport(first);
  });
  const send = (index: 0 | 1, isWhole = false) => {
    const report = workers[index].report(isWhole);
    merged[index]?.add(report);
    aggregator.reported(report);
  };
  const counted = (living = merged) => {
    aggregator.write(living);
    const of = (id: string) => {
      const found = registry.find(id);
      return found ? metrics.of(found.upstream).requests : undefined;
    };
    const route = metrics.routes.routes.get("shop")?.requests.all;
    return [of("a"), of("b"), metrics.ofPool("main").retries.get("connect"), route];
  };
  workers[0].begin("a")();
  workers[0].metrics.routeEnded("shop", 200, 5);
  send(0);
  expect(counted()).toEqual([1, 0, undefined, 1]);
  workers[1].begin("a")();
  workers[1].begin("b")();
  workers[1].metrics.routeEnded("shop", 200, 5);
  workers[1].metrics.retried("main", { reason: "connect" });
  send(1);
  workers[0].begin("b")();
  send(0);
  expect(counted()).toEqual([2, 2, 1, 2]);
  expect(counted()).toEqual([2, 2, 1, 2]);
  const [one, two] = merged;
  if (!one || !two) throw new Error("no worker");
  expect([one.requests, two.requests]).toEqual([2, 2]);
  aggregator.retire(two);
  expect(counted([one])).toEqual([2, 2, 1, 2]);
  workers[0].begin("a")();
  send(0);
  expect(counted([one])).toEqual([3, 2, 1, 2]);
  registry.commit(registry.prepare(configOf("main: b")));
  workers[0].registry.commit(workers[0].registry.prepare(configOf("main: b")));
  send(0, true);
  expect(counted([one])).toEqual([undefined, 2, 1, 2]);
  expect(one.requests).toBe(1);
});

import { describe, expect, test } from "bun:test";

import { isCommandError } from "../../src/control/control.ts";
import { PoolRegistry } from "../../src/registry/pool-registry.ts";
import { EventLog } from "../../src/control/event-log.ts";
import { FaultInjections, type FaultRequest, parseFaultRequest } from "../../src/control/fault-injections.ts";
import { seededRandom } from "../../src/lib/random.ts";
import { StateChanges } from "../../src/dataplane/state-changes.ts";
import { WorkerState } from "../../src/dataplane/worker-state.ts";
import { openSqlite } from "../../src/state/sqlite-store.ts";
import { configOf } from "../support/configs.ts";
import { FaultRegistry } from "../../src/fault/fault-registry.ts";
import { FakeTime } from "../support/fake-time.ts";

const actor = { by: "ann", reason: "to see it" };

function setUp() {
  const time = new FakeTime();
  const { clock, schedule } = time;
  const store = openSqlite(":memory:");
  const lines: string[] = [];
  const write = (message: string) => void lines.push(message);
  const log = { debug: write, info: write, warn: write, error: write };
  const eventLog = new EventLog({ store, wallClock: () => 1e12 + clock(), schedule, log });
  const random = seededRandom(1);
  const observer = { outlierChanged() {}, panicChanged() {} };
  const config = configOf("main: a b c");
  const createRegistry = () => {
    const registry = new PoolRegistry({ clock, random, observer });
    registry.commit(registry.prepare(config));
    for (const pool of registry.pools) for (const one of pool.upstreams) pool.recordProbe(one, true);
    return registry;
  };
  const registry = createRegistry();
  const active = new FaultRegistry();
  const changes: number[] = [];
  const onChange = () => void changes.push(clock());
  const faults = new FaultInjections({
    faults: active,
    clock,
    schedule,
    random,
    eventLog,
    log,
    onChange,
  });
  const find = (id: string) => {
    const found = registry.find(id);
    if (!found) throw new Error(`no ${id}`);
    return found;
  };
  const events = () =>
    eventLog.events({ limit: 99 }).map(({ kind, upstream, from, to, reason, by, detail }) => {
      return `${kind} ${upstream} ${from} → ${to} (${reason}, ${by}${detail && `: ${detail}`})`;
    });
  return { time, config, active, registry, createRegistry, faults, find, events, lines, changes };
}

const request: FaultRequest = {
  latencyMs: 2_000,
  errorShare: 0.3,
  error: "connect_refused",
  probes: false,
  durationMs: 30_000,
  force: false,
};
const description = "+2 s, 30% connect_refused";

describe("fault injections", () => {
  test("end automatically at their time, with events for the actor and the reason", async () => {
    const { time, active, faults, find, events, lines, changes } = setUp();
    const found = find("a");
    expect(faults.begin(found, request, actor)).toBeUndefined();
    await time.advance(29_999);
    expect(active.get(found.upstream)).toBeDefined();
    await time.advance(1);
    expect(active.get(found.upstream)).toBeUndefined();
    expect(events()).toEqual([
      `rehearsal a none → ${description} (operator, ann: to see it)`,
      `rehearsal a ${description} → none (time_over, balancer)`,
    ]);
    expect(lines).toEqual(["fault injection started", "fault injection stopped"]);
    expect(changes).toEqual([0, 30_000]);
  });

  test("end on command, once, and leave no timer", async () => {
    const { time, faults, find, events } = setUp();
    const { upstream } = find("a");
    faults.begin(find("a"), request, actor);
    expect(faults.end(upstream, "operator", actor)).toBe(true);
    expect(faults.end(upstream, "operator", actor)).toBe(false);
    await time.advance(60_000);
    expect(events()).toHaveLength(2);
  });

  test("are replaced, not combined: the new one has its own end", async () => {
    const { time, active, faults, find } = setUp();
    const { upstream } = find("a");
    faults.begin(find("a"), request, actor);
    await time.advance(20_000);
    faults.begin(find("a"), { ...request, latencyMs: 0 }, actor);
    await time.advance(20_000);
    expect(active.get(upstream)?.spec.latencyMs).toBe(0);
    await time.advance(10_000);
    expect(active.get(upstream)).toBeUndefined();
  });

  test("end all together when the balancer drains", () => {
    const { active, faults, find, events } = setUp();
    faults.begin(find("a"), request, actor);
    faults.begin(find("b"), { ...request, force: true }, actor);
    faults.endAll("draining");
    expect([active.has(find("a").upstream), active.has(find("b").upstream)]).toEqual([false, false]);
    expect(events().slice(2)).toEqual([
      `rehearsal a ${description} → none (draining, balancer)`,
      `rehearsal b ${description} → none (draining, balancer)`,
    ]);
  });

  test("are refused if they are unsafe for the pool, unless forced", () => {
    const { active, faults, find } = setUp();
    faults.begin(find("a"), request, actor);
    expect(faults.begin(find("b"), request, actor)).toMatchObject({
      status: 409,
      reason: "rehearsal_unsafe",
    });
    expect(active.get(find("b").upstream)).toBeUndefined();
    expect(faults.begin(find("b"), { ...request, force: true }, actor)).toBeUndefined();
  });

  test("reach workers with the state, and end there with it", () => {
    const { active, faults, find, registry, createRegistry, config } = setUp();
    const worker = { registry: createRegistry(), faults: new FaultRegistry() };
    const changes = new StateChanges({ registry, faults: active });
    const state = new WorkerState();
    const syncWorker = () => {
      state.adopt(JSON.parse(JSON.stringify(changes.next(config))), false);
      state.applyTo(worker);
    };
    const specInWorker = () => {
      const found = worker.registry.find("a");
      return found && worker.faults.get(found.upstream)?.spec;
    };
    faults.begin(find("a"), request, actor);
    syncWorker();
    expect(specInWorker()).toEqual(active.get(find("a").upstream)?.spec);
    faults.end(find("a").upstream, "operator", actor);
    syncWorker();
    expect(specInWorker()).toBeUndefined();
  });
});

describe("a fault request", () => {
  test("needs an effect and nothing else", () => {
    expect(parseFaultRequest({ errorShare: 0.5 })).toEqual({
      latencyMs: 0,
      errorShare: 0.5,
      error: "connect_refused",
      probes: false,
      force: false,
      durationMs: 30_000,
    });
    expect(parseFaultRequest({})).toMatchObject({ status: 422, reason: "rehearsal_invalid" });
    expect(isCommandError(parseFaultRequest({ probes: true, seconds: 600 }))).toBe(false);
  });

  test("is refused with every problem at once", () => {
    const given = { latencyMs: -1, errorShare: 2, error: "fire", seconds: 601, probes: 1, speed: 3 };
    const refused = parseFaultRequest(given);
    expect("problems" in refused && refused.problems).toEqual([
      "Cannot use speed: unknown key; expected one of latencyMs, errorShare, error, seconds, probes, force (received 3).",
      "Cannot use latencyMs: expected a number from 0 to 30000 (received -1).",
      "Cannot use errorShare: expected a number from 0 to 1 (received 2).",
      "Cannot use seconds: expected a number from 1 to 600 (received 601).",
      expect.stringMatching(/^Cannot use error: expected one of connect_refused, .*\(received "fire"\)\.$/),
      "Cannot use probes: expected true or false (received 1).",
    ]);
  });

  test("rejects invalid numbers", () => {
    expect(parseFaultRequest({ latencyMs: Number.NaN })).toMatchObject({ status: 422 });
    expect(parseFaultRequest({ errorShare: "0.3" })).toMatchObject({ status: 422 });
  });
});

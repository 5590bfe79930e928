import { describe, expect, test } from "bun:test";

import { isCommandError } from "../../src/control/control.ts";
import { PoolRegistry } from "../../src/registry/pool-registry.ts";
import { EventLog } from "../../src/control/event-log.ts";
import { FaultInjections, type FaultRequest, parseFaultRequest } from "../../src/control/fault-injections.ts";
import { seededRandom } from "../../src/lib/random.ts";
import { applyState, stateOf } from "../../src/dataplane/messages.ts";
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
  const say = (message: string) => void lines.push(message);
  const log = { debug: say, info: say, warn: say, error: say };
  const eventLog = new EventLog({ store, wallClock: () => 1e12 + clock(), schedule, log });
  const random = seededRandom(1);
  const observer = { outlierChanged() {}, panicChanged() {} };
  const config = configOf("main: a b c");
  const fleetOf = () => {
    const registry = new PoolRegistry({ clock, random, observer });
    registry.commit(registry.prepare(config));
    for (const pool of registry.pools) for (const one of pool.upstreams) pool.recordProbe(one, true);
    return registry;
  };
  const registry = fleetOf();
  const active = new FaultRegistry();
  const changes: number[] = [];
  const onChange = () => void changes.push(clock());
  const faults = new FaultInjections({
    ...{ faults: active, clock, schedule, random, eventLog, log, onChange },
  });
  const find = (id: string) => {
    const found = registry.find(id);
    if (!found) throw new Error(`no ${id}`);
    return found;
  };
  const told = () =>
    eventLog.events({ limit: 99 }).map(({ kind, upstream, from, to, reason, by, detail }) => {
      return `${kind} ${upstream} ${from} → ${to} (${reason}, ${by}${detail && `: ${detail}`})`;
    });
  return { time, config, active, fleet: registry, fleetOf, rehearsals: faults, find, told, lines, changes };
}

const order: FaultRequest = {
  ...{ latencyMs: 2_000, errorShare: 0.3, error: "connect_refused", probes: false },
  ...{ durationMs: 30_000, force: false },
};
const words = "+2000 ms, 30 % connect_refused";

describe("rehearsals", () => {
  test("end by themselves at their time, and the record says who began them and why", async () => {
    const { time, active, rehearsals: faults, find, told, lines, changes } = setUp();
    const found = find("a");
    expect(faults.begin(found, order, actor)).toBeUndefined();
    await time.advance(29_999);
    expect(active.get(found.upstream)).toBeDefined();
    await time.advance(1);
    expect(active.get(found.upstream)).toBeUndefined();
    expect(told()).toEqual([
      `rehearsal a none → ${words} (operator, ann: to see it)`,
      `rehearsal a ${words} → none (time_over, balancer)`,
    ]);
    expect(lines).toEqual(["fault injection started", "fault injection ended"]);
    expect(changes).toEqual([0, 30_000]);
  });

  test("end by an order, once, and no timer is left", async () => {
    const { time, rehearsals: faults, find, told } = setUp();
    const { upstream } = find("a");
    faults.begin(find("a"), order, actor);
    expect(faults.end(upstream, "operator", actor)).toBe(true);
    expect(faults.end(upstream, "operator", actor)).toBe(false);
    await time.advance(60_000);
    expect(told()).toHaveLength(2);
  });

  test("are replaced, not added up: the new one has its own time", async () => {
    const { time, active, rehearsals: faults, find } = setUp();
    const { upstream } = find("a");
    faults.begin(find("a"), order, actor);
    await time.advance(20_000);
    faults.begin(find("a"), { ...order, latencyMs: 0 }, actor);
    await time.advance(20_000);
    expect(active.get(upstream)?.spec.latencyMs).toBe(0);
    await time.advance(10_000);
    expect(active.get(upstream)).toBeUndefined();
  });

  test("end all together when the balancer drains", () => {
    const { active, rehearsals: faults, find, told } = setUp();
    faults.begin(find("a"), order, actor);
    faults.begin(find("b"), { ...order, force: true }, actor);
    faults.endAll("draining");
    expect([active.has(find("a").upstream), active.has(find("b").upstream)]).toEqual([false, false]);
    expect(told().slice(2)).toEqual([
      `rehearsal a ${words} → none (draining, balancer)`,
      `rehearsal b ${words} → none (draining, balancer)`,
    ]);
  });

  test("are refused where the pool could not bear them, unless by force", () => {
    const { active, rehearsals: faults, find } = setUp();
    faults.begin(find("a"), order, actor);
    expect(faults.begin(find("b"), order, actor)).toMatchObject({
      status: 409,
      reason: "rehearsal_unsafe",
    });
    expect(active.get(find("b").upstream)).toBeUndefined();
    expect(faults.begin(find("b"), { ...order, force: true }, actor)).toBeUndefined();
  });

  test("travel to workers with the state, and leave them with it", () => {
    const { active, rehearsals: faults, find, fleet: registry, fleetOf, config } = setUp();
    const worker = { registry: fleetOf(), faults: new FaultRegistry() };
    const tell = () => applyState(worker, JSON.parse(JSON.stringify(stateOf(config, registry, active))));
    const there = () => {
      const found = worker.registry.find("a");
      return found && worker.faults.get(found.upstream)?.spec;
    };
    faults.begin(find("a"), order, actor);
    tell();
    expect(there()).toEqual(active.get(find("a").upstream)?.spec);
    faults.end(find("a").upstream, "operator", actor);
    tell();
    expect(there()).toBeUndefined();
  });
});

describe("an order to rehearse", () => {
  test("needs an effect and nothing else", () => {
    expect(parseFaultRequest({ errorShare: 0.5 })).toEqual({
      ...{ latencyMs: 0, errorShare: 0.5, error: "connect_refused" },
      ...{ probes: false, force: false, durationMs: 30_000 },
    });
    expect(parseFaultRequest({})).toMatchObject({ status: 422, reason: "rehearsal_invalid" });
    expect(isCommandError(parseFaultRequest({ probes: true, seconds: 600 }))).toBe(false);
  });

  test("is refused with every problem at once", () => {
    const given = { latencyMs: -1, errorShare: 2, error: "fire", seconds: 601, probes: 1, speed: 3 };
    const refused = parseFaultRequest(given);
    expect("problems" in refused && refused.problems).toEqual([
      "Cannot use speed: it must be one of latencyMs, errorShare, error, seconds, probes, force (received 3).",
      "Cannot use latencyMs: it must be a number from 0 to 30000 (received -1).",
      "Cannot use errorShare: it must be a number from 0 to 1 (received 2).",
      "Cannot use seconds: it must be a number from 1 to 600 (received 601).",
      expect.stringMatching(/^Cannot use error: it must be one of connect_refused, .*\(received "fire"\)\.$/),
      "Cannot use probes: it must be true or false (received 1).",
    ]);
  });

  test("takes no number that is none", () => {
    expect(parseFaultRequest({ latencyMs: Number.NaN })).toMatchObject({ status: 422 });
    expect(parseFaultRequest({ errorShare: "0.3" })).toMatchObject({ status: 422 });
  });
});

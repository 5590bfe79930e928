import { describe, expect, test } from "bun:test";
import type { FleetSample } from "../../src/problems/sample.ts";
import { poolOf, SimulatedBalancer } from "./simulated-balancer.ts";

const peer = (name: string, ageMs = 500): FleetSample["peers"][number] => ({
  name,
  ageMs,
  isAlive: ageMs < 3_000,
});

const fleetOf = (...peers: FleetSample["peers"]): FleetSample => ({ alone: null, differing: [], peers });

function fleet(...names: string[]) {
  const balancer = new SimulatedBalancer([poolOf("main", 2)]);
  const all = (ages: Readonly<Record<string, number>> = {}) =>
    fleetOf(...names.map((name) => peer(name, ages[name])));
  balancer.fleet = all();
  return { balancer: balancer.run(5), all };
}

describe("a fleet", () => {
  test("one of four that is not heard is a warning after ten seconds, with the time of its last word", () => {
    const { balancer, all } = fleet("fra-2", "ams-1", "ams-2");
    let ageMs = 3_000;
    const silence = () => (balancer.fleet = all({ "ams-1": (ageMs += 1_000) }));
    balancer.run(10, silence);
    expect(balancer.titles).toEqual([]);
    balancer.run(5, silence);
    // At 14:00:06 it had been silent for 4 s.
    expect(balancer.titles).toEqual(["ams-1 has not been heard since 14:00:02 UTC"]);
    expect(balancer.first).toMatchObject({
      level: "warning",
      hits: { words: expect.stringContaining("3 of 4") },
    });
    balancer.fleet = all();
    balancer.run(30);
    expect(balancer.titles.length).toBe(1);
    balancer.run(2);
    expect(balancer.titles).toEqual([]);
  });

  test("critical when fewer than half are left", () => {
    const { balancer, all } = fleet("b", "c", "d");
    balancer.fleet = all({ b: 9_000, c: 9_000 });
    balancer.run(12);
    expect(balancer.list.open.map(({ level }) => level)).toEqual(["warning", "warning"]);
    balancer.fleet = all({ b: 9_000, c: 9_000, d: 9_000 });
    balancer.run(1);
    expect(balancer.list.open.map(({ level }) => level)).toEqual(["critical", "critical"]);
  });

  test("one that the store has forgotten stays for ten minutes; one that says that it leaves is no problem", () => {
    const { balancer, all } = fleet("b", "c");
    balancer.fleet = all({ b: 20_000 });
    balancer.run(15);
    balancer.fleet = fleetOf(peer("c"));
    balancer.run(590);
    expect(balancer.titles.length).toBe(1);
    balancer.run(20);
    expect(balancer.titles).toEqual([]);
    expect(balancer.list.closed[0]?.end?.words).toContain("not in the fleet any more");
    balancer.fleet = fleetOf();
    balancer.run(60);
    expect(balancer.titles).toEqual([]);
  });

  test("without its store it hears no other one, which says nothing of the others", () => {
    const { balancer, all } = fleet("b", "c");
    const since = balancer.at;
    balancer.fleet = { ...all({ b: 9_000, c: 9_000 }), alone: { since, why: "connection refused" } };
    balancer.run(30);
    expect(balancer.titles).toEqual(["The store of the fleet cannot be reached: connection refused"]);
    balancer.fleet = all();
    balancer.run(12);
    expect(balancer.titles).toEqual([]);
  });

  test("another configuration is a problem after a minute, and a part of the reload that was refused here", () => {
    const { balancer, all } = fleet("b", "c");
    balancer.fleet = { ...all(), differing: ["b"] };
    balancer.run(59);
    expect(balancer.titles).toEqual([]);
    balancer.run(3);
    expect(balancer.titles).toEqual(["b is configured in another way than this balancer"]);
    balancer.refused = { at: balancer.at, by: "watch", problems: ["Cannot read the file."] };
    balancer.run(2);
    expect(balancer.titles).toEqual(["The configuration was refused: Cannot read the file"]);
    expect(balancer.first.parts.map(({ kind }) => kind)).toEqual(["fleet_differs"]);
  });
});

/** The rule by which one balancer of a fleet tells what several see: by cases, and with 800 random schedules. */

import { describe, expect, test } from "bun:test";

import { seededRandom } from "../../src/lib/random.ts";
import { AlertFleet } from "../support/alert-fleet.ts";
import { receiverOf } from "../support/alerts.ts";
import { closed, problemOf, withLevel } from "../support/problems.ts";

const seenAt = (name: string) => problemOf(`p-${name}`, { level: "warning" });

/** All of these see it from now on, in one second. */
function see(fleet: AlertFleet, ...names: string[]): void {
  for (const name of names) fleet.get(name).open = [seenAt(name)];
}

function end(fleet: AlertFleet, ...names: string[]): void {
  for (const name of names) {
    const member = fleet.get(name);
    member.closed = member.open.map(closed);
    member.open = [];
  }
}

describe("a problem that three balancers see", () => {
  const three = () => new AlertFleet(["a", "b", "c"]).run(3);

  test("is told once, by the first that reports it, and its end by the same one", () => {
    const fleet = three();
    see(fleet, "a", "b", "c");
    fleet.run(5);
    expect(fleet.alerts).toEqual(["opened a/p-a/1 by a"]);
    end(fleet, "a");
    fleet.run(5);
    expect(fleet.alerts).toHaveLength(1);
    end(fleet, "b", "c");
    fleet.run(5);
    expect(fleet.alerts).toEqual(["opened a/p-a/1 by a", "closed a/p-a/2 by a"]);
  });

  test("is told by the one that sees it before the others do, whatever its name", () => {
    const fleet = three();
    see(fleet, "c");
    fleet.run(3);
    see(fleet, "a", "b");
    fleet.run(3);
    expect(fleet.alerts).toEqual(["opened c/p-c/1 by c"]);
  });

  test("gets worse at another one: that one tells it, under the same key, and then its end", () => {
    const fleet = three();
    see(fleet, "a", "b");
    fleet.run(3);
    fleet.get("b").open = [withLevel(seenAt("b"), "critical")];
    fleet.run(3);
    fleet.get("a").open = [withLevel(seenAt("a"), "critical")];
    fleet.run(3);
    end(fleet, "a", "b");
    fleet.run(3);
    expect(fleet.alerts).toEqual(["opened a/p-a/1 by a", "worse a/p-a/2 by b", "closed a/p-a/3 by b"]);
  });

  test("comes back within ten minutes, at another one: the key goes on", () => {
    const fleet = three();
    see(fleet, "a");
    fleet.run(3);
    end(fleet, "a");
    fleet.run(3);
    see(fleet, "b");
    fleet.run(3);
    expect(fleet.alerts.at(-1)).toBe("opened a/p-a/3 by b");
  });

  test("whose sender dies is closed by another one, whose number looks like no repetition", () => {
    const fleet = three();
    see(fleet, "a", "b", "c");
    fleet.run(3);
    fleet.get("a").isDead = true;
    fleet.run(10);
    expect(fleet.alerts).toEqual(["opened a/p-a/1 by a"]);
    end(fleet, "c");
    fleet.run(5);
    end(fleet, "b");
    fleet.run(5);
    expect(fleet.alerts).toEqual(["opened a/p-a/1 by a", "closed a/p-a/3 by b"]);
  });

  test("is told by the next one if the first dies before it has told it", () => {
    const fleet = three();
    see(fleet, "a", "b", "c");
    for (const name of ["a", "b", "c"]) fleet.get(name).exchange();
    fleet.get("a").isDead = true;
    fleet.run(10);
    expect(fleet.alerts).toEqual(["opened b/p-b/1 by b"]);
  });

  test("that only the dead one saw is closed after a minute; when it is back before, it goes on itself", () => {
    const fleet = three();
    see(fleet, "a");
    fleet.run(3);
    fleet.get("a").isDead = true;
    fleet.run(40);
    fleet.get("a").restart();
    fleet.run(40);
    expect(fleet.alerts).toEqual(["opened a/p-a/1 by a"]);
    fleet.get("a").isDead = true;
    fleet.run(70);
    expect(fleet.alerts).toEqual(["opened a/p-a/1 by a", "closed a/p-a/3 by b"]);
  });

  test("is told by each when the store is away, unless they know that it was told", () => {
    const fleet = three();
    see(fleet, "a", "b", "c");
    fleet.run(3);
    fleet.isStoreThere = false;
    fleet.run(20);
    expect(fleet.alerts).toEqual(["opened a/p-a/1 by a"]);
    end(fleet, "a", "b", "c");
    fleet.run(3);
    expect(fleet.alerts).toEqual(["opened a/p-a/1 by a", "closed a/p-a/2 by a"]);
    const other = new AlertFleet(["a", "b"]).run(3);
    other.isStoreThere = false;
    see(other, "a", "b");
    other.run(10);
    expect(other.alerts).toEqual(["opened a/p-a/1 by a", "opened b/p-b/1 by b"]);
    other.isStoreThere = true;
    other.run(3);
    end(other, "a", "b");
    other.run(3);
    expect(other.alerts.slice(2).sort()).toEqual(["closed a/p-a/2 by a", "closed b/p-b/2 by b"]);
  });

  test("is not told by one that was frozen, and finds the time over when it goes on", () => {
    const fleet = three();
    see(fleet, "a", "b");
    for (const name of ["a", "b", "c"]) fleet.get(name).exchange();
    const a = fleet.get("a");
    a.isDead = true;
    fleet.run(10);
    a.isDead = false;
    // Its first turn comes before it hears the others again.
    a.advance();
    fleet.run(3);
    expect(fleet.alerts).toEqual(["opened b/p-b/1 by b"]);
  });

  test("is told to a receiver of critical ones by the balancer where it is critical", () => {
    const fleet = new AlertFleet(["a", "b"], [receiverOf("http://r/", { level: "critical" })]).run(3);
    see(fleet, "a");
    fleet.get("b").open = [withLevel(seenAt("b"), "critical")];
    fleet.run(3);
    expect(fleet.alerts).toEqual(["opened b/p-b/1 by b"]);
  });

  test("is told only by a balancer that has the receiver", () => {
    const fleet = three();
    fleet.get("a").receivers = [];
    see(fleet, "a", "b");
    fleet.run(3);
    expect(fleet.alerts).toEqual(["opened b/p-b/1 by b"]);
  });

  test("is not told beside the problem of its pool that another one has told", () => {
    const fleet = three();
    const part = problemOf("p-b", { kind: "upstream_down", level: "warning" });
    const { id, kind, level, title, since } = part;
    fleet.get("a").open = [
      problemOf("p-a", {
        kind: "pool_empty",
        subject: { ...part.subject, upstream: null },
        parts: [{ id, kind, level, title, since, upstream: part.subject.upstream }],
      }),
    ];
    fleet.run(2);
    fleet.get("b").open = [part];
    fleet.run(5);
    expect(fleet.alerts).toEqual(["opened a/p-a/1 by a"]);
  });

  test("is told by the next one when the first has begun again, and waits for its turn like all others", () => {
    const fleet = three();
    see(fleet, "a", "b");
    fleet.get("a").exchange();
    fleet.get("b").exchange();
    fleet.now += 100;
    fleet.get("a").restart();
    fleet.run(5);
    expect(fleet.alerts).toEqual(["opened b/p-b/1 by b"]);
  });

  test("of a balancer itself is told by each", () => {
    const fleet = three();
    for (const name of ["a", "b"])
      fleet.get(name).open = [
        problemOf(`p-${name}`, {
          kind: "state_not_kept",
          subject: {
            balancer: name,
            pool: null,
            upstream: null,
            certificate: null,
            peer: null,
            address: null,
          },
        }),
      ];
    fleet.run(3);
    expect(fleet.alerts).toEqual(["opened a/p-a/1 by a", "opened b/p-b/1 by b"]);
  });
});

describe("800 random schedules", () => {
  interface Run {
    readonly alerts: readonly string[];
    /** Whether the others knew, when one died, what that one had told. */
    readonly isShared: boolean;
    /** Whether that one sees the problem longer than the others. */
    readonly isLast: boolean;
  }

  /** Each sees the problem for some time, and has its turns at times of its own. One may die, or begin again. */
  function run(seed: number, fate: "lives" | "dies" | "restarts"): Run {
    const random = seededRandom(seed);
    const names = ["a", "b", "c"];
    const fleet = new AlertFleet(names).run(2);
    const plans = names.map((name) => {
      const [seenFrom, exchange, advance] = [random() * 6_000, random() * 1_000, random() * 1_000];
      return { name, seenFrom, seenTo: 15_000 + random() * 8_000, exchange, advance };
    });
    const dying = names[Math.floor(random() * 3)] ?? "a";
    const diesAt = random() * 20_000;
    const startedAt = fleet.now;
    let isShared = true;
    for (let time = 0; time < 100_000; time += 50) {
      fleet.now = startedAt + time;
      if (fate !== "lives" && time >= diesAt && time < diesAt + 50) {
        const told = fleet.alerts.filter((alert) => alert.endsWith(`by ${dying}`)).length;
        const shared = fleet.reports.get(dying)?.alerts.told.filter(({ by }) => by === dying) ?? [];
        isShared = told === 0 || shared.some(({ number }) => number === told);
        fleet.get(dying).isDead = true;
      }
      if (fate === "restarts" && time >= diesAt + 5_000 && fleet.get(dying).isDead)
        fleet.get(dying).restart();
      for (const plan of plans) {
        const member = fleet.get(plan.name);
        if (time >= plan.seenFrom && time < plan.seenTo && member.open.length === 0) see(fleet, plan.name);
        if (time >= plan.seenTo && member.open.length > 0) end(fleet, plan.name);
        const isDue = (phase: number) =>
          Math.floor((time - phase) / 1_000) !== Math.floor((time - phase - 50) / 1_000);
        if (isDue(plan.exchange)) member.exchange();
        if (isDue(plan.advance)) member.advance();
      }
    }
    const last = plans.toSorted((one, other) => other.seenTo - one.seenTo)[0];
    return { alerts: fleet.alerts, isShared, isLast: last?.name === dying };
  }

  const words = ({ alerts }: Run) => alerts.map((alert) => alert.split(" ")[0]).join(" ");

  test("of three that live: one opening, one closing", () => {
    for (let seed = 1; seed <= 300; seed++)
      expect(`${seed}: ${words(run(seed, "lives"))}`).toBe(`${seed}: opened closed`);
  });

  test("where one dies: the same, but for what it could not share any more", () => {
    for (let seed = 1; seed <= 300; seed++) {
      const found = run(seed, "dies");
      if (found.isShared) expect(`${seed}: ${words(found)}`).toBe(`${seed}: opened closed`);
      else expect(found.alerts.length).toBeLessThanOrEqual(3);
    }
  });

  /** Where it comes back in the second in which another one takes its place, both may tell the end. */
  test("where one begins again: one opening, and it may bring the problem back when it sees it longer", () => {
    for (let seed = 1; seed <= 200; seed++) {
      const found = run(seed, "restarts");
      const expected = found.isLast
        ? /: opened closed( closed| opened closed)?$/
        : /: opened closed( closed)?$/;
      if (found.isShared) expect(`${seed}: ${words(found)}`).toMatch(expected);
    }
  });
});

import { describe, expect, test } from "bun:test";
import type { ServiceProblem } from "../../src/problems/problem.ts";
import { parseInput } from "../cli/fake.ts";
import { poolOf, SimulatedBalancer } from "./simulated-balancer.ts";

/** A balancer with every kind of problem that a sample can show, one pool for each. */
function everything(): SimulatedBalancer {
  const names = [
    "down",
    "errors",
    "slow",
    "flaps",
    "stall",
    "empty",
    "panic",
    "queue",
    "all",
    "lame",
    "spent",
    "grp",
  ];
  const pools = new Map(names.map((name) => [name, poolOf(name, name === "slow" ? 16 : 6)]));
  const pool = (name: string) => pools.get(name) ?? poolOf(name, 1);
  pool("lame").usual = { p95Ms: 20, errorShare: 0, perSecond: 100, peakPerSecond: 900 };
  const balancer = new SimulatedBalancer([...pools.values()]).run(5);
  pool("down").upstream(1).kill();
  pool("errors").upstream(1).errorShare = 0.4;
  pool("slow").upstream(1).p95Ms = 900;
  pool("slow").upstream(1).weight = 10;
  pool("flaps").upstream(1).probeHistory = "+-".repeat(30);
  pool("stall").upstream(1).isStarting = true;
  for (const upstream of pool("empty").upstreams) upstream.kill();
  Object.assign(pool("empty").upstream(1), { status: "maintenance", probePassed: true });
  pool("panic").isPanicking = true;
  pool("queue").queued = 900;
  for (const upstream of pool("all").upstreams) upstream.errorShare = 0.3;
  pool("lame").p95Ms = 900;
  pool("spent").budgetRefusalsPerSecond = 4;
  for (const number of [1, 2, 3]) pool("grp").upstream(number).kill();
  balancer.memory = { rssBytes: 9, limitBytes: 9, shedding: true };
  balancer.exhaustion = { code: "EMFILE", failures: 4 };
  balancer.notKept = { since: balancer.at, why: "disk is full" };
  balancer.refused = { at: balancer.at, by: "ann", problems: ["Cannot."] };
  balancer.certificates = [
    { host: "a.example", source: "a.pem", stage: 7, validFrom: 0, expiresAt: balancer.at, isManaged: false },
  ];
  balancer.orders = [{ host: "b.example", isPlaceholder: true, failures: 2, detail: "no" }];
  balancer.fleet = {
    alone: null,
    differing: ["c"],
    peers: [{ name: "b", isAlive: false, ageMs: 9_000 }],
  };
  return balancer.run(240, () => (balancer.lostLines += 1));
}

const problems = everything().list.open;

/** A command line as a shell would split it. */
const wordsOf = (command: string) =>
  [...command.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? "");

describe("what to do", () => {
  test("is said for every kind", () => {
    // All but a fleet without its store, and another configuration, which is a part of the refused one.
    expect(new Set(problems.map(({ kind }) => kind)).size).toBe(18);
    for (const { do: advice, cause, title, hits } of problems)
      for (const words of [advice.words, advice.label, cause.words, title, hits.words])
        expect(words).not.toBe("");
  });

  test("names commands that exist, with arguments that they accept", () => {
    const commands = problems.flatMap(({ do: { command, beside } }: ServiceProblem) =>
      [command, beside?.command ?? null].filter((each) => each !== null),
    );
    expect(commands.length).toBeGreaterThan(15);
    for (const command of commands) {
      const [program, ...words] = wordsOf(command);
      expect(program).toBe("evenkeel");
      const parsed = parseInput({
        argv: words,
        files: { "evenkeel.yaml": "pools: { a: { upstreams: [http://a] } }" },
      });
      expect([command, parsed.kind === "invalid" ? parsed.problems : []]).toEqual([command, []]);
    }
  });

  test("quotes names that a shell would take apart", () => {
    const pool = poolOf("it's [a]; rm", 4);
    pool.upstream(1).errorShare = 0.5;
    const { command } = new SimulatedBalancer([pool]).run(60).first.do;
    expect(command).toContain(`evenkeel drain 'it'\\''s [a]; rm-01' --wait 30s`);
  });

  test("titles have one sentence, without a full stop and without control characters", () => {
    for (const { title } of problems) {
      expect(title).not.toMatch(/[.!]$/);
      expect(title.length).toBeLessThan(140);
    }
    const pool = poolOf("web", 3);
    Object.assign(pool.upstream(1), { status: "failing", probeDetail: `x\u001b[31m\n${"y".repeat(500)}` });
    const { title, cause } = new SimulatedBalancer([pool]).run(1).first;
    for (const words of [title, cause.words]) {
      expect(words).not.toMatch(/\p{Cc}/u);
      expect(words.length).toBeLessThan(200);
    }
  });
});

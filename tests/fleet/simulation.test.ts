import { describe, expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import type { reconcile } from "../../src/fleet/reconcile.ts";
import { temporaryFolder } from "../support/folder.ts";
import { FleetSimulation } from "./fleet-simulation.ts";

const steps = 40;

/** Problems of the first schedule that has some. */
function firstProblems(schedules: number, rules?: typeof reconcile): readonly string[] {
  for (let seed = 1; seed <= schedules; seed++) {
    const problems = new FleetSimulation(seed, rules).run(steps);
    if (problems.length > 0) return [`seed ${seed}`, ...problems];
  }
  return [];
}

test(
  "10,000 random schedules of orders and faults lose no order and bring none back",
  () => expect(firstProblems(10_000)).toEqual([]),
  180_000,
);

/** Changes of the rules, each of which does harm: as text, so that the rules themselves have no switch for it. */
const mutants: Readonly<Record<string, readonly [from: string, to: string, harm: RegExp]>> = {
  "not to see that the store has lost something": [
    "const isLost = !shared.isContinued || shared.damaged.has(key);",
    "const isLost = false;",
    /vanished/,
  ],
  "to let the own order win always": [
    "write(key, isMoreCareful ? withAside(own, theirs) : withAside(theirs, own));",
    "write(key, own);",
    /vanished/,
  ],
  "to let the own order win, and to say so": [
    "carefulness(own.order) > carefulness(theirs.order)",
    "true",
    /gave way/,
  ],
  "not to see that theirs came after mine": ["|| theirs.past.includes(own.id)", "", /came back|differ/],
  "not to see that mine came after theirs": [
    "= own.past.includes(theirs.id)",
    "= false",
    /came back|vanished|gave way/,
  ],
  "to set aside in silence": ["withAside(theirs, own)", "theirs", /vanished/],
  "to overwrite in silence": ["withAside(own, theirs)", "own", /vanished/],
  "to forget what only theirs knew": ["withPastOf(own, theirs)", "own", /vanished|came back/],
  "to forget what only mine knew": ["withPastOf(theirs, own)", "theirs", /vanished|came back/],
  "to drop what is pending": ["!isPending && !isLost", "!isLost", /vanished/],
};

describe("the simulation notices rules that forget", () => {
  const folder = temporaryFolder("mutants");
  const path = join(import.meta.dirname, "../../src/fleet/reconcile.ts");
  const source = readFileSync(path, "utf8").replaceAll(
    /from "(\.[^"]+)"/g,
    (_, name: string) => `from ${JSON.stringify(join(path, "..", name))}`,
  );
  test.each(Object.entries(mutants))("%s", async (name, [from, to, harm]) => {
    expect(source.split(from)).toHaveLength(2);
    const file = folder(`${name.replaceAll(" ", "-")}.ts`);
    writeFileSync(file, source.replace(from, to));
    const mutant = (await import(file)) as { reconcile: typeof reconcile };
    expect(firstProblems(10_000, mutant.reconcile).join("\n")).toMatch(harm);
  });
});

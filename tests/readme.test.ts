import { expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

import manifest from "../package.json" with { type: "json" };
import { balancerFlags } from "../src/cli/flags.ts";
import { policyNames } from "../src/policy/policies.ts";
import { fetchExceptions } from "./engine/fetch/exceptions.ts";

const root = join(import.meta.dirname, "..");
const readme = readFileSync(join(root, "README.md"), "utf8");

test("the README's table of the fetch engine's limits is the list of its exceptions", () => {
  const table = readme.split(/^\| what a proxy should do +\|/m)[1]?.split("\n\n")[0] ?? "";
  const rows = table
    .split("\n")
    .slice(2)
    .map((line) => line.split("|").map((cell) => cell.trim()));
  expect(Object.fromEntries(rows.map(([, law = "", why = ""]) => [law, why]))).toEqual(fetchExceptions);
});

test("the README names every flag and variable of the balancer, and every policy", () => {
  for (const { name, variable } of balancerFlags) {
    if (name) expect(readme).toContain(name);
    expect(readme).toContain(variable);
  }
  for (const name of policyNames) expect(readme).toContain(`\`${name}\``);
});

test("the README's scripts and files exist", () => {
  for (const [, script = ""] of readme.matchAll(/npm run ([a-z]+)/g))
    expect(manifest.scripts).toHaveProperty(script);
  for (const [, file = ""] of readme.matchAll(/\]\(([\w/.]+)\)/g))
    expect(existsSync(join(root, file))).toBe(true);
});

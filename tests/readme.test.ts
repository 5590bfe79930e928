import { expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";

import manifest from "../package.json" with { type: "json" };
import { enginesFile, enginesPage } from "../scripts/engine-docs.ts";
import { commands } from "../src/cli/program.ts";
import { editorSchema } from "../src/config/schema.ts";
import { policyNames } from "../src/policy/policies.ts";
import { fetchExceptions } from "./engine/fetch/exceptions.ts";

const root = join(import.meta.dirname, "..");
const read = (file: string) => readFileSync(join(root, file), "utf8");
const readme = read("README.md");
const docs = readdirSync(join(root, "docs"))
  .filter((name) => name.endsWith(".md"))
  .map((name) => `docs/${name}`);
/** Hand-written pages, to which the style rules apply. */
const pages = [
  "README.md",
  "CHANGELOG.md",
  "SECURITY.md",
  ...docs.filter((name) => name !== "docs/metrics.md"),
];
/** The page without code blocks, which contain neither prose nor links. */
const proseOf = (page: string) => read(page).replace(/^```.*?^```/gms, "");

test("the table of the fetch engine's limits is the list of its exceptions: run bun scripts/engine-docs.ts", () => {
  const page = readFileSync(enginesFile, "utf8");
  expect(page).toBe(enginesPage(page));
  for (const [law, why] of Object.entries(fetchExceptions)) {
    expect(page).toContain(law);
    expect(page).toContain(why);
  }
});

test("the README has at most 2,000 words", () =>
  expect(readme.split(/\s+/).filter(Boolean).length).toBeLessThanOrEqual(2_000));

test("the README names every flag and variable, and every policy", () => {
  for (const { name, variable } of Object.values(commands).flatMap((command) => command.flags)) {
    if (name) expect(readme).toContain(`\`${name}\``);
    expect(readme).toContain(`\`${variable}\``);
  }
  for (const name of policyNames) expect(readme).toContain(`\`${name}\``);
});

test("the README's table of settings has the numbers and times that the help shows as defaults", () => {
  for (const { name, fallback } of commands.proxy.flags) {
    if (name === undefined || fallback === undefined || !/^\d+[a-z]*$/.test(fallback)) continue;
    const row = readme.split("\n").find((line) => line.startsWith("|") && line.includes(`\`${name}\``));
    expect(`${name}: ${row?.split("|")[3] ?? ""}`).toContain(fallback);
  }
});

test("the pages of operators name every command, and every setting of the configuration file", () => {
  const pages = ["operations", "routing", "discovery", "fleet", "alerts"];
  const operations = pages.map((page) => read(`docs/${page}.md`)).join("\n");
  const isNamed = (pattern: string) => new RegExp(pattern).test(operations);
  expect(Object.keys(commands).filter((name) => !isNamed(`\`${name}\\b`))).toEqual([]);
  expect([...settingsIn(editorSchema())].filter((key) => !isNamed(`[\`.]${key}\``))).toEqual([]);
});

/** Keys on every level of the schema. */
function settingsIn(schema: unknown): ReadonlySet<string> {
  const found = new Set<string>();
  const visit = (part: unknown): void => {
    if (typeof part !== "object" || part === null) return;
    for (const [name, inner] of Object.entries(part)) {
      if (name === "properties") for (const key of Object.keys(inner as object)) found.add(key);
      visit(inner);
    }
  };
  visit(schema);
  return new Set([...found].filter((key) => !documentedElsewhere.has(key)));
}

/** `$schema` is for editors; accounts and certificates appear in examples; maps appear in the keys inside them. */
const documentedElsewhere = new Set([
  ...["$schema", "pools", "ca", "role", "passwordHash", "tokenHash"],
  ...["listen", "admin", "dashboard", "routes", "upstreams", "clientTimeouts", "accessLog", "tracing"],
  ...["retryBudget", "queue", "probe", "outlier", "timeouts", "upstreamTls"],
]);

test("every script that a page names exists", () => {
  for (const page of [...pages, "CONTRIBUTING.md"]) {
    for (const [, script = ""] of read(page).matchAll(/npm run ([a-z]+)/g))
      expect(`${page}: ${Object.hasOwn(manifest.scripts, script) ? "" : script}`).toBe(`${page}: `);
  }
});

test("every file of this project that a page names exists", () => {
  for (const page of pages) {
    for (const [, file = ""] of read(page).matchAll(
      /`(?:bun )?((?:src|tests|scripts|docs|public)\/[\w./-]+\.\w+)`/g,
    ))
      expect(`${page}: ${existsSync(join(root, file)) ? "" : file}`).toBe(`${page}: `);
  }
});

test("every link leads to a file, and to a heading of it", () => {
  for (const page of [...pages, "docs/metrics.md"]) {
    for (const [, target = ""] of proseOf(page).matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^https?:/.test(target)) continue;
      const [path = "", anchor] = target.split("#");
      const file = path === "" ? page : normalize(join(dirname(page), path));
      expect(`${page}: ${existsSync(join(root, file)) ? "" : target}`).toBe(`${page}: `);
      if (anchor === undefined) continue;
      expect(`${page}: ${anchorsOf(file).has(anchor) ? "" : target}`).toBe(`${page}: `);
    }
  }
});

test("the README links to every page", () => {
  for (const page of docs) expect(readme).toContain(`](${page})`);
});

/** Anchors of headings: lower case, no punctuation, hyphens for spaces. */
function anchorsOf(file: string): ReadonlySet<string> {
  const headings = [...proseOf(file).matchAll(/^#+ (.+)$/gm)].map(([, text = ""]) => text);
  return new Set(
    headings.map((text) =>
      text
        .toLowerCase()
        .replace(/[^\p{L}\p{N} _-]/gu, "")
        .replaceAll(" ", "-"),
    ),
  );
}

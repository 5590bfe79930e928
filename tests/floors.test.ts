import { describe, expect, test } from "bun:test";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join, normalize, relative } from "node:path";

const src = join(import.meta.dirname, "../src");

/** Floor and family of a source file; files of one family may import each other, siblings on a floor may not. */
function placeOf(file: string): { floor: number; family: string } {
  const [top = "", ...rest] = file.split("/");
  if (rest.length === 0) {
    const floor: Record<string, number> = {
      "main.ts": 7,
      "cli.ts": 7,
      "assembly.ts": 5,
      "balancer.ts": 5,
      "detail.ts": 5,
      "snapshot.ts": 5,
    };
    const known = floor[top];
    if (known === undefined) throw new Error(`${file} has no floor: add it to the plan`);
    return { floor: known, family: known === 7 ? "process" : "composition" };
  }
  if (file === "runtime/runtime.ts" || top === "lib") return { floor: 0, family: top };
  if (["runtime", "cli", "commands"].includes(top)) return { floor: 7, family: "process" };
  if (file === "engine/engine.ts") return { floor: 4, family: "engine" };
  if (top === "engine") return { floor: 4, family: `engine/${rest[0]}` };
  if (["config", "control", "history", "picture", "plane", "requests", "telemetry"].includes(top))
    return { floor: 5, family: "composition" };
  const floors: Record<string, number> = {
    pool: 1, policy: 2, proxy: 3, probe: 3, state: 3, metrics: 3, access: 3, admin: 6, dashboard: 6, backend: 6,
  }; // prettier-ignore
  const floor = floors[top];
  if (floor === undefined) throw new Error(`${file} has no floor: add it to the plan`);
  return { floor, family: top };
}

function filesBelow(folder: string): string[] {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    if (statSync(path).isDirectory()) return filesBelow(path);
    return /\.tsx?$/.test(name) ? [relative(src, path)] : [];
  });
}

const files = filesBelow(src).map((file) => ({ file, text: readFileSync(join(src, file), "utf8") }));

/** Import specifiers from the source text: a parser of the runtime would drop imports of types. */
function importsOf(text: string): string[] {
  return [
    ...text.matchAll(
      /^\s*(?:import|export)\b[^"';]*?\bfrom\s+"([^"]+)"|^\s*import\s+"([^"]+)"|\bimport\("([^"]+)"\)/gm,
    ),
  ].map((match) => match[1] ?? match[2] ?? match[3] ?? "");
}

/** Source without comments, so that prose may name what code may not. */
function codeOf(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/(^|[^:"'`])\/\/.*$/gm, "$1");
}

const mayUse = (allowed: RegExp, pattern: RegExp) =>
  files.filter(({ file, text }) => !allowed.test(file) && pattern.test(codeOf(text))).map(({ file }) => file);

describe("the house", () => {
  test("has files", () => expect(files.length).toBeGreaterThan(20));

  test("imports point down only, and siblings do not import each other", () => {
    const wrong: string[] = [];
    for (const { file, text } of files) {
      const from = placeOf(file);
      for (const specifier of importsOf(text)) {
        if (!specifier.startsWith(".")) continue;
        const target = normalize(join(dirname(file), specifier));
        if (target.startsWith("..")) continue;
        const to = placeOf(target);
        const sameFamily = from.family === to.family;
        const engineInterface = from.floor === 4 && target === "engine/engine.ts";
        if (!sameFamily && !engineInterface && to.floor >= from.floor) wrong.push(`${file} → ${target}`);
      }
    }
    expect(wrong).toEqual([]);
  });

  test("elysia is only on floor 6", () => {
    const wrong = files.filter(
      ({ file, text }) => placeOf(file).floor !== 6 && importsOf(text).some((name) => /^@?elysia/.test(name)),
    );
    expect(wrong.map(({ file }) => file)).toEqual([]);
  });

  test("Bun and Deno are named only in the runtime and in engine files named for them", () =>
    expect(mayUse(/^runtime\/|^engine\/.*\b(bun|deno)\.ts$/, /\b(Bun|Deno)\./)).toEqual([]));

  test("clocks, timers and randomness come only through lib", () =>
    expect(
      mayUse(/^lib\//, /\b(performance\.now|Date\.now|Math\.random|setTimeout|setInterval)\b|new Date\(\)/),
    ).toEqual([]));

  test("console is used only in lib/log and cli", () =>
    expect(mayUse(/^lib\/log\.ts$|^cli\.ts$/, /\bconsole\./)).toEqual([]));

  test("process, argv and signals belong to main and the runtime", () =>
    expect(mayUse(/^main\.ts$|^runtime\//, /\bprocess\./)).toEqual([]));

  test("there is no any, no default export, no barrel", () => {
    expect(mayUse(/^$/, /[:<,|&]\s*any\b|\bas any\b/)).toEqual([]);
    expect(mayUse(/^$/, /^export default/m)).toEqual([]);
    expect(mayUse(/^$/, /^export \* from/m)).toEqual([]);
  });

  test("every file opens with a sentence that says what lives here", () => {
    const silent = files.filter(({ text }) => !text.replace(/^(#!.*|\/\/\/.*)\n/, "").startsWith("/** "));
    expect(silent.map(({ file }) => file)).toEqual([]);
  });

  test("no file is longer than 400 lines, no policy than 40", () => {
    const limit = (file: string) => (file.startsWith("policy/") && file !== "policy/policies.ts" ? 40 : 400);
    const long = files.filter(({ file, text }) => text.split("\n").length - 1 > limit(file));
    expect(long.map(({ file }) => file)).toEqual([]);
  });
});

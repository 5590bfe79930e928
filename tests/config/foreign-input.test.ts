/** What a configuration file costs that has as many faults as fit into it. */

import { describe, expect, test } from "bun:test";
import { loadConfig } from "../../src/config/load.ts";
import { describeConfigError } from "../../src/config/problem.ts";
import { hasMoreMarks, readFileText } from "../../src/config/yaml-file.ts";

function read(text: string, files: Readonly<Record<string, string>> = {}) {
  const opened: string[] = [];
  const result = loadConfig({
    values: [],
    file: readFileText(text, "posted.yaml"),
    read: (path) => (opened.push(path), files[path]),
    defaultState: ":memory:",
    purpose: "check",
  });
  return { result, opened };
}

function linesOf(text: string): readonly string[] {
  const { result } = read(text);
  return result.kind === "invalid" ? describeConfigError(result).split("\n") : [];
}

const repeat = (count: number, head: string, line: (index: number) => string) =>
  head + Array.from({ length: count }, (_, i) => line(i)).join("");

/** Each makes a file of this many faults. */
const faults: Readonly<Record<string, (count: number) => string>> = {
  "unknown keys": (count) => repeat(count, "", (i) => `k${i}: 1\n`),
  "one key again and again": (count) => repeat(count, "", () => "engine: wire\n"),
  "pools that are no maps": (count) => repeat(count, "pools:\n", (i) => `  p${i}: 1\n`),
  "upstreams of one name": (count) =>
    repeat(count, "pools:\n  a:\n    upstreams:\n", () => "    - http://a:80\n"),
  "upstreams that are one alias": (count) =>
    repeat(count, "pools:\n  a:\n    upstreams:\n    - &a http://a:80\n", () => "    - *a\n"),
  "misspelt keys of upstreams": (count) =>
    repeat(count, "pools:\n  a:\n    upstreams:\n", (i) => `    - {url: "http://a${i}", wieght: 1}\n`),
  "routes to unknown pools": (count) =>
    repeat(count, "pools:\n", (i) => `  p${i}: {upstreams: [http://a${i}]}\n`) +
    repeat(count, "routes:\n", (i) => `- {pool: p${i}q, path: /${i}}\n`),
  "accounts of one name": (count) =>
    repeat(count, "admin:\n  users:\n", () => "  - {name: a, passwordHash: x}\n"),
  "errors of grammar": (count) => repeat(count, "", () => "}: \n"),
};

/** Processor time, milliseconds: the machine may be busy with other things. */
function costMs(run: () => void): number {
  const before = process.cpuUsage();
  run();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1_000;
}

describe("a file with thousands of faults", () => {
  for (const [what, fileOf] of Object.entries(faults)) {
    test(`describes at most fifty of them, and takes a fraction of a second: ${what}`, () => {
      const text = fileOf(6_000);
      let lines: readonly string[] = [];
      // About 0.3 to 1.3 s; comparing each with all others, or describing all, takes at least 4 s.
      expect(costMs(() => (lines = linesOf(text)))).toBeLessThan(3_500);
      expect(lines.length).toBeGreaterThan(0);
      expect(lines.length).toBeLessThanOrEqual(51);
      expect(lines.join("\n").length).toBeLessThan(25_000);
    });
  }

  test("counts what it does not describe", () => {
    const lines = linesOf(faults["unknown keys"]?.(8_000) ?? "");
    expect(lines).toHaveLength(51);
    expect(lines[0]).toStartWith("Cannot use k0 at posted.yaml:1:1: unknown key; expected one of ");
    expect(lines[49]).toStartWith("Cannot use k49 at posted.yaml:50:1: ");
    expect(lines[50]).toBe("And 7950 more problems.");
  });
});

test("a value of a megabyte where a map is expected costs no more than reading it", () => {
  const text = `pools: ${"x".repeat(1_000_000)}`;
  read(text);
  const readingMs = costMs(() => readFileText(text, "posted.yaml"));
  // A list of a million keys took 600 ms, and reading takes 50.
  expect(costMs(() => read(text))).toBeLessThan(250 + 2 * readingMs);
  expect(linesOf(text)).toEqual([expect.stringContaining("expected a map of at least one pool")]);
});

test("a certificate file that thousands of upstreams name is read once", () => {
  const { result, opened } = read(
    repeat(
      2_000,
      "pools:\n  a:\n    upstreams:\n",
      (i) => `    - {url: "https://a${i}", tls: {ca: ca.pem}}\n`,
    ),
    { "ca.pem": "no certificate" },
  );
  expect(opened).toEqual(["ca.pem"]);
  expect(result).toMatchObject({ kind: "invalid", omitted: 1_950 });
});

describe("marks around values", () => {
  for (const [text, count] of [
    ["", 0],
    ["a: 1\nb: 2\n", 2],
    ["- http://10.0.0.1:8080;weight=3\n- b", 3],
    ['{"a":1,"b":[2,3]}', 10],
    ["a-b - c", 1],
    ["a: x :\t: ::", 3],
  ] as const) {
    test(`${JSON.stringify(text)} has ${count}`, () => {
      expect(hasMoreMarks(text, count)).toBe(false);
      if (count > 0) expect(hasMoreMarks(text, count - 1)).toBe(true);
    });
  }
});

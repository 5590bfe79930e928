import { describe, expect, test } from "bun:test";
import { readFileText } from "../../src/config/yaml-file.ts";
import { problemSentence } from "../../src/config/problem.ts";

function problemsIn(text: string): readonly string[] {
  const read = readFileText(text, "e.yaml");
  return Array.isArray(read) ? read.map(problemSentence) : [];
}

function valueOf(text: string): unknown {
  const read = readFileText(text, "e.yaml");
  return "value" in read ? read.value : problemsIn(text);
}

describe("a file that is not a configuration is reported with the line", () => {
  const bomb = ["a: &a [x,x,x,x,x,x,x,x,x]", ..."bcdefghi"].map((line, i) =>
    i === 0
      ? line
      : `${line}: &${line} [${Array(9)
          .fill(`*${"abcdefghi"[i - 1]}`)
          .join(",")}]`,
  );
  test.each([
    ["", "1:1: the file is empty."],
    ["# all of it is a comment\n", "1:1: the file is empty."],
    ["a: 1\nb: 2\na: 3\n", "3:1: duplicate key a."],
    ["a:\n\t- b\n", "2:1: tabs are not allowed as indentation."],
    ["a: b: c\n", "1:4: nested mappings are not allowed in compact mappings."],
    ["a: 1\n---\nb: 2\n", "2:1: expected a single document."],
    ["a: !secret b\n", "1:4: unresolved tag: !secret."],
    ["? [a]\n: b\n", "1:3: with stringKeys, all keys must be strings."],
    ["- a\n", '1:1: expected a map of settings such as "listen: { port: 8080 }".'],
    ["just a text", '1:1: expected a map of settings such as "listen: { port: 8080 }".'],
    [bomb.join("\n"), "1:1: excessive alias count indicates a resource exhaustion attack."],
  ])("%j", (text, problem) =>
    expect(problemsIn(text)).toEqual([`Cannot read the configuration at e.yaml:${problem}`]),
  );

  test("in a few sentences and without its text, however deep or long it is", () => {
    expect(problemsIn("[".repeat(50_000)).length).toBeGreaterThan(0);
    expect(problemsIn("[".repeat(50_000)).length).toBeLessThanOrEqual(20);
    expect(problemsIn(`${"{a: ".repeat(50_000)}`).length).toBeLessThanOrEqual(20);
    expect(problemsIn("token: s3cret\n\tx: s3cret\n").join()).not.toContain("s3cret");
    expect(problemsIn("a: *nowhere").join()).toContain("Cannot read the configuration at e.yaml:1:");
  });
});

describe("YAML and JSON", () => {
  test("mean the same", () =>
    expect(valueOf("listen:\n  port: 80\nengine: fetch\n")).toEqual(
      valueOf('\uFEFF{\r\n\t"listen": { "port": 80 },\r\n\t"engine": "fetch"\r\n}'),
    ));

  test("may repeat a part by its anchor", () =>
    expect(valueOf("a: &x { b: 1 }\nc: *x\n")).toEqual({ a: { b: 1 }, c: { b: 1 } }));

  test("keep yes, no and on as words, as YAML 1.2 has it", () =>
    expect(valueOf("a: yes\nb: no\nc: on\n")).toEqual({ a: "yes", b: "no", c: "on" }));

  test("cannot reach prototypes", () => {
    const value = valueOf("__proto__: { polluted: 1 }\n");
    expect(Object.keys(value as object)).toEqual(["__proto__"]);
    expect("polluted" in {}).toBe(false);
  });
});

test("locations are those of values, of keys, or of the enclosing node", () => {
  const read = readFileText("a:\n  b:\n    - c: 1\n    - d:\n  e: &x { f: 2 }\ng: *x\n", "e.yaml");
  if (!("value" in read)) throw new Error("Cannot read the test's own file");
  const at = (...path: string[]) => Object.values(read.locationOf(path)).slice(1).join(":");
  expect(at("a", "b", "0", "c")).toBe("3:10");
  expect(at("a", "b", "1")).toBe("4:7");
  expect(at("a", "b", "7")).toBe("3:5");
  expect(at("a", "nothing", "here")).toBe("2:3");
  expect(at("g", "f")).toBe("5:14");
  expect(read.keyLocationOf(["a", "e"])).toEqual({ file: "e.yaml", line: 5, column: 3 });
  expect([read.has(["a", "b", "1"]), read.has(["a", "b", "2"]), read.has(["g", "f"])]).toEqual([
    true,
    false,
    true,
  ]);
});

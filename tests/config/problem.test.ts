import { describe, expect, test } from "bun:test";
import { closestWord, configError, describeConfigError, nameOf } from "../../src/config/problem.ts";

const keys = ["port", "host", "drainTimeout", "trustedProxies", "hashBy"];

test.each([
  ["prot", "port"],
  ["Port", "port"],
  ["drain-timeout", "drainTimeout"],
  ["drain_timeout", "drainTimeout"],
  ["trustedProxy", "trustedProxies"],
  ["hosts", "host"],
  ["colour", undefined],
  ["x", undefined],
  ["", undefined],
])("%p means %p", (word, meant) => expect(closestWord(word, keys)).toBe(meant));

test("nothing is suggested without known words", () => expect(closestWord("port", [])).toBeUndefined());

test("a word that is no name has no suggestion, however long it and the known words are", () => {
  const long = "x".repeat(1_000_000);
  expect(closestWord(long, [...keys, `${long}y`])).toBeUndefined();
  expect(
    closestWord(
      "port",
      Array.from({ length: 100_000 }, () => long),
    ),
  ).toBeUndefined();
});

test("a name in a message is cut", () => {
  expect(nameOf(["pools", "p".repeat(5_000), "0"]).length).toBeLessThan(120);
});

describe("the problems of one configuration", () => {
  const problem = { action: "use a", why: "unknown key" };
  const lines = (count: number, omitted = 0) =>
    describeConfigError(
      configError(
        Array.from({ length: count }, () => problem),
        omitted,
      ),
    ).split("\n");

  test("are all described up to fifty", () => {
    expect(lines(50)).toHaveLength(50);
    expect(new Set(lines(50))).toEqual(new Set(["Cannot use a: unknown key."]));
  });

  test("are counted beyond that", () => {
    expect(lines(51)).toHaveLength(51);
    expect(lines(51).at(-1)).toBe("And 1 more problem.");
    expect(lines(300, 20_000)).toHaveLength(51);
    expect(lines(300, 20_000).at(-1)).toBe("And 20250 more problems.");
  });
});

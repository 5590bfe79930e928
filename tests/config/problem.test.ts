import { expect, test } from "bun:test";
import { closestWord } from "../../src/config/problem.ts";

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

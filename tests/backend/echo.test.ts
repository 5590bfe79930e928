import { describe, expect, test } from "bun:test";
import { type EchoOptions, readEchoOptions } from "../../src/backend/echo.ts";

const good: ReadonlyArray<[query: string, options: EchoOptions]> = [
  ["", {}],
  ["other=1", {}],
  ["ms=0", { ms: 0 }],
  ["ms=60000", { ms: 60_000 }],
  ["status=200&ms=5", { ms: 5, status: 200 }],
  ["status=599", { status: 599 }],
  ["bytes=1073741824", { bytes: 2 ** 30 }],
];

const bad: ReadonlyArray<[query: string, problems: readonly string[]]> = [
  ["ms=60001", ['Cannot use ms: expected a whole number from 0 to 60000 (received "60001").']],
  ["ms=-1", ['Cannot use ms: expected a whole number from 0 to 60000 (received "-1").']],
  ["ms=", ['Cannot use ms: expected a whole number from 0 to 60000 (received "").']],
  ["ms=1e3", ['Cannot use ms: expected a whole number from 0 to 60000 (received "1e3").']],
  ["status=101", ['Cannot use status: expected a whole number from 200 to 599 (received "101").']],
  ["status=600", ['Cannot use status: expected a whole number from 200 to 599 (received "600").']],
  [
    "bytes=1073741825",
    ['Cannot use bytes: expected a whole number from 0 to 1073741824 (received "1073741825").'],
  ],
  ["bytes=%22%0a", ['Cannot use bytes: expected a whole number from 0 to 1073741824 (received "\\"\\n").']],
  [
    "ms=soon&status=fine",
    [
      'Cannot use ms: expected a whole number from 0 to 60000 (received "soon").',
      'Cannot use status: expected a whole number from 200 to 599 (received "fine").',
    ],
  ],
];

describe("echo options", () => {
  for (const [query, options] of good) {
    test(`are read from ?${query}`, () =>
      expect(readEchoOptions(new URLSearchParams(query))).toEqual(options));
  }
  for (const [query, problems] of bad) {
    test(`have problems in ?${query}`, () =>
      expect(readEchoOptions(new URLSearchParams(query))).toEqual({ problems }));
  }
  test("quote at most sixty characters of the received text", () => {
    const read = readEchoOptions(new URLSearchParams(`ms=${"9".repeat(1_000)}`));
    expect("problems" in read && read.problems[0]?.length).toBeLessThan(140);
  });
});

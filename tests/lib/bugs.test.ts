import { describe, expect, test } from "bun:test";

import { Bugs } from "../../src/lib/bugs.ts";

function setUp() {
  let now = 0;
  const lines: Readonly<Record<string, unknown>>[] = [];
  const bugs = new Bugs(() => now);
  const log = { error: (_: string, fields = {}) => void lines.push(fields) };
  return {
    bugs,
    lines,
    report: (error: unknown) => bugs.report(log, error, { requestId: "r" }),
    advance: (ms: number) => (now += ms),
  };
}

describe("bugs", () => {
  test("of one kind are all counted and a few logged, with the number of those held back", () => {
    const { bugs, lines, report, advance } = setUp();
    for (let i = 0; i < 1_000; i++) report(new Error("same"));
    expect([bugs.count, lines.length]).toEqual([1_000, 2]);
    advance(1_000);
    report(new Error("same"));
    expect(lines.at(-1)).toMatchObject({ requestId: "r", heldBack: 998 });
  });

  test("of another kind are logged during a flood of one kind", () => {
    const { lines, report } = setUp();
    for (let i = 0; i < 1_000; i++) report(new Error("same"));
    report(new TypeError("other"));
    expect(lines.at(-1)?.["error"]).toEqual(new TypeError("other"));
  });

  test("whose messages never repeat are limited too", () => {
    const { bugs, lines, report } = setUp();
    for (let i = 0; i < 1_000; i++) report(new Error(`number ${i}`));
    for (const thrown of [
      undefined,
      null,
      "text",
      1,
      {
        toString: () => {
          throw new Error("no text");
        },
      },
    ])
      report(thrown);
    expect([bugs.count, lines.length]).toEqual([1_005, 20]);
  });
});

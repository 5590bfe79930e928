import { describe, expect, test } from "bun:test";

import { JsonLines } from "../../src/discovery/json-lines.ts";

describe("a stream of JSON lines", () => {
  test("gives the same values however it is cut, also within a character", () => {
    const bytes = Buffer.from('{"a":"é😀"}\n\n  [1]\r\n"x"\n{"rest":');
    for (let size = 1; size <= bytes.length; size++) {
      const lines = new JsonLines(1_000);
      const values: unknown[] = [];
      for (let at = 0; at < bytes.length; at += size) {
        const found = lines.push(bytes.subarray(at, at + size));
        if (typeof found === "string") throw new Error(found);
        values.push(...found);
      }
      expect(values).toEqual([{ a: "é😀" }, [1], "x"]);
    }
  });

  test("fails at a line that is not JSON", () =>
    expect(new JsonLines(1_000).push(Buffer.from("{}\n<html>\n"))).toBe("a line of the stream is not JSON"));

  test("fails at a line that is too long, also before its end", () => {
    const why = "a line of the stream has more than 1 KiB";
    expect(new JsonLines(1_024).push(Buffer.from(`"${"x".repeat(1_022)}"\n`))).toEqual(["x".repeat(1_022)]);
    expect(new JsonLines(1_024).push(Buffer.from(`"${"x".repeat(1_023)}"\n`))).toBe(why);
    expect(new JsonLines(1_024).push(Buffer.alloc(1_025, 0x20))).toBe(why);
    const lines = new JsonLines(1_024);
    for (let i = 0; i < 1_024; i++) expect(lines.push(Buffer.from(" "))).toEqual([]);
    expect(lines.push(Buffer.from(" "))).toBe(why);
  });

  test("costs each byte once", () => {
    const lines = new JsonLines(4_194_304);
    const startedAt = performance.now();
    for (let i = 0; i < 4_194_304; i += 64) lines.push(Buffer.alloc(64, 0x20));
    expect(lines.push(Buffer.from("\n"))).toEqual([]);
    expect(performance.now() - startedAt).toBeLessThan(2_000);
  });
});

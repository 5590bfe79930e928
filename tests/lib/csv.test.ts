import { describe, expect, test } from "bun:test";

import { csvOf } from "../../src/lib/csv.ts";

describe("comma-separated values", () => {
  test("have a heading, quotes where they are needed, and CRLF (RFC 4180)", () => {
    expect(
      csvOf(
        ["a", "b, c"],
        [
          ["plain", 1.5],
          ['say "hi"', null],
          ["two\nlines", -3],
        ],
      ),
    ).toBe('a,"b, c"\r\nplain,1.5\r\n"say ""hi""",\r\n"two\nlines",-3\r\n');
  });

  test.each(["=1+1", "+cmd", "-2", "@sum", "\tx", "\r=1"])("run %j in no spreadsheet", (text) =>
    expect(csvOf(["a"], [[text]])).toMatch(/\r\n"?'/),
  );
});

/** How servers read a path: the written form, the other readings, and what both cost. */

import { describe, expect, test } from "bun:test";

import { seededRandom } from "../../src/lib/random.ts";
import { hasReadings, isPlainPath, visitReadings, writtenPath } from "../../src/proxy/request-path.ts";

function readingsOf(path: string): readonly string[] {
  const { text } = writtenPath(path);
  const found = new Set<string>();
  visitReadings(text, (reading) => found.add(reading).size < 200);
  found.delete(text);
  return [...found].toSorted();
}

describe("the written form", () => {
  test.each([
    ["/%61dmin", "/admin"],
    ["/caf%c3%a9", "/caf%C3%A9"],
    ["/caf\u00c3\u00a9", "/caf%C3%A9"],
    ["/c%2B%2b/%7e", "/c++/~"],
    ["/a%2fb%5c%3f%23%3b%25", "/a%2Fb%5C%3F%23%3B%25"],
    ["/a b", "/a%20b"],
    ["//a/../b/.", "//a/../b/."],
    ["/%zz", "/%25zz"],
    ["/x%4", "/x%254"],
    ["/x%", "/x%25"],
  ])("of %s is %s", (path, text) => {
    expect(writtenPath(path).text).toBe(text);
  });

  test("has a flaw where no server can read the path", () => {
    for (const path of ["/x%", "/x%0", "/x%zz", "/x%u002e", "/x%-1", "/x%0g"])
      expect([path, writtenPath(path).flaw?.text]).toEqual([
        path,
        "the path has a percent sign without two hexadecimal digits",
      ]);
    for (const path of ["/x%00", "/%00%zz"])
      expect([path, writtenPath(path).flaw?.text]).toEqual([path, "the path has an escaped NUL"]);
  });
});

describe("the readings", () => {
  test.each<readonly [path: string, ...readings: string[]]>([
    ["/a/.well-known/x..y/...", ...[]],
    ["/wiki/C%2B%2B/%E2%98%83", ...[]],
    ["/100%25", ...[]],
    ["/a%20b", ...[]],
    ["//a", "/a"],
    ["/a/../b", "/b"],
    ["/a/%2e/b/..", "/a/"],
    ["/a%2Fb", "/a/b"],
    ["/a\\b", "/a/b"],
    ["/a%c0%afb", "/a/b"],
    ["/a%c1%1cb", "/a/b"],
    ["/a%c0.", "/a."],
    ["/%e0%80%af", "/", "//"],
    ["/%f0%80%80%ae", "/.", "/"],
    ["/a;x=1/b", "/a/b"],
    ["/a%3bx/b", "/a/b"],
    ["/a%3Fb", "/a"],
    ["/a%23b", "/a"],
    ["/a#b", "/a"],
    ["/a%2561", "/aa"],
    ["/a%252561", "/a%2561", "/aa"],
    ["/a%25252561", "/a%252561", "/a%2561", "/aa"],
    ["/a%2525252561", "/a%25252561", "/a%252561", "/aa"],
    ["/a%20/b%09", "/a/b"],
    ["/a%C2%A0", "/a"],
    ["/a%A0", "/a"],
    ["/a/..;/b", "/a/../b", "/b"],
    ["/a/..%2fb", "/a/../b", "/b"],
    ["/a//../b", "/a/../b", "/a/b", "/b"],
    ["/a%2500", "/a", "/a%00"],
  ])("of %s", (path, ...readings) => {
    expect(readingsOf(path)).toEqual(readings.toSorted());
  });

  test("are those of servers that take some of the steps only", () => {
    // A server that does not end the path at the escaped question mark is led out of /x.
    expect(readingsOf("/x%3f%2f..%2f..%2fadmin")).toContain("/admin");
    expect(readingsOf("/x%3f%252f..%252f..%252fadmin")).toContain("/admin");
    // One that decodes twice sees only the first dots, one that decodes thrice sees both.
    expect(readingsOf("/public/%252e%252e/admin/%25252e%25252e/public")).toContain(
      "/admin/%252e%252e/public",
    );
    // A proxy resolves dots before the server behind it decodes the slash.
    expect(readingsOf("/q/r%2fs/../..%2fadmin")).toContain("/admin");
  });

  test("are none for a path that is no path", () => {
    expect(readingsOf("*")).toEqual([]);
  });
});

describe("any path", () => {
  const random = seededRandom(11);
  const alphabet = [
    "/", "/", "/", ".", "..", "%2e", "%2E", "%2f", "%5c", "\\", ";", "%3b", "%", "%25", "a", "B", "~", "+", "%2b", "%41", "\u00e9", "%c3%a9",
    "%00", "%20", "?", "%3f", "#", "0", "4", "1", "%c0", "%af",
  ]; // prettier-ignore
  const anyPath = () =>
    `/${Array.from({ length: Math.floor(random() * 14) }, () => alphabet[Math.floor(random() * alphabet.length)]).join("")}`;

  test("is in its written form after it was brought to it, and every reading of it too", () => {
    for (let run = 0; run < 10_000; run++) {
      const path = anyPath();
      const { text } = writtenPath(path);
      expect([path, writtenPath(text).text]).toEqual([path, text]);
      for (const reading of readingsOf(path))
        expect([path, writtenPath(reading).text]).toEqual([path, reading]);
    }
  });

  test("that is plain is its own written form, and no server reads it otherwise", () => {
    let plainPaths = 0;
    for (let run = 0; run < 30_000; run++) {
      const path = anyPath();
      if (!isPlainPath(path)) continue;
      plainPaths += 1;
      expect([path, writtenPath(path), hasReadings(path)]).toEqual([path, { text: path }, false]);
    }
    expect(plainPaths).toBeGreaterThan(500);
  });

  test("has the slashes of its written form at the same segments", () => {
    for (let run = 0; run < 10_000; run++) {
      const path = anyPath();
      expect([path, writtenPath(path).text.split("/").length]).toEqual([path, path.split("/").length]);
    }
  });

  test("has a reading without dots, double slashes, separators, parameters and double escapes", () => {
    for (let run = 0; run < 10_000; run++) {
      const { text, flaw } = writtenPath(anyPath());
      if (flaw) continue;
      const all = new Set([text]);
      visitReadings(text, (reading) => all.add(reading).size < 1_000);
      const isBare = (reading: string) =>
        !/\/\/|\/\.\.?(?:\/|$)|\\|%2F|%5C|;|%3B|%3F|#|%23|%25[\da-f]{2}/i.test(reading);
      expect([text, [...all].some(isBare)]).toEqual([text, true]);
    }
  });

  test("takes time in proportion to its length, whatever it consists of", () => {
    const parts = [
      "/", "//", "/..", "/.", "%2e", "%20", "%20/", ";", "/;", "%25", "%2525", "%3F", "\\", "%", "a", "%C2%A0", "/..;", "\u00e9", " ",
      "%c0%af", "/..%2f;%20%252541", "%25252541/..;",
    ]; // prettier-ignore
    const timeOf = (path: string) => {
      const times = Array.from({ length: 9 }, () => {
        const before = performance.now();
        visitReadings(writtenPath(path).text, () => true);
        return performance.now() - before;
      });
      return Math.min(...times);
    };
    for (const part of parts) {
      const of = (length: number) => timeOf(`/x;${part.repeat(length / part.length)}`);
      const [short, long] = [of(4_096), of(65_536)];
      // Sixteen times as long; quadratic time would be two hundred and fifty-six times.
      expect([part, long < 100 * Math.max(short, 0.3)]).toEqual([part, true]);
    }
  });

  test("of 8 KiB is read or refused within a millisecond or two", () => {
    const path = `/x${"/a%2fb;c%20/%252541%25253F//..".repeat(270)}`;
    const before = performance.now();
    let readings = 0;
    expect(visitReadings(writtenPath(path).text, () => (readings += 1) > 0)).toBe(false);
    expect(readings).toBeLessThan(32);
    expect(performance.now() - before).toBeLessThan(100);
  });
});

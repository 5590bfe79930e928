import { describe, expect, test } from "bun:test";

import { createQueryChange, type QuerySettings } from "../../src/filter/query-change.ts";
import { requestOf } from "./filtered-request.ts";

function changed(query: string, settings: QuerySettings, client = "192.0.2.7"): string {
  return createQueryChange(settings)(query, requestOf({ client, target: `/?${query}` }));
}

describe("the query of a request", () => {
  test.each([
    ["", ["a"], ""],
    ["b=1", ["a"], "?b=1"],
    ["a=1", ["a"], ""],
    ["a", ["a"], ""],
    ["a=1&a=2", ["a"], ""],
    ["a=1&b=2", ["a"], "?b=2"],
    ["b=2&a=1", ["a"], "?b=2"],
    ["a=1&b=2&a=3&c=4&a=5", ["a"], "?b=2&c=4"],
    ["a=1&", ["a"], "?"],
    ["&a=1", ["a"], "?"],
    ["&", ["a"], "?&"],
    ["&&", [""], ""],
    ["=1&b", [""], "?b"],
    ["ab=1&a=b=c&b=a", ["a"], "?ab=1&b=a"],
    ["%61=1&b=%61", ["a"], "?b=%61"],
    ["a+b=1&a%20b=2&a%2Bb=3", ["a b"], "?a%2Bb=3"],
    ["%C3%A4=1&b=+", ["ä"], "?b=+"],
  ] as const)("%p without %p is %p", (query, remove, expected) =>
    expect(changed(query, { remove })).toBe(expected),
  );

  test.each([
    ["", { c: "1" }, "?c=1"],
    ["", { c: "1", d: "a b&$$" }, "?c=1&d=a%20b%26%24"],
    ["c=0&a=1", { c: "1" }, "?a=1&c=1"],
    ["c=0", { c: "1" }, "?c=1"],
    ["", { c: "${client}", d: "2" }, "?c=192.0.2.7&d=2"],
    ["a=1", { d: "", c: "x${client}" }, "?a=1&d=&c=x192.0.2.7"],
    ["", { "": "1" }, "?=1"],
  ] as const)("%p with %p is %p", (query, set, expected) => expect(changed(query, { set })).toBe(expected));

  test("has values of the request in escapes, unless they are part of its target", () => {
    expect(changed("", { set: { c: "${client}" } }, "2001:db8::1")).toBe("?c=2001%3Adb8%3A%3A1");
    expect(changed("a=%20b", { set: { c: "${query}" } })).toBe("?a=%20b&c=a%3D%20b");
  });

  test("keeps the bytes of all parameters that stay, whatever stands around them", () => {
    const parts = ["a", "b", "=", "&", "+", "%", "%61", "%zz", "&&", "a=", "&a"];
    let seed = 7;
    const next = (below: number) => (seed = (seed * 48_271) % 2_147_483_647) % below;
    for (let round = 0; round < 5_000; round++) {
      const query = Array.from({ length: 1 + next(8) }, () => parts[next(parts.length)]).join("");
      const isRemoved = (parameter: string) => {
        const name = parameter.split("=", 1)[0] ?? "";
        return name === "a" || name === "%61";
      };
      const kept = query.split("&").filter((parameter) => !isRemoved(parameter));
      const expected = kept.length > 0 ? `?${kept.join("&")}` : "";
      expect([query, changed(query, { remove: ["a"] })]).toEqual([query, expected]);
    }
  });
});

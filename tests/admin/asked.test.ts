import { describe, expect, test } from "bun:test";

import { countOf, fieldsOf, isSet, textOf, waitOf, whoOf } from "../../src/admin/asked.ts";

const asked = (body?: string, headers: Record<string, string> = {}) =>
  new Request("http://admin/", {
    method: "POST",
    ...(body === undefined ? {} : { body }),
    headers: { ...(body === undefined ? {} : { "content-length": String(body.length) }), ...headers },
  });

const query = (text: string) => new URLSearchParams(text);

describe("what a caller asks for", () => {
  test("has the fields of a small map and nothing else", async () => {
    for (const [body, fields] of [
      [undefined, {}],
      ["", {}],
      ['{"a":1}', { a: 1 }],
      ["[]", undefined],
      ["null", undefined],
      ["{", undefined],
      [JSON.stringify({ reason: "x".repeat(9_000) }), undefined],
    ] as const) {
      expect(await fieldsOf(asked(body))).toEqual(fields);
    }
  });

  test("has no body if nobody says how long that is", async () => {
    const endless = asked(undefined, { "transfer-encoding": "chunked" });
    expect(await textOf(endless)).toBeUndefined();
    expect(await textOf(asked("abc"), 2)).toBeUndefined();
    expect(await textOf(asked("abc"), 3)).toBe("abc");
  });

  test("has an actor and a reason that are fit for a log", () => {
    expect(whoOf(asked())).toEqual({ by: "api", why: "" });
    expect(
      whoOf(asked(undefined, { "x-evenkeel-actor": "ann@ops" }), { reason: " a\n\u0000b\t c " }),
    ).toEqual({
      ...{ by: "ann@ops", why: "a b c" },
    });
    expect(whoOf(asked(undefined, { "x-evenkeel-actor": "<b>" }), { reason: 5 })).toEqual({
      by: "api",
      why: "",
    });
    expect(whoOf(asked(), { reason: "x".repeat(900) }).why).toHaveLength(500);
  });

  test.each([
    ["", 7],
    ["wait=30s", 30_000],
    ["wait=0", 0],
    ["wait=1h", 3_600_000],
    ["wait=2h", undefined],
    ["wait=30", undefined],
    ["wait=", undefined],
  ])("waits as %p says", (text, waitMs) => expect(waitOf(query(text), 7)).toBe(waitMs as number));

  test("counts and switches as its query says", () => {
    expect(countOf(query("limit=20"), "limit")).toBe(20);
    expect(countOf(query(""), "limit")).toBeNull();
    for (const wrong of ["limit=-1", "limit=1.5", "limit=", "limit=1e3"]) {
      expect(countOf(query(wrong), "limit")).toBeUndefined();
    }
    for (const on of ["dry=1", "dry", "dry=true"]) expect(isSet(query(on), "dry")).toBe(true);
    for (const off of ["", "dry=0", "dry=false", "other"]) expect(isSet(query(off), "dry")).toBe(false);
  });
});

import { describe, expect, test } from "bun:test";

import { afterOf, countOf, isSet, waitOf, actorOf } from "../../src/admin/request-input.ts";

const post = (body?: string, headers: Record<string, string> = {}) =>
  new Request("http://admin/", {
    method: "POST",
    ...(body === undefined ? {} : { body }),
    headers: { ...(body === undefined ? {} : { "content-length": String(body.length) }), ...headers },
  });

const query = (text: string) => new URLSearchParams(text);

describe("the request input", () => {
  test("has an actor and a reason that are safe for a log", () => {
    expect(actorOf(post())).toEqual({ by: "api", reason: "" });
    expect(
      actorOf(post(undefined, { "x-evenkeel-actor": "ann@ops" }), { reason: " a\n\u0000b\t c " }),
    ).toEqual({
      by: "ann@ops",
      reason: "a b c",
    });
    expect(actorOf(post(undefined, { "x-evenkeel-actor": "<b>" }), { reason: 5 })).toEqual({
      by: "api",
      reason: "",
    });
    expect(actorOf(post(), { reason: "x".repeat(900) }).reason).toHaveLength(500);
  });

  test.each([
    ["", 7],
    ["wait=30s", 30_000],
    ["wait=0", 0],
    ["wait=1h", 3_600_000],
    ["wait=2h", undefined],
    ["wait=30", undefined],
    ["wait=", undefined],
  ])("waits as %p requires", (text, waitMs) => expect(waitOf(query(text), 7)).toBe(waitMs as number));

  test("reads numbers and switches of a query", () => {
    expect(countOf(query("limit=20"), "limit")).toBe(20);
    expect(countOf(query(""), "limit")).toBeNull();
    for (const wrong of ["limit=-1", "limit=1.5", "limit=", "limit=1e3"]) {
      expect(countOf(query(wrong), "limit")).toBeUndefined();
    }
    for (const on of ["dry=1", "dry", "dry=true"]) expect(isSet(query(on), "dry")).toBe(true);
    for (const off of ["", "dry=0", "dry=false", "other"]) expect(isSet(query(off), "dry")).toBe(false);
  });

  test("resumes after Last-Event-ID, or after the number in the query", () => {
    const at = (query: string, last?: string) =>
      afterOf(
        new Request(`http://admin/?${query}`, {
          headers: last === undefined ? {} : { "Last-Event-ID": last },
        }),
      );
    expect([at(""), at("after=3"), at("after=3", "7"), at("after=3", "x"), at("after=x")]).toEqual([
      ...[null, 3, 7, 3, undefined],
    ]);
  });
});

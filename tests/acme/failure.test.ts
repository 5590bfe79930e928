import { describe, expect, test } from "bun:test";

import { failureOfResponse, OrderFailure, orderFailureOf } from "../../src/acme/failure.ts";

const prefix = "urn:ietf:params:acme:error:";

describe("a response of the authority", () => {
  for (const [status, type, retryAfter, expected] of [
    [429, "rateLimited", "3600", { reason: "rate_limited", retryAfterMs: 3_600_000 }],
    [403, "rateLimited", undefined, { reason: "rate_limited", retryAfterMs: undefined }],
    [429, "", "Thu, 01 Jan 1970 00:02:00 GMT", { reason: "rate_limited", retryAfterMs: 60_000 }],
    [429, "", "Thu, 01 Jan 1970 00:00:00 GMT", { reason: "rate_limited", retryAfterMs: 0 }],
    [429, "", "soon", { reason: "rate_limited", retryAfterMs: undefined }],
    [503, "", "120", { reason: "unreachable", retryAfterMs: 120_000 }],
    [500, "serverInternal", undefined, { reason: "unreachable" }],
    [404, "malformed", undefined, { reason: "order_expired" }],
    [403, "caa", undefined, { reason: "refused", type: "caa" }],
    [302, "", undefined, { reason: "refused" }],
  ] as const) {
    test(`${status} ${type} ${retryAfter ?? ""} is ${expected.reason}`, () => {
      const body = type === "" ? "<html>" : { type: prefix + type, detail: "why" };
      expect(failureOfResponse({ status, body, retryAfter }, 60_000)).toMatchObject(expected);
    });
  }

  test("is described with its parts, in one line of limited length", () => {
    const body = { detail: "no\r\n\u001b[31mway", subproblems: [{ detail: "a.test is blocked" }, 7] };
    expect(failureOfResponse({ status: 400, body, retryAfter: undefined }, 0).message).toBe(
      "no [31mway; a.test is blocked",
    );
    const long = failureOfResponse(
      { status: 400, body: { detail: "x".repeat(9_999) }, retryAfter: undefined },
      0,
    );
    expect(long.message.length).toBe(300);
  });
});

describe("an exception in an order", () => {
  test("of the system is a failure of the storage", () => {
    const error = Object.assign(new Error("EACCES: permission denied"), { code: "EACCES" });
    expect(orderFailureOf(error)).toMatchObject({ reason: "storage_failed" });
  });

  test("of any other kind is a refusal", () => {
    expect(orderFailureOf(new Error("no link"))).toMatchObject({ reason: "refused", message: "no link" });
    const failure = new OrderFailure("unreachable", "away");
    expect(orderFailureOf(failure)).toBe(failure);
  });
});

import { describe, expect, test } from "bun:test";

import { bodyFields, textOf } from "../../src/admin/request-input.ts";

const asked = (body?: string | ReadableStream<Uint8Array>, type: string | null = "application/json") =>
  new Request("http://admin/", {
    method: "POST",
    ...(body === undefined ? {} : { body }),
    headers: type === null ? {} : { "Content-Type": type },
  });

const inPieces = (...pieces: string[]) =>
  new ReadableStream<Uint8Array>({
    start(controller) {
      for (const piece of pieces) controller.enqueue(new TextEncoder().encode(piece));
      controller.close();
    },
  });

/** The fields, or the status and the reason of the refusal. */
async function told(request: Request): Promise<unknown> {
  const response = await bodyFields(request);
  if (!(response instanceof Response)) return response;
  expect(response.headers.get("content-type")).toBe("application/problem+json");
  return [response.status, ((await response.json()) as { reason: string }).reason];
}

const long = JSON.stringify({ reason: "x".repeat(9_000) });

describe("the body of an order", () => {
  test("has the fields of a small JSON map, and is refused with the status that fits if it is anything else", async () => {
    for (const [body, expected] of [
      [undefined, {}],
      ["", {}],
      ['{"a":1}', { a: 1 }],
      ["[]", [400, "body_invalid"]],
      ["null", [400, "body_invalid"]],
      ["{", [400, "body_invalid"]],
      [long, [413, "body_too_long"]],
    ] as const) {
      expect(await told(asked(body))).toEqual(expected);
    }
  });

  test("is bounded also where nobody says how long it is", async () => {
    expect(await told(asked(inPieces('{"a"', ":1}")))).toEqual({ a: 1 });
    expect(await told(asked(inPieces(long)))).toEqual([413, "body_too_long"]);
    let isCancelled = false;
    const endless = new ReadableStream<Uint8Array>({
      pull: (controller) => controller.enqueue(new Uint8Array(1_000)),
      cancel: () => void (isCancelled = true),
    });
    expect(await textOf(asked(endless))).toBeUndefined();
    expect(isCancelled).toBe(true);
    expect([await textOf(asked("abc"), 2), await textOf(asked("abc"), 3)]).toEqual([undefined, "abc"]);
  });

  test("says that it is JSON, which no form of a foreign page can", async () => {
    for (const type of [
      "application/json",
      "Application/JSON; charset=utf-8",
      "application/merge-patch+json",
    ]) {
      expect(await told(asked('{"a":1}', type))).toEqual({ a: 1 });
    }
    for (const type of [
      "text/plain",
      "application/x-www-form-urlencoded",
      "application/jsonx",
      "text/json",
    ]) {
      expect(await told(asked('{"a":1}', type))).toEqual([415, "type_unsupported"]);
      expect(await told(asked("", type))).toEqual({});
    }
  });
});

import { describe, expect, test } from "bun:test";

import { bodyFields, readBodyText } from "../../src/admin/request-input.ts";

const post = (body?: string | ReadableStream<Uint8Array>, type: string | null = "application/json") =>
  new Request("http://admin/", {
    method: "POST",
    ...(body === undefined ? {} : { body }),
    headers: type === null ? {} : { "Content-Type": type },
  });

const inChunks = (...chunks: string[]) =>
  new ReadableStream<Uint8Array>({
    start(controller) {
      for (const chunk of chunks) controller.enqueue(new TextEncoder().encode(chunk));
      controller.close();
    },
  });

/** The fields, or status and reason of the error. */
async function read(request: Request): Promise<unknown> {
  const response = await bodyFields(request);
  if (!(response instanceof Response)) return response;
  expect(response.headers.get("content-type")).toBe("application/problem+json");
  return [response.status, ((await response.json()) as { reason: string }).reason];
}

const long = JSON.stringify({ reason: "x".repeat(9_000) });

describe("the body of a command", () => {
  test("must be a small JSON map; anything else gets the right error status", async () => {
    for (const [body, expected] of [
      [undefined, {}],
      ["", {}],
      ['{"a":1}', { a: 1 }],
      ["[]", [400, "body_invalid"]],
      ["null", [400, "body_invalid"]],
      ["{", [400, "body_invalid"]],
      [long, [413, "body_too_long"]],
    ] as const) {
      expect(await read(post(body))).toEqual(expected);
    }
  });

  test("is bounded also without a Content-Length", async () => {
    expect(await read(post(inChunks('{"a"', ":1}")))).toEqual({ a: 1 });
    expect(await read(post(inChunks(long)))).toEqual([413, "body_too_long"]);
    let isCancelled = false;
    const endless = new ReadableStream<Uint8Array>({
      pull: (controller) => controller.enqueue(new Uint8Array(1_000)),
      cancel: () => void (isCancelled = true),
    });
    expect(await readBodyText(post(endless))).toBeUndefined();
    expect(isCancelled).toBe(true);
    expect([await readBodyText(post("abc"), 2), await readBodyText(post("abc"), 3)]).toEqual([
      undefined,
      "abc",
    ]);
  });

  test("must have a JSON content type, which no form of a foreign page can send", async () => {
    for (const type of [
      "application/json",
      "Application/JSON; charset=utf-8",
      "application/merge-patch+json",
    ]) {
      expect(await read(post('{"a":1}', type))).toEqual({ a: 1 });
    }
    for (const type of [
      "text/plain",
      "application/x-www-form-urlencoded",
      "application/jsonx",
      "text/json",
    ]) {
      expect(await read(post('{"a":1}', type))).toEqual([415, "type_unsupported"]);
      expect(await read(post("", type))).toEqual({});
    }
  });
});

import { describe, expect, test } from "bun:test";

import { countStream, StreamLimit } from "../../src/access/stream-limit.ts";

const eventStream = (onCancel = () => {}) =>
  new Response(new ReadableStream({ cancel: onCancel }), {
    headers: { "content-type": "text/event-stream" },
  });

describe("a limit of 5 streams, 3 for each owner", () => {
  const create = () => new StreamLimit({ maxInAll: 5, maxForOwner: 3 });

  test("leaves room for others beside an owner that takes all it can", async () => {
    const limit = create();
    const open = [1, 2, 3].map(() => countStream(eventStream(), limit, "vera"));
    expect(open.every((response) => response instanceof Response)).toBe(true);
    let isCancelled = false;
    expect(
      countStream(
        eventStream(() => (isCancelled = true)),
        limit,
        "vera",
      ),
    ).toBe("owner");
    expect(isCancelled).toBe(true);
    const other = countStream(eventStream(), limit, "otto");
    expect(other).toBeInstanceOf(Response);
    expect(countStream(eventStream(), limit, undefined)).toBeInstanceOf(Response);
    expect(countStream(eventStream(), limit, "otto")).toBe("all");
    await (open[0] as Response).body?.cancel();
    expect(countStream(eventStream(), limit, "vera")).toBeInstanceOf(Response);
    expect(countStream(eventStream(), limit, "vera")).toBe("owner");
  });

  test("gives a place back once, however a stream ends", () => {
    const limit = create();
    const end = limit.admit("vera");
    if (typeof end === "string") throw new Error("Cannot open the first stream");
    for (let i = 0; i < 3; i++) end();
    for (let i = 0; i < 3; i++) expect(typeof limit.admit("vera")).toBe("function");
    expect(limit.admit("vera")).toBe("owner");
  });

  test("counts no other responses", () => {
    const limit = create();
    const page = new Response("page");
    for (let i = 0; i < 10; i++) expect(countStream(page, limit, "vera")).toBe(page);
  });
});

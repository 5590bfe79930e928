import { describe, expect, test } from "bun:test";

import { boundToSession } from "../../src/access/stream-limit.ts";
import { FakeTime } from "../support/fake-time.ts";

function streamOf(type = "text/event-stream") {
  let isCancelled = false;
  const source = new ReadableStream<Uint8Array>({
    start: (controller) => controller.enqueue(new TextEncoder().encode(": hello\n\n")),
    cancel: () => void (isCancelled = true),
  });
  const response = new Response(source, { status: 201, headers: { "Content-Type": type } });
  return { response, isCancelled: () => isCancelled };
}

describe("a streamed response", () => {
  test("ends when its session has ended, and its source is cancelled", async () => {
    const time = new FakeTime();
    const { response, isCancelled } = streamOf();
    let isAllowed = true;
    const bound = boundToSession(response, () => isAllowed, time.schedule);
    expect(bound.status).toBe(201);
    await time.advance(10_000);
    expect(isCancelled()).toBe(false);
    isAllowed = false;
    await time.advance(2_000);
    expect(await bound.text()).toBe("");
    expect(isCancelled()).toBe(true);
    expect(time.waits).toEqual([]);
  });

  test("is no longer checked when its reader has left", async () => {
    const time = new FakeTime();
    const { response, isCancelled } = streamOf();
    const reader = (
      boundToSession(response, () => true, time.schedule).body as ReadableStream<Uint8Array>
    ).getReader();
    expect(new TextDecoder().decode((await reader.read()).value)).toBe(": hello\n\n");
    await time.advance(5_000);
    await reader.cancel();
    expect(isCancelled()).toBe(true);
    expect(time.waits).toEqual([]);
  });

  test("is unchanged if it is not a stream of events", () => {
    const { response } = streamOf("text/plain");
    expect(boundToSession(response, () => false, new FakeTime().schedule)).toBe(response);
  });
});

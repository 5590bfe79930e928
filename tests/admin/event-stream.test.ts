import { describe, expect, test } from "bun:test";

import { boundToSession } from "../../src/admin/event-stream.ts";
import { FakeTime } from "../support/fake-time.ts";

function streamOf(type = "text/event-stream") {
  let isCancelled = false;
  const source = new ReadableStream<Uint8Array>({
    start: (controller) => controller.enqueue(new TextEncoder().encode(": hello\n\n")),
    cancel: () => void (isCancelled = true),
  });
  const response = new Response(source, { status: 201, headers: { "Content-Type": type } });
  return { answer: response, isCancelled: () => isCancelled };
}

describe("an answer that goes on", () => {
  test("is cut when the right to hear it is gone, and its source is let go", async () => {
    const time = new FakeTime();
    const { answer: response, isCancelled } = streamOf();
    let isAllowed = true;
    const kept = boundToSession(response, () => isAllowed, time.schedule);
    expect(kept.status).toBe(201);
    await time.advance(10_000);
    expect(isCancelled()).toBe(false);
    isAllowed = false;
    await time.advance(2_000);
    expect(await kept.text()).toBe("");
    expect(isCancelled()).toBe(true);
    expect(time.waits).toEqual([]);
  });

  test("is not watched any more when its reader has left", async () => {
    const time = new FakeTime();
    const { answer: response, isCancelled } = streamOf();
    const reader = (
      boundToSession(response, () => true, time.schedule).body as ReadableStream<Uint8Array>
    ).getReader();
    expect(new TextDecoder().decode((await reader.read()).value)).toBe(": hello\n\n");
    await time.advance(5_000);
    await reader.cancel();
    expect(isCancelled()).toBe(true);
    expect(time.waits).toEqual([]);
  });

  test("is left alone if it is no stream of events", () => {
    const { answer: response } = streamOf("text/plain");
    expect(boundToSession(response, () => false, new FakeTime().schedule)).toBe(response);
  });
});

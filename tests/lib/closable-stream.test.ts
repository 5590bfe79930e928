import { describe, expect, test } from "bun:test";

import { closableStream } from "../../src/lib/closable-stream.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

function source() {
  let [asked, isCancelled] = [0, false];
  const stream = new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        asked += 1;
        controller.enqueue(bytes(`${asked} `));
        if (asked === 5) controller.close();
      },
      cancel: () => void (isCancelled = true),
    },
    { highWaterMark: 0 },
  );
  return { stream, asked: () => asked, isCancelled: () => isCancelled };
}

describe("a stream that can be ended", () => {
  test("passes on all of its source, and tells once that it has ended", async () => {
    let ends = 0;
    const { stream, end } = closableStream(source().stream, bytes("bye"), () => void (ends += 1));
    expect(await new Response(stream).text()).toBe("1 2 3 4 5 ");
    end();
    expect(ends).toBe(1);
  });

  test("asks its source for no more than its reader asks for", async () => {
    const from = source();
    const reader = closableStream(from.stream, bytes("bye")).stream.getReader();
    await reader.read();
    await reader.read();
    expect(from.asked()).toBe(2);
    await reader.cancel();
    expect(from.isCancelled()).toBe(true);
  });

  test("says its last word when somebody ends it, also while its reader waits", async () => {
    let isCancelled = false;
    const silent = new ReadableStream<Uint8Array>({ cancel: () => void (isCancelled = true) });
    const { stream, end } = closableStream(silent, bytes("bye"));
    const text = new Response(stream).text();
    end();
    end();
    expect(await text).toBe("bye");
    expect(isCancelled).toBe(true);
  });

  test("fails as its source does", async () => {
    const broken = new ReadableStream<Uint8Array>({ start: (controller) => controller.error(new Error("gone")) });
    const { stream } = closableStream(broken, bytes("bye"));
    expect(new Response(stream).text()).rejects.toThrow("gone");
  }); // prettier-ignore
});

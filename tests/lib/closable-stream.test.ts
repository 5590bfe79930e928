import { describe, expect, test } from "bun:test";

import { closableStream } from "../../src/lib/closable-stream.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

function source() {
  let [pulls, isCancelled] = [0, false];
  const stream = new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        pulls += 1;
        controller.enqueue(bytes(`${pulls} `));
        if (pulls === 5) controller.close();
      },
      cancel: () => void (isCancelled = true),
    },
    { highWaterMark: 0 },
  );
  return { stream, pulls: () => pulls, isCancelled: () => isCancelled };
}

describe("a closable stream", () => {
  test("passes on its whole source, and calls onEnd once", async () => {
    let ends = 0;
    const { stream, end } = closableStream(source().stream, bytes("bye"), () => void (ends += 1));
    expect(await new Response(stream).text()).toBe("1 2 3 4 5 ");
    end();
    expect(ends).toBe(1);
  });

  test("pulls from its source only when its reader reads", async () => {
    const from = source();
    const reader = closableStream(from.stream, bytes("bye")).stream.getReader();
    await reader.read();
    await reader.read();
    expect(from.pulls()).toBe(2);
    await reader.cancel();
    expect(from.isCancelled()).toBe(true);
  });

  test("sends its closing bytes when it is ended, also while its reader waits", async () => {
    let isCancelled = false;
    const idle = new ReadableStream<Uint8Array>({ cancel: () => void (isCancelled = true) });
    const { stream, end } = closableStream(idle, bytes("bye"));
    const text = new Response(stream).text();
    end();
    end();
    expect(await text).toBe("bye");
    expect(isCancelled).toBe(true);
  });

  test("fails when its source fails", async () => {
    const broken = new ReadableStream<Uint8Array>({ start: (controller) => controller.error(new Error("gone")) });
    const { stream } = closableStream(broken, bytes("bye"));
    expect(new Response(stream).text()).rejects.toThrow("gone");
  }); // prettier-ignore
});

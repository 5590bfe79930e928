/** Bun's sockets to upstreams, read in small pieces after a pause, with all bytes and the right end. */

import { expect, test } from "bun:test";
import { createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { Worker } from "node:worker_threads";

import { bunSockets } from "../../../src/engine/wire/bun.ts";
import type { ConnectHandler, WireSocket } from "../../../src/engine/wire/sockets.ts";
import { pieceBytes } from "../../../src/engine/wire/upstream-socket-bun.ts";
import { until } from "../../support/wait.ts";

/** Checks that the bytes count up, whatever pieces they come in, and keeps what else happens. */
class Recorder implements ConnectHandler {
  socket: WireSocket | undefined;
  readonly events: string[] = [];
  length = 0;
  hasGap = false;
  onReceived: (chunk: Buffer) => void = () => {};

  pending(): void {}
  opened(socket: WireSocket): void {
    this.socket = socket;
  }
  received(chunk: Buffer): void {
    this.hasGap ||=
      chunk[0] !== this.length % period || chunk.at(-1) !== (this.length + chunk.length - 1) % period;
    this.length += chunk.length;
    this.onReceived(chunk);
  }
  drained(): void {}
  refused(code: string): void {
    this.events.push(`refused ${code}`);
  }
  ended(): void {
    this.events.push("ended");
  }
  closed(error: Error | undefined): void {
    this.events.push(`closed ${error && "code" in error ? String(error.code) : ""}`);
  }
  handlerThrew(error: Error): void {
    this.events.push(error.message);
  }
}

/** A prime: pieces that change places do not fit. */
const period = 251;
const totalBytes = 24 * 1024 * 1024;
const body = Buffer.alloc(totalBytes, Buffer.from(Array.from({ length: period }, (_, index) => index)));

const connectTo = (port: number, handler: ConnectHandler) =>
  bunSockets().connect({ protocol: "http", hostname: "127.0.0.1", port }, "127.0.0.1", handler);

async function withServer(onSocket: (socket: Socket) => void, use: (port: number) => Promise<void>) {
  const server: Server = createServer((socket) => {
    socket.on("error", () => {});
    onSocket(socket);
  });
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  try {
    await use((server.address() as AddressInfo).port);
  } finally {
    await new Promise((resolve) => server.close(resolve));
  }
}

test("a socket that resumes gets small pieces, all bytes, and then the end", () =>
  withServer(
    (socket) => void socket.end(body),
    async (port) => {
      const recorder = new Recorder();
      const firstLengths: number[] = [];
      let isPaused = false;
      let hasResumed = false;
      recorder.onReceived = ({ length }) => {
        if (hasResumed) firstLengths.push(length);
        hasResumed = false;
        // The kernel holds more with time: the first megabytes pass without a pause.
        if (recorder.length < totalBytes / 3) return;
        isPaused = true;
        recorder.socket?.pause();
      };
      connectTo(port, recorder);
      let lastLength = -1;
      await until(
        () => {
          // Paused while the runtime had a turn: more arrives in the kernel, and nothing here.
          if (isPaused && recorder.length === lastLength) {
            isPaused = false;
            hasResumed = true;
            recorder.socket?.resume();
          }
          lastLength = recorder.length;
          if (firstLengths.length > 20) recorder.onReceived = () => {};
          return recorder.events.length > 0;
        },
        "the end",
        10_000,
      );
      recorder.socket?.end();
      expect(firstLengths.length).toBeGreaterThan(20);
      expect(Math.max(...firstLengths)).toBeLessThanOrEqual(pieceBytes);
      expect([recorder.length, recorder.hasGap, recorder.events[0]]).toEqual([totalBytes, false, "ended"]);
    },
  ));

test("a socket that is closed while it gets pieces gets no more", () =>
  withServer(
    (socket) => void socket.write(body),
    async (port) => {
      const recorder = new Recorder();
      let closedAt = 0;
      recorder.onReceived = ({ length }) => {
        if (length !== pieceBytes || closedAt > 0) return;
        closedAt = recorder.length;
        recorder.socket?.terminate();
      };
      connectTo(port, recorder);
      await until(() => recorder.events.length > 0, "the end");
      expect([recorder.length, recorder.hasGap, recorder.events]).toEqual([closedAt, false, ["closed "]]);
    },
  ));

test("what a handler throws while it gets pieces reaches it as a bug", () =>
  withServer(
    (socket) => void socket.write(body),
    async (port) => {
      const recorder = new Recorder();
      recorder.onReceived = ({ length }) => {
        if (length === pieceBytes) throw new Error("a bug in a handler");
      };
      connectTo(port, recorder);
      await until(() => recorder.events.length > 0, "the bug");
      recorder.socket?.terminate();
      expect(recorder.events[0]).toBe("a bug in a handler");
    },
  ));

/** Sends what counts up, and resets the connection when it is told to, while the thread of the test is busy. */
const resetter = `
const { createServer } = require("node:net");
const { workerData: { state, body }, parentPort } = require("node:worker_threads");
const set = (value) => { Atomics.store(state, 0, value); Atomics.notify(state, 0); };
const server = createServer((socket) => {
  socket.on("error", () => {});
  socket.on("close", () => set(3));
  socket.write(body, () => {
    set(1);
    Atomics.wait(state, 0, 1);
    socket.resetAndDestroy();
  });
});
server.listen(0, "127.0.0.1", () => parentPort.postMessage(server.address().port));
`;

test("a reset that a read of a piece meets is no end", async () => {
  const state = new Int32Array(new SharedArrayBuffer(4));
  const waitFor = (value: number) => {
    for (let now = Atomics.load(state, 0); now !== value; now = Atomics.load(state, 0))
      if (Atomics.wait(state, 0, now, 5_000) === "timed-out")
        throw new Error(`Cannot go on: ${value} did not come`);
  };
  const sent = body.subarray(0, 300_000);
  const worker = new Worker(resetter, { eval: true, workerData: { state, body: sent } });
  try {
    const port = await new Promise<number>((resolve) => void worker.once("message", resolve));
    const recorder = new Recorder();
    let calls = 0;
    recorder.onReceived = () => {
      calls += 1;
      // The runtime's next read is a large one, and the pieces after it meet the reset.
      if (calls === 1) waitFor(1);
      if (calls !== 2) return;
      Atomics.store(state, 0, 2);
      Atomics.notify(state, 0);
      waitFor(3);
    };
    connectTo(port, recorder);
    await until(() => recorder.events.length > 0, "the end of the connection");
    expect([recorder.hasGap, recorder.events]).toEqual([false, ["closed ECONNRESET"]]);
  } finally {
    await worker.terminate();
  }
});

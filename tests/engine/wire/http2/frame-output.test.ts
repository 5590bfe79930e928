/** The frames of a connection whose peer reads slowly: nothing is lost or changed, and little memory waits. */

import { expect, test } from "bun:test";

import { FrameOutput } from "../../../../src/engine/wire/http2/frame-output.ts";
import type { WireSocket } from "../../../../src/engine/wire/sockets.ts";
import { FrameReader } from "../../../support/http2-reader.ts";

/** Takes as many bytes as it is told to, and keeps the buffers that it got. */
class SlowSocket {
  allowance = 0;
  readonly buffers: Uint8Array[] = [];
  readonly taken: Buffer[] = [];

  write(bytes: Uint8Array, offset: number, length: number): number {
    const count = Math.min(length, this.allowance);
    this.allowance -= count;
    this.buffers.push(bytes);
    this.taken.push(Buffer.from(bytes.subarray(offset, offset + count)));
    return count;
  }
}

test("frames that a socket takes in parts arrive whole, with those that were added meanwhile", () => {
  const socket = new SlowSocket();
  const output = new FrameOutput();
  output.socket = socket as unknown as WireSocket;
  const payloads = [20_000, 9_000, 10, 30_000, 5_000].map((length, index) => Buffer.alloc(length, index + 1));
  for (const [index, payload] of payloads.entries()) {
    output.data(index * 2 + 1, false, payload, 0, payload.length);
    socket.allowance = 7_000;
    output.flush();
  }
  while (output.waitingBytes > 0) {
    socket.allowance = 1_000;
    output.flush();
  }
  const received: Buffer[] = [];
  new FrameReader().read(Buffer.concat(socket.taken), ({ payload }) => void received.push(payload));
  expect(received.map((bytes, index) => bytes.equals(payloads[index] as Buffer))).toEqual(
    payloads.map(() => true),
  );
  expect(output.isBlocked).toBe(false);
});

test("only what a socket has not taken waits", () => {
  const socket = new SlowSocket();
  const output = new FrameOutput();
  output.socket = socket as unknown as WireSocket;
  output.data(1, false, Buffer.alloc(16_384), 0, 16_384);
  socket.allowance = 16_000;
  output.flush();
  output.flush();
  expect(socket.buffers.at(-1)?.buffer.byteLength).toBe(output.waitingBytes);
});

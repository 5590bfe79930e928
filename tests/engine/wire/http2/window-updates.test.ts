/** Peers that give back the window of a large body in many small updates, which is no flood. */

import { expect, test } from "bun:test";
import { connect } from "node:net";

import { wireEngine } from "../../../../src/engine/wire/bun.ts";
import { HeaderBlock } from "../../../../src/engine/wire/http2/hpack-encoder.ts";
import { frameFlag, frameType, preface } from "../../../../src/engine/wire/http2/protocol.ts";
import { startEngine } from "../../../support/engine-fixture.ts";
import { startOrigin } from "../../../support/origin.ts";
import { until } from "../../../support/wait.ts";

const bodyBytes = 6_000_000;
const updatesPerFrame = 4;

function frame(type: number, flags: number, streamId: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(streamId, 5);
  return Buffer.concat([head, payload]);
}

function updates(streamId: number, bytes: number): Buffer {
  const sizes = Array.from({ length: updatesPerFrame }, (_, i) => Math.floor((bytes + i) / updatesPerFrame));
  const frames = sizes.flatMap((size) => {
    if (size === 0) return [];
    const increment = Buffer.alloc(4);
    increment.writeUInt32BE(size);
    return [frame(frameType.windowUpdate, 0, streamId, increment)];
  });
  return Buffer.concat(frames);
}

test("sends a large body to a client that gives back its windows in small pieces", async () => {
  const body = Buffer.alloc(bodyBytes, "x");
  const origin = await startOrigin((_, socket) => {
    socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${bodyBytes}\r\n\r\n`);
    socket.write(body);
  });
  const fixture = await startEngine(wireEngine, { ports: [origin.port], listener: { http2: true } });
  const client = connect(fixture.port, "127.0.0.1");
  let [pending, received, goAways] = [Buffer.alloc(0), 0, 0];
  client.on("data", (chunk: Buffer) => {
    pending = Buffer.concat([pending, chunk]);
    while (pending.length >= 9 && pending.length >= 9 + pending.readUIntBE(0, 3)) {
      const length = pending.readUIntBE(0, 3);
      if (pending[3] === frameType.goAway) goAways += 1;
      if (pending[3] === frameType.data) {
        received += length;
        client.write(Buffer.concat([updates(0, length), updates(1, length)]));
      }
      pending = pending.subarray(9 + length);
    }
  });
  client.on("error", () => {});
  const block = new HeaderBlock();
  for (const index of [2, 4, 6]) block.addIndexed(index);
  const host = Buffer.from("shop.example");
  block.addValue(1, host, 0, host.length);
  const head = Buffer.from(block.bytes.subarray(0, block.length));
  const flags = frameFlag.endHeaders | frameFlag.endStream;
  client.write(
    Buffer.concat([preface, frame(4, 0, 0, Buffer.alloc(0)), frame(frameType.headers, flags, 1, head)]),
  );
  try {
    await until(() => received === bodyBytes || client.destroyed, "the body", 10_000);
    expect([received, goAways]).toEqual([bodyBytes, 0]);
  } finally {
    client.destroy();
    fixture.close();
    await origin.close();
  }
}, 20_000);

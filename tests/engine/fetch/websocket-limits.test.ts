/** The fetch engine's limits on WebSockets: the size of a message, and what all tunnels buffer. */

import { describe, expect, test } from "bun:test";

import { fetchEngine } from "../../../src/engine/fetch/bun.ts";
import { WebSocketBuffers } from "../../../src/engine/fetch/websocket-buffers.ts";
import { type EngineFixture, type EngineFixtureOptions, startEngine } from "../../support/engine-fixture.ts";
import { until } from "../../support/wait.ts";
import {
  closeCodeIn,
  frame,
  framesIn,
  openRawWebSocket,
  pour,
  startWebSocketOrigin,
  type WebSocketOrigin,
} from "../../support/websocket.ts";

const mebibyte = 1_048_576;

async function withTunnels(
  limits: EngineFixtureOptions["limits"],
  run: (fixture: EngineFixture, upstream: WebSocketOrigin) => Promise<void>,
): Promise<void> {
  const upstream = await startWebSocketOrigin();
  const fixture = await startEngine(fetchEngine, {
    ports: [upstream.origin.port],
    ...(limits && { limits }),
  });
  try {
    await run(fixture, upstream);
    expect(fixture.bugs).toEqual([]);
  } finally {
    fixture.close();
    await upstream.origin.close();
  }
}

const tooBig: readonly (readonly [string, (masked: boolean) => Buffer])[] = [
  ["one that claims a gigabyte", (masked) => frame("x", { claims: 2 ** 30, masked })],
  [
    "one that claims all that a header can",
    (masked) => frame("x", { claims: Number.MAX_SAFE_INTEGER, masked }),
  ],
  ["one of a byte more than the limit", (masked) => frame(Buffer.alloc(mebibyte + 1), { masked })],
  [
    "one in fragments that are too large together",
    (masked) =>
      Buffer.concat([
        frame(Buffer.alloc(600_000), { isLast: false, masked }),
        frame(Buffer.alloc(600_000), { opcode: "continuation", isLast: false, masked }),
      ]),
  ],
];

describe("a WebSocket message above the limit", () => {
  test.each(tooBig)("of a client, %s, closes its connection with 1009, and is counted", (_, bytes) =>
    withTunnels({}, async (fixture, upstream) => {
      const client = await openRawWebSocket(fixture.port);
      const side = await upstream.side(0);
      client.send(bytes(true));
      await until(() => closeCodeIn(client.received) !== undefined, "the client's close frame");
      expect(closeCodeIn(client.received)).toBe(1009);
      await until(() => closeCodeIn(side.received()) !== undefined, "the upstream's close frame");
      expect(closeCodeIn(side.received())).toBe(1001);
      await until(() => fixture.records.length === 1, "the record");
      expect(fixture.refused).toEqual(["message_too_large"]);
      expect(fixture.records).toMatchObject([{ status: 101, attempts: [{ outcome: "cancelled" }] }]);
      client.destroy();
    }),
  );

  test.each(tooBig)("of an upstream, %s, closes its connection with 1009, and is no failure", (_, bytes) =>
    withTunnels({}, async (fixture, upstream) => {
      const client = await openRawWebSocket(fixture.port);
      const side = await upstream.side(0);
      side.socket.write(bytes(false));
      await until(() => closeCodeIn(side.received()) !== undefined, "the upstream's close frame");
      expect(closeCodeIn(side.received())).toBe(1009);
      await until(() => closeCodeIn(client.received) !== undefined, "the client's close frame");
      expect(closeCodeIn(client.received)).toBe(1011);
      await until(() => fixture.records.length === 1, "the record");
      expect(fixture.refused).toEqual(["message_too_large"]);
      expect(fixture.ended).toMatchObject([{ outcome: { kind: "cancelled" } }]);
      client.destroy();
    }),
  );

  test("has the configured size: one of just that size passes, both ways", () =>
    withTunnels({ webSocketMessageBytes: 2 * mebibyte }, async (fixture, upstream) => {
      const client = await openRawWebSocket(fixture.port);
      const side = await upstream.side(0);
      const payload = Buffer.alloc(2 * mebibyte, 7);
      client.send(frame(payload, { masked: true }));
      await until(() => framesIn(side.received()).length === 1, "the client's message");
      side.socket.write(frame(payload));
      await until(() => framesIn(client.received).length === 1, "the upstream's message");
      expect(framesIn(side.received())[0]?.payload.equals(payload)).toBe(true);
      expect(framesIn(client.received)[0]?.payload.equals(payload)).toBe(true);
      expect(fixture.refused).toEqual([]);
      client.destroy();
    }));
});

test("tunnels that buffer too much together end, the largest first, and others go on", () =>
  withTunnels({ webSocketBufferBytes: mebibyte }, async (fixture, upstream) => {
    const ordinary = await openRawWebSocket(fixture.port);
    const ordinarySide = await upstream.side(0);
    const readers = [];
    for (let i = 1; i <= 12; i++) {
      const client = await openRawWebSocket(fixture.port);
      client.socket.pause();
      const side = await upstream.side(i);
      // More than the system's own buffers take.
      pour(side.socket, frame(Buffer.alloc(mebibyte)), 32 * mebibyte);
      readers.push({ client, side });
    }
    await until(() => fixture.refused.includes("buffers_full"), "a tunnel to end");
    await until(() => fixture.refused.length >= 4, "more of them to end");
    expect(fixture.refused.every((reason) => reason === "buffers_full")).toBe(true);
    expect(fixture.refused.length).toBeLessThan(12);
    expect(fixture.ended.every(({ outcome }) => outcome.kind === "cancelled")).toBe(true);
    ordinary.send(frame("still here", { opcode: "text", masked: true }));
    await until(() => framesIn(ordinarySide.received()).length === 1, "a message of another tunnel");
    for (const { client } of readers) client.destroy();
    ordinary.destroy();
  }));

test("the budget reads its tunnels again before it ends one", () => {
  const buffers = new WebSocketBuffers(100);
  const dropped: string[] = [];
  const tunnel = (name: string, bufferedBytes: number) => ({
    bufferedBytes,
    dropBuffers: () => void dropped.push(name),
  });
  const [one, two, three] = [tunnel("one", 60), tunnel("two", 30), tunnel("three", 50)];
  buffers.update(one);
  buffers.update(two);
  expect(buffers.total).toBe(90);
  one.bufferedBytes = 10;
  buffers.update(three);
  expect([dropped, buffers.total]).toEqual([[], 90]);
  two.bufferedBytes = 45;
  buffers.update(two);
  expect([dropped, buffers.total]).toEqual([["three"], 55]);
  buffers.remove(two);
  expect(buffers.total).toBe(10);
});

/** What engines must do with WebSockets whose peers read slowly or send messages of any size. */

import { expect } from "bun:test";
import type { Socket } from "node:net";

import type { Engine } from "../../src/engine/engine.ts";
import { type EngineFixture, startEngine } from "../support/engine-fixture.ts";
import { until } from "../support/wait.ts";
import {
  closeCodeIn,
  frame,
  openRawWebSocket,
  pour,
  startWebSocketOrigin,
  untilStill,
  type WebSocketOrigin,
} from "../support/websocket.ts";

const mebibyte = 1_048_576;

async function withTunnels(
  engine: Engine,
  run: (fixture: EngineFixture, upstream: WebSocketOrigin) => Promise<void>,
): Promise<void> {
  const upstream = await startWebSocketOrigin();
  const fixture = await startEngine(engine, { ports: [upstream.origin.port], ejectsAfter: 1 });
  try {
    await run(fixture, upstream);
    expect(fixture.bugs).toEqual([]);
    await until(() => fixture.pool.upstreams[0]?.inFlight === 0, "the tunnels to end");
    expect(fixture.ended.filter(({ outcome }) => outcome.kind === "failure")).toEqual([]);
    expect(fixture.pool.upstreams[0]?.outlier.state).toBe("up");
  } finally {
    fixture.close();
    await upstream.origin.close();
  }
}

/** Pours messages from one side to the other, which does not read at first. */
async function pourThrough(from: Socket, to: Socket, masked: boolean, arrived: () => number): Promise<void> {
  const piece = frame(Buffer.alloc(50_000, 7), { masked });
  const total = 48 * mebibyte;
  to.pause();
  const written = pour(from, piece, total);
  await untilStill(written, "the sender to pause");
  expect(written()).toBeLessThan(total - 8 * mebibyte);
  to.resume();
  await until(() => arrived() >= Math.ceil(total / piece.length) * 50_000, "all messages to arrive", 20_000);
}

export const webSocketLaws: Readonly<Record<string, (engine: Engine) => Promise<void>>> = {
  "stops reading a WebSocket's client while the upstream takes nothing, and forwards all of it later": (
    engine,
  ) =>
    withTunnels(engine, async (fixture, upstream) => {
      const client = await openRawWebSocket(fixture.port);
      const side = await upstream.side(0);
      await pourThrough(client.socket, side.socket, true, side.receivedBytes);
      client.destroy();
    }),

  "stops reading a WebSocket's upstream while the client takes nothing, and forwards all of it later": (
    engine,
  ) =>
    withTunnels(engine, async (fixture, upstream) => {
      const client = await openRawWebSocket(fixture.port);
      const side = await upstream.side(0);
      let arrived = 0;
      client.socket.on("data", (chunk: Buffer) => (arrived += chunk.length));
      await pourThrough(side.socket, client.socket, false, () => arrived);
      client.destroy();
    }),

  "buffers little of a WebSocket message that claims a gigabyte, from either side": (engine) =>
    withTunnels(engine, async (fixture, upstream) => {
      for (const isClients of [true, false]) {
        const client = await openRawWebSocket(fixture.port);
        const side = await upstream.side(isClients ? 0 : 1);
        const [from, to] = isClients ? [client.socket, side.socket] : [side.socket, client.socket];
        to.pause();
        from.write(frame("", { claims: 2 ** 30, masked: isClients }));
        const written = pour(from, Buffer.alloc(65_536), 256 * mebibyte);
        await until(() => from.destroyed || client.isClosed || written() > 4 * mebibyte, "bytes or an end");
        if (!from.destroyed) await untilStill(written, "the sender to pause");
        expect(written()).toBeLessThan(32 * mebibyte);
        to.resume();
        client.destroy();
        await until(() => fixture.pool.upstreams[0]?.inFlight === 0, "the tunnel to end");
        side.socket.destroy();
      }
      const ordinary = await openRawWebSocket(fixture.port);
      const last = await upstream.side(2);
      ordinary.send(frame("hello", { opcode: "text", masked: true }));
      await until(() => last.receivedBytes() > 0, "a message of another client");
      ordinary.send(frame("\x03\xe8", { opcode: "close", masked: true }));
      last.socket.write(frame("\x03\xe8", { opcode: "close" }));
      await until(() => closeCodeIn(ordinary.received) !== undefined, "the close");
      ordinary.destroy();
    }),
};

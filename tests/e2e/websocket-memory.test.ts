/** One client of the fetch engine must not fill the balancer's memory with a WebSocket message. */

import { expect, test } from "bun:test";

import type { Snapshot } from "../../src/snapshot/snapshot.ts";
import { Programs } from "../support/program.ts";
import { until } from "../support/wait.ts";
import { closeCodeIn, frame, openRawWebSocket, pour, startWebSocketOrigin } from "../support/websocket.ts";

const mebibyte = 1_048_576;

test("WebSocket messages that claim a gigabyte, and peers that read nothing, leave the balancer's memory small", async () => {
  await using programs = new Programs();
  const upstream = await startWebSocketOrigin();
  const proxy = programs.evenkeel(
    ...["proxy", "--port", "0", "--admin-port", "0", "--host", "127.0.0.1", "--engine", "fetch"],
    ...["--upstreams", upstream.origin.url],
  );
  const port = await proxy.port("balancer");
  const admin = `http://127.0.0.1:${await proxy.port("admin")}`;
  const rssBytes = async () =>
    ((await (await fetch(`${admin}/api/snapshot`)).json()) as Snapshot).memory.rssBytes;
  // The first tunnel loads code.
  const first = await openRawWebSocket(port);
  first.send(frame("hello", { masked: true }));
  await until(async () => (await upstream.side(0)).receivedBytes() > 0, "a message");
  const before = await rssBytes();
  const piece = Buffer.alloc(65_536);
  for (let i = 1; i <= 4; i++) {
    const client = await openRawWebSocket(port);
    const side = await upstream.side(i);
    const [from, to] = i % 2 === 0 ? [client.socket, side.socket] : [side.socket, client.socket];
    to.pause();
    from.write(frame("", { claims: 2 ** 30, masked: i % 2 === 0 }));
    pour(from, piece, 300 * mebibyte);
    to.resume();
    await until(() => closeCodeIn(client.received) !== undefined, "the end of the tunnel", 10_000);
    client.destroy();
  }
  for (let i = 5; i <= 12; i++) {
    const client = await openRawWebSocket(port);
    const side = await upstream.side(i);
    for (const socket of [client.socket, side.socket]) socket.pause();
    pour(client.socket, frame(Buffer.alloc(mebibyte), { masked: true }), 64 * mebibyte);
    pour(side.socket, frame(Buffer.alloc(mebibyte)), 64 * mebibyte);
  }
  let highest = 0;
  const since = performance.now();
  await until(async () => {
    highest = Math.max(highest, await rssBytes());
    return performance.now() - since > 1_500;
  }, "the balancer to show its memory");
  expect(highest - before).toBeLessThan(200 * mebibyte);
  await upstream.origin.close();
}, 40_000);

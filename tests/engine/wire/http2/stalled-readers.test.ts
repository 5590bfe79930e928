/** The memory of clients that ask for a gigabyte over HTTP/2 and stop reading: the engine must not buffer it. */

import { expect, test } from "bun:test";
import { fork } from "node:child_process";
import type { Socket } from "node:net";
import { join } from "node:path";

import { setting } from "../../../../src/engine/wire/http2/protocol.ts";
import { Http2Client } from "../../../support/http2-client.ts";
import { startOrigin } from "../../../support/origin.ts";
import { until } from "../../../support/wait.ts";
import type { EngineUse } from "./separate-engine.ts";

const gigabyte = 1024 ** 3;
const clients = 80;
const maxBytesEach = 256 * 1024;
const piece = Buffer.alloc(256 * 1024);

function pour(socket: Socket, left: number): void {
  if (left > 0 && !socket.destroyed) socket.write(piece, () => pour(socket, left - piece.length));
}

async function costOfStalled(stall: (port: number) => Promise<Http2Client>): Promise<number> {
  const origin = await startOrigin((_, socket) => {
    socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${gigabyte}\r\n\r\n`);
    pour(socket, gigabyte);
  });
  const engine = fork(join(import.meta.dir, "separate-engine.ts"), [String(origin.port), "60000"]);
  const next = <Value>() =>
    new Promise<Value>((resolve) => void engine.once("message", (value) => resolve(value as Value)));
  const use = () => {
    engine.send("use");
    return next<EngineUse>();
  };
  const open: Http2Client[] = [];
  try {
    const port = await next<number>();
    for (let i = 0; i < 4; i++) open.push(await stall(port));
    const before = await use();
    for (let i = 0; i < clients; i++) open.push(await stall(port));
    let last = -1;
    let after = await use();
    await until(async () => {
      last = after.rss;
      await new Promise((resolve) => setTimeout(resolve, 100));
      after = await use();
      return Math.abs(after.rss - last) < 1_000_000;
    }, "the memory to be stable");
    expect(after.active).toBe(clients + 4);
    return (after.rss - before.rss) / clients;
  } finally {
    for (const client of open) client.destroy();
    engine.disconnect();
    await origin.close();
  }
}

test("a client that never gives back its windows costs less than 256 KiB", async () => {
  const cost = await costOfStalled(async (port) => {
    const client = await Http2Client.connect(port, { keepsWindow: true });
    client.get(1);
    await until(() => client.stream(1).bodyBytes === 65_535, "the window to be used");
    return client;
  });
  expect(cost).toBeLessThan(maxBytesEach);
}, 20_000);

/** The runtime reads up to 512 KiB at once from an upstream, as it does for HTTP/1.1. What the socket did not take waits. */
const maxReadBytes = 512 * 1024;

test("a client with large windows that does not read its socket costs what one read of its upstream brings", async () => {
  const cost = await costOfStalled(async (port) => {
    const settings = [[setting.initialWindowSize, 2 ** 31 - 1]] as const;
    const client = await Http2Client.connect(port, { keepsWindow: true, settings });
    client.windowUpdate(0, 2 ** 30);
    client.get(1);
    await until(() => client.stream(1).bodyBytes > 0, "the response");
    client.socket.pause();
    return client;
  });
  expect(cost).toBeLessThan(maxReadBytes + maxBytesEach);
}, 20_000);

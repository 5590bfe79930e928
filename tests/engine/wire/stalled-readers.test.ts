/** The memory of clients that ask for a gigabyte and stop reading, over HTTP/1.1 and HTTP/2: the engine must not buffer it. */

import { describe, expect, test } from "bun:test";
import { fork } from "node:child_process";
import type { Socket } from "node:net";
import { join } from "node:path";
import { connect as connectTls } from "node:tls";

import { setting } from "../../../src/engine/wire/http2/protocol.ts";
import { Http2Client } from "../../support/http2-client.ts";
import { startOrigin } from "../../support/origin.ts";
import { until } from "../../support/wait.ts";
import type { EngineUse } from "./http2/separate-engine.ts";

const gigabyte = 1024 ** 3;
const clients = 80;
/** The first ones load code. */
const warmUps = 16;
const maxBytesEach = 256 * 1024;
const piece = Buffer.alloc(256 * 1024);

function pour(socket: Socket, left: number): void {
  if (left > 0 && !socket.destroyed) socket.write(piece, () => pour(socket, left - piece.length));
}

interface Stalled {
  readonly socket: Socket;
}

/** @param scheme of the listener  @param stall opens a connection whose client reads no more */
async function costOfStalled(
  scheme: "http" | "https",
  stall: (port: number) => Promise<Stalled>,
): Promise<number> {
  const origin = await startOrigin((_, socket) => {
    socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${gigabyte}\r\n\r\n`);
    pour(socket, gigabyte);
  });
  const engine = fork(join(import.meta.dir, "http2/separate-engine.ts"), [
    ...[String(origin.port), "60000", scheme === "https" ? "tls" : ""],
  ]);
  const next = <Value>() =>
    new Promise<Value>((resolve) => void engine.once("message", (value) => resolve(value as Value)));
  const use = () => {
    engine.send("use");
    return next<EngineUse>();
  };
  const open: Stalled[] = [];
  try {
    const port = await next<number>();
    for (let i = 0; i < warmUps; i++) open.push(await stall(port));
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
    expect(after.active).toBe(clients + warmUps);
    return (after.rss - before.rss) / clients;
  } finally {
    for (const { socket } of open) socket.destroy();
    engine.disconnect();
    await origin.close();
  }
}

test("a client that never gives back its windows costs less than 256 KiB", async () => {
  const cost = await costOfStalled("http", async (port) => {
    const client = await Http2Client.connect(port, { keepsWindow: true });
    client.get(1);
    await until(() => client.stream(1).bodyBytes === 65_535, "the window to be used");
    return client;
  });
  expect(cost).toBeLessThan(maxBytesEach);
}, 20_000);

describe.each(["http", "https"] as const)("a client that does not read its socket (%s)", (scheme) => {
  test("costs less than 256 KiB with large windows of HTTP/2", async () => {
    const cost = await costOfStalled(scheme, async (port) => {
      const settings = [[setting.initialWindowSize, 2 ** 31 - 1]] as const;
      const isSecure = scheme === "https";
      const client = await Http2Client.connect(port, { keepsWindow: true, settings, isSecure });
      client.windowUpdate(0, 2 ** 30);
      client.get(1);
      await until(() => client.stream(1).bodyBytes > 0, "the response");
      client.socket.pause();
      return client;
    });
    expect(cost).toBeLessThan(maxBytesEach);
  }, 20_000);
});

test("a client that does not read its socket costs less than 256 KiB over HTTP/1.1 and TLS", async () => {
  const cost = await costOfStalled("https", async (port) => {
    const socket = connectTls({ port, host: "127.0.0.1", rejectUnauthorized: false });
    await new Promise((resolve) => socket.once("secureConnect", resolve));
    socket.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    await new Promise<void>((resolve) => {
      socket.once("data", () => {
        socket.pause();
        resolve();
      });
    });
    return { socket };
  });
  expect(cost).toBeLessThan(maxBytesEach);
}, 20_000);

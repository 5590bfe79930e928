/** Laws of a listener with limits: it serves while others hold connections and say nothing. */

import assert from "node:assert/strict";
import { connect, type Socket } from "node:net";
import type { Runtime } from "../../src/runtime/runtime.ts";
import { until } from "../support/wait.ts";
import { quietStream } from "./clients.ts";
import { serving } from "./fixture.ts";

interface Held {
  readonly socket: Socket;
  received: string;
  isClosed: boolean;
}

/** Holds a connection on which these bytes were sent. */
function hold(port: number, bytes = ""): Held {
  const held: Held = { socket: connect(port, "127.0.0.1"), received: "", isClosed: false };
  held.socket.on("data", (chunk: Buffer) => (held.received += chunk.toString("latin1")));
  held.socket.on("error", () => {});
  held.socket.on("close", () => (held.isClosed = true));
  if (bytes) held.socket.write(bytes);
  return held;
}

const get = (path = "/") => `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`;

/** As much as the reader takes. */
function flood(): ReadableStream<Uint8Array> {
  return new ReadableStream({ pull: (controller) => controller.enqueue(new Uint8Array(65_536)) });
}

async function withLimits(
  runtime: Runtime,
  limits: { readonly headMs?: number; readonly idleMs?: number; readonly stallMs?: number },
  run: (port: number) => Promise<void>,
): Promise<void> {
  const handle = async (request: Request) =>
    request.url.endsWith("/flood")
      ? new Response(flood())
      : request.url.endsWith("/stream")
        ? new Response(quietStream())
        : new Response(await request.text());
  const options = {
    handle,
    limits: { maxConnections: 10, headMs: 60_000, idleMs: 60_000, stallMs: 60_000, ...limits },
  };
  await serving(runtime, options, (url) => run(Number(new URL(url).port)));
}

async function statusOf(port: number): Promise<string> {
  const client = hold(port, get());
  await until(() => client.received.includes("\r\n\r\n") || client.isClosed, "a response");
  client.socket.destroy();
  return client.received.slice(9, 12);
}

export const limitLaws: readonly {
  readonly name: string;
  readonly check: (runtime: Runtime) => Promise<void>;
}[] = [
  {
    name: "with limits: serves a request although many more connections than it accepts are silent",
    check: (runtime) =>
      withLimits(runtime, {}, async (port) => {
        const silent = Array.from({ length: 100 }, () => hold(port));
        for (let i = 0; i < 5; i++) assert.equal(await statusOf(port), "200");
        await until(() => silent.filter(({ isClosed }) => isClosed).length >= 90, "their end");
        for (const { socket } of silent) socket.destroy();
      }),
  },
  {
    name: "with limits: closes connections whose head does not arrive in time, silent or byte by byte",
    check: (runtime) =>
      withLimits(runtime, { headMs: 600 }, async (port) => {
        const [silent, half, slow] = [hold(port), hold(port, "GET / HTTP/1.1\r\nHo"), hold(port)];
        const trickle = setInterval(
          () => slow.socket.write("GET /aaaaaaaaaaaaaaaaaaaaaaaaa".slice(0, 1)),
          100,
        );
        try {
          await until(() => silent.isClosed && half.isClosed && slow.isClosed, "their end");
        } finally {
          clearInterval(trickle);
        }
      }),
  },
  {
    name: "with limits: closes an idle connection, and neither a stream nor one that is used",
    check: (runtime) =>
      withLimits(runtime, { idleMs: 500, headMs: 500 }, async (port) => {
        const [idle, used, stream] = [hold(port, get()), hold(port, get()), hold(port, get("/stream"))];
        const use = setInterval(() => used.socket.write(get()), 100);
        try {
          await until(() => idle.isClosed, "the end of the idle one");
          assert.ok(idle.received.startsWith("HTTP/1.1 200"), idle.received);
          assert.deepEqual([used.isClosed, stream.isClosed], [false, false]);
        } finally {
          clearInterval(use);
        }
        await until(() => used.isClosed, "the end of the other one");
        assert.equal(stream.isClosed, false);
        stream.socket.destroy();
      }),
  },
  {
    name: "with limits: refuses in words while all connections are in use, and serves when one is free again",
    check: (runtime) =>
      withLimits(runtime, {}, async (port) => {
        const streams = Array.from({ length: 10 }, () => hold(port, get("/stream")));
        await until(() => streams.every(({ received }) => received.includes("begun")), "the streams");
        const refused = hold(port, get());
        await until(() => refused.isClosed, "the refusal");
        assert.match(refused.received, /^HTTP\/1.1 503 [^]*all 10 connections are in use/);
        for (const { socket } of streams) socket.destroy();
        await until(async () => (await statusOf(port)) === "200", "service");
      }),
  },
  {
    name: "with limits: ends a stream that its client does not read, and an upload that stalls",
    check: (runtime) =>
      withLimits(runtime, { stallMs: 500 }, async (port) => {
        const stalled = connect(port, "127.0.0.1");
        stalled.on("error", () => {});
        stalled.pause();
        stalled.write(get("/flood"));
        const upload = hold(port, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhalf");
        const quiet = hold(port, get("/stream"));
        await until(() => upload.isClosed, "the end of the upload");
        // A write to a closed socket is answered with a reset, which a paused socket notices.
        let isClosed = false;
        stalled.on("close", () => (isClosed = true));
        const write = setInterval(() => stalled.write("x"), 100);
        try {
          await until(() => isClosed, "the end of the stream", 10_000);
        } finally {
          clearInterval(write);
        }
        assert.equal(quiet.isClosed, false);
        quiet.socket.destroy();
      }),
  },
  {
    name: "with limits: a request whose body nobody reads does not disturb the next one",
    check: async (runtime) => {
      const options = {
        handle: async () => new Response("unread"),
        limits: { maxConnections: 10, headMs: 5_000, idleMs: 5_000, stallMs: 5_000 },
      };
      await serving(runtime, options, async (url) => {
        const head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2000000\r\n\r\n";
        const client = hold(Number(new URL(url).port), head + "x".repeat(2_000_000) + get());
        await until(() => client.received.split("unread").length === 3, "two responses");
        client.socket.destroy();
      });
    },
  },
];

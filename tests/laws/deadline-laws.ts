/** What engines must do when the total timeout of a request expires, and when a WebSocket handshake waits on an upstream that is down. */

import { expect } from "bun:test";

import type { Engine } from "../../src/engine/engine.ts";
import { systemClock, systemSchedule } from "../../src/lib/clock.ts";
import { rescueWaiting } from "../../src/pool/attempt-control.ts";
import { Deadlines, type DeadlinesOptions } from "../../src/proxy/deadlines.ts";
import { FakeTime } from "../support/fake-time.ts";
import { respondWith, startOrigin, startSilentOrigins, type SilentOrigins } from "../support/origin.ts";
import { sendRequest, RawClient } from "../support/raw-client.ts";
import { type EngineFixture, startEngine, type EngineFixtureOptions } from "../support/engine-fixture.ts";
import { until } from "../support/wait.ts";

const get = (target = "/") => `GET ${target} HTTP/1.1\r\nHost: shop.example\r\n\r\n`;
const totalMs = 300;

interface DeadlineSetup extends SilentOrigins {
  readonly fixture: EngineFixture;
  readonly deadlines: Deadlines;
}

async function withDeadlines(
  engine: Engine,
  run: (setup: DeadlineSetup) => Promise<void>,
  options: Partial<EngineFixtureOptions> = {},
  time: DeadlinesOptions = { clock: systemClock, schedule: systemSchedule },
): Promise<void> {
  const { origins, pending } = await startSilentOrigins(2);
  const deadlines = new Deadlines(time);
  const fixture = await startEngine(engine, {
    ports: origins.map(({ port }) => port),
    policy: "first",
    timeouts: { totalMs },
    destination: { deadlines },
    ...options,
  });
  try {
    await run({ fixture, origins, pending, deadlines });
    await until(
      () => fixture.pool.upstreams.every(({ inFlight }) => inFlight === 0),
      "no attempt to be left",
    );
    await until(() => deadlines.size === 0, "no deadline to be left");
    expect(fixture.bugs).toEqual([]);
  } finally {
    fixture.close();
    for (const origin of origins) await origin.close();
  }
}

const isDropped = ({ origins }: DeadlineSetup) =>
  until(() => origins.every((origin) => origin.open() === 0), "all connections to be closed");

/** A WebSocket upstream that sends a greeting. */
function startGreetingUpstream() {
  return Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: (request, server) => (server.upgrade(request) ? undefined : new Response("no", { status: 400 })),
    websocket: { open: (socket) => void socket.send("welcome"), message() {} },
  });
}

/** Sends the pieces of a body one after another. @returns stops it */
function drip(client: RawClient, pieces: readonly string[], everyMs: number): () => void {
  const rest = [...pieces];
  const timer = setInterval(() => {
    const piece = rest.shift();
    if (piece === undefined || !client.socket.writable) clearInterval(timer);
    else client.send(piece);
  }, everyMs);
  return () => clearInterval(timer);
}

const postHead = (length: number) =>
  `POST / HTTP/1.1\r\nHost: shop.example\r\nContent-Length: ${length}\r\n\r\n`;

export const deadlineLaws: Readonly<Record<string, (engine: Engine) => Promise<void>>> = {
  "counts the time in which a body arrives towards the total timeout, be it small or large": (engine) =>
    withDeadlines(engine, async ({ fixture }) => {
      for (const length of [100, 1_000_000]) {
        const client = await RawClient.connect(fixture.port);
        const stop = drip(client.send(postHead(length)), Array(100).fill("x"), 30);
        const since = performance.now();
        const response = await client.readResponse();
        stop();
        expect(response.status).toBe(504);
        expect(response.body.toString()).toContain("total_timeout");
        expect(performance.now() - since).toBeLessThan(2_000);
        client.destroy();
      }
      expect(fixture.ended.filter(({ outcome }) => outcome.kind === "failure")).toEqual([]);
    }),

  "takes a small body whose pieces keep to the client's body timeout, however long all of them take": async (
    engine,
  ) => {
    const origin = await startOrigin(({ body }, socket) => void socket.write(respondWith(body)));
    const fixture = await startEngine(engine, { ports: [origin.port], clientTimeouts: { bodyIdleMs: 400 } });
    const client = await RawClient.connect(fixture.port);
    try {
      drip(client.send(postHead(8)), ["1", "2", "3", "4", "5", "6", "7", "8"], 100);
      const response = await client.readResponse();
      expect([response.status, response.body.toString()]).toEqual([200, "12345678"]);
      client.send(`${postHead(8)}1234`);
      expect((await client.readResponse()).status).toBe(408);
    } finally {
      client.destroy();
      fixture.close();
      await origin.close();
    }
  },

  "responds with 504 when the total timeout expires, without a retry or an upstream failure": (engine) =>
    withDeadlines(engine, async (setup) => {
      const since = performance.now();
      const response = await sendRequest(setup.fixture.port, get());
      expect(performance.now() - since).toBeGreaterThan(totalMs - 20);
      expect(response.status).toBe(504);
      expect(response.header("proxy-status")).toContain('details="total_timeout"');
      await isDropped(setup);
      const { refused, retried, ended } = setup.fixture;
      expect([refused, retried, setup.pending.length]).toEqual([["total_timeout"], [], 1]);
      expect(ended.map(({ outcome }) => outcome)).toEqual([{ kind: "cancelled" }]);
    }),

  "cancels both attempts of a hedged request when its total timeout expires": (engine) =>
    withDeadlines(
      engine,
      async (setup) => {
        expect((await sendRequest(setup.fixture.port, get())).status).toBe(504);
        await isDropped(setup);
        const { refused, ended, hedged } = setup.fixture;
        expect([refused, setup.pending.length, hedged.length <= 1]).toEqual([["total_timeout"], 2, true]);
        expect(ended.map(({ outcome }) => outcome.kind)).toEqual(["cancelled", "cancelled"]);
      },
      { hedgeAfterMs: 30 },
    ),

  "counts the time in the queue and earlier attempts towards the total timeout": (engine) =>
    withDeadlines(
      engine,
      async ({ fixture, pending }) => {
        const first = sendRequest(fixture.port, get("/1"));
        await until(() => pending.length === 1, "the first request");
        const others = [sendRequest(fixture.port, get("/2")), sendRequest(fixture.port, get("/3"))];
        await until(() => pending.length === 2 && fixture.queued() === 1, "the others, one of them waiting");
        const statuses = await Promise.all(
          [first, ...others].map(async (response) => (await response).status),
        );
        expect(statuses).toEqual([504, 504, 504]);
      },
      { queue: { maxInFlight: 1, maxWaiting: 5, timeoutMs: 60_000, whenNoneFit: false } },
    ),

  "lets a response that has begun finish, regardless of the total timeout": (engine) => {
    // A fake clock: on a stalled machine a response that was written in time must not become late.
    const time = new FakeTime();
    return withDeadlines(
      engine,
      async ({ fixture, pending, deadlines }) => {
        const client = (await RawClient.connect(fixture.port)).send(get());
        await until(() => pending.length === 1, "the request");
        expect(deadlines.size).toBe(1);
        // Chunked: a small one of known length may be read whole before it goes out.
        pending[0]?.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nall\r\n");
        await until(() => client.received.includes("all"), "the response to begin");
        await time.advance(totalMs + 200);
        pending[0]?.write("3\r\nive\r\n0\r\n\r\n");
        expect((await client.readResponse()).body.toString()).toBe("allive");
        client.destroy();
      },
      {},
      time,
    );
  },

  "serves the next request on the connection of a request that timed out": (engine) =>
    withDeadlines(engine, async ({ fixture, pending }) => {
      const client = await RawClient.connect(fixture.port);
      expect((await client.send(get("/late")).readResponse()).status).toBe(504);
      client.send(get("/next"));
      await until(() => pending.length === 2, "the next request");
      pending[1]?.write(respondWith("in time"));
      expect((await client.readResponse()).body.toString()).toBe("in time");
      client.destroy();
    }),

  "rescues a WebSocket handshake that waits on an upstream that went down": async (engine) => {
    const server = startGreetingUpstream();
    const frozen = await startOrigin(() => {});
    const fixture = await startEngine(engine, { ports: [frozen.port, server.port ?? 0], policy: "first" });
    try {
      const socket = new WebSocket(`ws://127.0.0.1:${fixture.port}/chat`);
      const messages: unknown[] = [];
      socket.addEventListener("message", ({ data }) => messages.push(data));
      await until(() => frozen.requests.length === 1, "the handshake to wait");
      const [upstream] = fixture.pool.upstreams;
      for (let i = 0; i < 3; i++) if (upstream) fixture.pool.recordProbe(upstream, false);
      if (upstream) rescueWaiting(upstream);
      await until(() => messages.length === 1, "a greeting");
      expect([messages, fixture.retried]).toEqual([["welcome"], ["rescued"]]);
      await until(() => frozen.open() === 0, "the first connection to be closed");
      expect(fixture.pool.upstreams.map(({ inFlight }) => inFlight)).toEqual([0, 1]);
      socket.close();
      await until(() => fixture.ended.length === 2, "the tunnel to end");
      expect(fixture.ended.map(({ outcome }) => outcome.kind)).toEqual(["failure", "response"]);
      expect(fixture.bugs).toEqual([]);
    } finally {
      fixture.close();
      await frozen.close();
      await server.stop(true);
    }
  },

  "refuses a WebSocket handshake when the total timeout expires": (engine) =>
    withDeadlines(engine, async (setup) => {
      const handshake = `GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${btoa("0123456789abcdef")}\r\n\r\n`;
      const response = await (await RawClient.connect(setup.fixture.port)).send(handshake).readResponse();
      expect(response.status).toBe(504);
      expect(setup.fixture.refused).toEqual(["total_timeout"]);
      await isDropped(setup);
    }),
};

/** What engines must do when the time that a request may take as a whole is up, and where WebSocket handshakes go that wait in vain. */

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

interface Scene extends SilentOrigins {
  readonly stage: EngineFixture;
  readonly deadlines: Deadlines;
}

async function play(
  engine: Engine,
  act: (scene: Scene) => Promise<void>,
  options: Partial<EngineFixtureOptions> = {},
  time: DeadlinesOptions = { clock: systemClock, schedule: systemSchedule },
): Promise<void> {
  const { origins, pending: stuck } = await startSilentOrigins(2);
  const deadlines = new Deadlines(time);
  const set = await startEngine(engine, {
    ports: origins.map(({ port }) => port),
    policy: "first",
    timeouts: { totalMs },
    destination: { deadlines },
    ...options,
  });
  try {
    await act({ stage: set, origins, pending: stuck, deadlines });
    await until(() => set.pool.upstreams.every(({ inFlight }) => inFlight === 0), "nothing to be left");
    await until(() => deadlines.size === 0, "nobody to be hurried");
    expect(set.bugs).toEqual([]);
  } finally {
    set.close();
    for (const origin of origins) await origin.close();
  }
}

const isDropped = ({ origins }: Scene) =>
  until(() => origins.every((origin) => origin.open() === 0), "all connections to be dropped");

/** A WebSocket upstream that greets. */
function greeter() {
  return Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: (request, server) => (server.upgrade(request) ? undefined : new Response("no", { status: 400 })),
    websocket: { open: (socket) => void socket.send("welcome"), message() {} },
  });
}

export const deadlineLaws: Readonly<Record<string, (engine: Engine) => Promise<void>>> = {
  "answers 504 when the time for the whole request is up, tries nobody else and blames nobody": (engine) =>
    play(engine, async (scene) => {
      const since = performance.now();
      const response = await sendRequest(scene.stage.port, get());
      expect(performance.now() - since).toBeGreaterThan(totalMs - 20);
      expect(response.status).toBe(504);
      expect(response.header("proxy-status")).toContain('details="total_timeout"');
      await isDropped(scene);
      const { refused, retried, ended } = scene.stage;
      expect([refused, retried, scene.pending.length]).toEqual([["total_timeout"], [], 1]);
      expect(ended.map(({ outcome }) => outcome)).toEqual([{ kind: "cancelled" }]);
    }),

  "ends both attempts of a hedged request when its time is up": (engine) =>
    play(
      engine,
      async (scene) => {
        expect((await sendRequest(scene.stage.port, get())).status).toBe(504);
        await isDropped(scene);
        const { refused, ended, hedged } = scene.stage;
        expect([refused, scene.pending.length, hedged.length <= 1]).toEqual([["total_timeout"], 2, true]);
        expect(ended.map(({ outcome }) => outcome.kind)).toEqual(["cancelled", "cancelled"]);
      },
      { hedgeAfterMs: 30 },
    ),

  "counts the wait for a place and an attempt before as time of the whole request": (engine) =>
    play(
      engine,
      async ({ stage, pending: stuck }) => {
        const first = sendRequest(stage.port, get("/1"));
        await until(() => stuck.length === 1, "the first request");
        const others = [sendRequest(stage.port, get("/2")), sendRequest(stage.port, get("/3"))];
        await until(() => stuck.length === 2 && stage.queued() === 1, "the others, one of them waiting");
        const statuses = await Promise.all([first, ...others].map(async (asked) => (await asked).status));
        expect(statuses).toEqual([504, 504, 504]);
      },
      { queue: { maxInFlight: 1, maxWaiting: 5, timeoutMs: 60_000, whenNoneFit: false } },
    ),

  "lets an answer that has begun go on, however long it takes": (engine) => {
    // Moved by hand: a machine that stands still for a while must not make an answer late that was written in time.
    const time = new FakeTime();
    return play(
      engine,
      async ({ stage, pending: stuck, deadlines }) => {
        const client = (await RawClient.connect(stage.port)).send(get());
        await until(() => stuck.length === 1, "the request");
        expect(deadlines.size).toBe(1);
        stuck[0]?.write("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nall");
        await until(() => client.received.includes("all"), "the answer to begin");
        await time.advance(totalMs + 200);
        stuck[0]?.write("ive");
        expect((await client.readResponse()).body.toString()).toBe("allive");
        client.destroy();
      },
      {},
      time,
    );
  },

  "serves the next request on the connection of one whose time was up": (engine) =>
    play(engine, async ({ stage, pending: stuck }) => {
      const client = await RawClient.connect(stage.port);
      expect((await client.send(get("/late")).readResponse()).status).toBe(504);
      client.send(get("/next"));
      await until(() => stuck.length === 2, "the next request");
      stuck[1]?.write(respondWith("in time"));
      expect((await client.readResponse()).body.toString()).toBe("in time");
      client.destroy();
    }),

  "moves a WebSocket handshake that waits on an upstream that was found down": async (engine) => {
    const server = greeter();
    const frozen = await startOrigin(() => {});
    const set = await startEngine(engine, { ports: [frozen.port, server.port ?? 0], policy: "first" });
    try {
      const socket = new WebSocket(`ws://127.0.0.1:${set.port}/chat`);
      const heard: unknown[] = [];
      socket.addEventListener("message", ({ data }) => heard.push(data));
      await until(() => frozen.requests.length === 1, "the handshake to wait");
      const [upstream] = set.pool.upstreams;
      for (let i = 0; i < 3; i++) if (upstream) set.pool.recordProbe(upstream, false);
      if (upstream) rescueWaiting(upstream);
      await until(() => heard.length === 1, "a greeting");
      expect([heard, set.retried]).toEqual([["welcome"], ["rescued"]]);
      await until(() => frozen.open() === 0, "the first connection to be dropped");
      expect(set.pool.upstreams.map(({ inFlight }) => inFlight)).toEqual([0, 1]);
      socket.close();
      await until(() => set.ended.length === 2, "the tunnel to end");
      expect(set.ended.map(({ outcome }) => outcome.kind)).toEqual(["failure", "response"]);
      expect(set.bugs).toEqual([]);
    } finally {
      set.close();
      await frozen.close();
      await server.stop(true);
    }
  },

  "refuses a WebSocket handshake when the time for the whole request is up": (engine) =>
    play(engine, async (scene) => {
      const handshake = `GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${btoa("0123456789abcdef")}\r\n\r\n`;
      const response = await (await RawClient.connect(scene.stage.port)).send(handshake).readResponse();
      expect(response.status).toBe(504);
      expect(scene.stage.refused).toEqual(["total_timeout"]);
      await isDropped(scene);
    }),
};
